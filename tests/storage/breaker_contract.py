"""
What every database must do with circuit breakers, with what they hold back, and with the tokens of
windows.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256

from scepd.errors import Conflict
from scepd.model import (
    Admission,
    Breaker,
    BreakerSettings,
    BreakerState,
    HostProfile,
    WindowOutcome,
)
from scepd.ports import BreakerStore, Subject
from scepd.profiles.lifecycle import Event
from scepd.storage import delivery
from tests.storage import records
from tests.storage.base import StorageTestCase, reserve
from tests.storage.records import HOUR, MINUTE, NOON, SECOND

_QUICK = BreakerSettings(failures=2, first_wait=30, longest_wait=600)
_FULL = Breaker(
    "corp",
    BreakerState.HALF_OPEN,
    failures=5,
    opened_at=NOON,
    wait=37.5,
    next_probe_at=NOON + SECOND,
    trial="x-1",
    trial_until=NOON + HOUR,
    deliver_at=NOON + 2 * SECOND,
    reason="ca.example refused the connection",
)


async def open_breaker(store: BreakerStore, ca_name: str = "corp") -> Breaker:
    """
    Two failures at noon open a breaker.
    """
    for _ in range(2):
        _, new = await store.change(ca_name, lambda old: old.failed("refused", NOON, _QUICK, 0.5))
    return new


class BreakerContract(StorageTestCase):
    """
    BreakerStore.
    """

    async def test_kept(self) -> None:
        """
        What was changed is found again, field by field, and by what comes next.
        """
        found = await self.breakers.change("corp", lambda old: _FULL)
        self.assertEqual(found, (Breaker("corp"), _FULL))
        self.assertEqual(await self.breakers.breakers(), [_FULL])
        other = replace(_FULL, reason="other", trial=None)
        found = await self.breakers.change("corp", lambda old: other)
        self.assertEqual(found, (_FULL, other))

    async def test_counted(self) -> None:
        """
        Failures add up, each on what is stored.
        """
        opened = await open_breaker(self.breakers)
        self.assertEqual((opened.state, opened.failures), (BreakerState.OPEN, 2))
        self.assertEqual(opened.next_probe_at, NOON + timedelta(seconds=30))

    async def test_fresh_has_no_row(self) -> None:
        """
        Of what is fresh nothing is stored, before and after; one that is unchanged stays.
        """
        await self.breakers.change("a", lambda old: old)
        self.assertEqual(await self.breakers.breakers(), [])
        for name in ("b", "a"):
            await open_breaker(self.breakers, name)
        names = [breaker.ca_name for breaker in await self.breakers.breakers()]
        self.assertEqual(names, ["a", "b"])
        await self.breakers.change("a", lambda old: Breaker("a"))
        names = [breaker.ca_name for breaker in await self.breakers.breakers()]
        self.assertEqual(names, ["b"])

    async def test_authority_comes_and_goes(self) -> None:
        """
        Nothing is held against a certificate authority that is added or removed.
        """
        await open_breaker(self.breakers)
        await self.authorities.add_certificate_authority(records.ca(), records.activity())
        self.assertEqual(await self.breakers.breakers(), [])
        await open_breaker(self.breakers)
        await self.authorities.remove_certificate_authority("corp", records.activity(), force=False)
        self.assertEqual(await self.breakers.breakers(), [])


class OutageContract(StorageTestCase):
    """
    What an outage does to deliveries.
    """

    async def test_held(self) -> None:
        """
        Due assignments of that certificate authority tell what they wait for, and stay due; the
        same detail again writes nothing.
        """
        await self.enroll()
        await self.enroll("H-2")
        await self.add_corp_profile()
        await self.profiles.add_profile(records.profile("b-1"), records.activity())
        before = await self.row("H-1", "b-1")
        lease = await self.lease()
        await self.delivery.hold("corp", "out since noon", NOON, lease)
        for uuid in ("H-1", "H-2"):
            row = await self.row(uuid)
            self.assertEqual(
                (row.detail, row.status, row.attempts), ("out since noon", "pending", 0)
            )
        self.assertEqual(await self.row("H-1", "b-1"), before)
        self.assertEqual(len(await self.delivery.due_rows("corp", NOON, 10)), 2)
        await self.delivery.hold("corp", "out since noon", NOON + HOUR, lease)
        self.assertEqual(await self.row("H-2"), row)

    async def test_held_since(self) -> None:
        """
        Only those are told that became due since a time, when there is one.
        """
        for number in range(3):
            await self.enroll(f"H-{number}")
        await self.add_corp_profile()
        for number in range(3):
            due = records.assignment(f"H-{number}", due_at=NOON + number * MINUTE)
            await self.assignments.assign(due)
        lease = await self.lease()
        await self.delivery.hold("corp", "out", NOON + MINUTE, lease, NOON + MINUTE)
        told = [(await self.row(f"H-{number}")).detail for number in range(3)]
        self.assertEqual(told, ["", "out", ""])

    async def test_many_held(self) -> None:
        """
        However many are held back, all are told, some at a time.
        """
        self.patch(delivery, "_MOST_HELD", 2)
        for number in range(5):
            await self.enroll(f"H-{number}")
        await self.add_corp_profile()
        await self.delivery.hold("corp", "out", NOON, await self.lease())
        found = await self.assignments.assignments_of_profile("a-1")
        self.assertEqual([row.detail for row in found], ["out"] * 5)

    async def test_held_under_a_lease(self) -> None:
        """
        Without the lease nothing is written.
        """
        await self.enroll()
        await self.add_corp_profile()
        lease = await self.lease()
        self.now = NOON + HOUR
        await self.refused(Conflict, self.delivery.hold("corp", "out", self.now, lease))
        self.assertEqual((await self.row()).detail, "")

    async def row_after_error(self) -> HostProfile:
        """
        The assignment after its device reported at noon that the certificate authority failed.
        """
        await self.hand_over()
        outage = records.event(Event.ERROR_DURING_OUTAGE, detail="no answer")
        await self.delivery.happen([outage], NOON, None)
        return await self.row()

    async def test_error_before_the_breaker_opens(self) -> None:
        """
        An Error while the certificate authority fails: due after a minute, no attempt counted.
        """
        row = await self.row_after_error()
        self.assertEqual((row.due_at, row.attempts), (NOON + timedelta(minutes=1), 0))
        self.assertEqual((row.status, row.detail), ("pending", "no answer"))

    async def test_error_while_the_breaker_is_open(self) -> None:
        """
        Likewise, and due at once: the breaker holds it back for as long as it takes.
        """
        await self.authorities.add_certificate_authority(records.ca(), records.activity())
        await open_breaker(self.breakers)
        row = await self.row_after_error()
        self.assertEqual((row.due_at, row.attempts), (NOON, 0))

    async def fails_again(self, at: datetime, *, status: str | None = None) -> datetime:
        """
        One more delivery, which ends in an Error that counts as an outage.

        :param status: what the certificate authority had answered before it failed, if it did.
        :returns: when it is due again.
        """
        (row,) = await self.delivery.due_rows("corp", at, 10)
        id = f"again-{at:%d-%H%M%S}"
        command = replace(records.delivery_of(row, at), uuid=id)
        await self.delivery.queue_deliveries([(row, command)], await self.lease(), at)
        window = records.window(id, opened_at=at, deadline=at + HOUR)
        self.assertTrue(await self.commands.hand_over(id, at, window))
        said = records.exchange(id, window_id=id, pki_status=status, started_at=at)
        await self.enrollment.settle_window(said, WindowOutcome.REOPEN, None)
        outage = records.event(Event.ERROR_DURING_OUTAGE, detail="no answer")
        await self.delivery.happen([outage], at, None)
        due_at = (await self.row()).due_at
        assert due_at is not None
        return due_at

    async def test_pause_grows(self) -> None:
        """
        Deliveries in vain, one after the other, are tried again after 1, 2, 4 … 30 minutes, and
        tell since when. None counts. An answer, or a time without any, begins anew.
        """
        at, pauses = (await self.row_after_error()).due_at, []
        assert at is not None
        for _ in range(6):
            due_at = await self.fails_again(at)
            pauses.append((due_at - at) // MINUTE)
            at = due_at
        self.assertEqual(pauses, [1, 2, 4, 8, 16, 30])
        row = await self.row()
        since = "certificate authority without an answer since 2026-03-01T12:01:00Z: no answer"
        self.assertEqual((row.status, row.attempts, row.detail), ("pending", 0, since))
        self.assertEqual(await self.fails_again(at, status="FAILURE") - at, MINUTE)
        at += HOUR
        self.assertEqual(await self.fails_again(at) - at, MINUTE)
        at += 3 * HOUR
        self.assertEqual(await self.fails_again(at) - at, MINUTE)

    async def test_nothing_asked(self) -> None:
        """
        Deliveries of which the device asked nothing, as it or scepd was away, make no pause longer.
        """
        at = (await self.row_after_error()).due_at
        assert at is not None
        for number in range(3):
            at += MINUTE
            window = records.window(f"silent-{number}", opened_at=at)
            await self.assignments.open_window(window)
        self.assertEqual(await self.fails_again(at + MINUTE) - at, 2 * MINUTE)

    async def test_pause_ends(self) -> None:
        """
        When the breaker closes, and when the certificate authority is changed, what waits a longer
        pause is due at once; others wait as they did.
        """
        await self.authorities.add_certificate_authority(records.ca(), records.activity())
        at = (await self.row_after_error()).due_at
        assert at is not None
        await open_breaker(self.breakers)
        await self.breakers.change("corp", lambda old: Breaker("corp"))
        self.assertEqual((await self.row()).due_at, at)
        for _ in range(4):
            failed_at, at = at, await self.fails_again(at)
        self.assertEqual(await self.delivery.due_rows("corp", failed_at, 10), [])
        await open_breaker(self.breakers)
        self.assertEqual((await self.row()).due_at, at)
        await self.breakers.change("corp", lambda old: Breaker("corp"))
        self.assertEqual((await self.row()).due_at, failed_at)
        self.assertEqual(len(await self.delivery.due_rows("corp", failed_at, 10)), 1)


class TokenContract(StorageTestCase):
    """
    Windows of one-time URLs.
    """

    async def ask(self, token: str) -> Admission:
        """
        What the window says to a URL with this token.
        """
        subject = Subject("H-1", "a-1", "corp", token)
        return (await reserve(self.enrollment, subject)).admission

    async def test_token(self) -> None:
        """
        Only the token of the newest window opens it, and a closed answer names the window.
        """
        await self.add_host_with_profile()
        for id, token in (("w-1", "first"), ("w-2", "second")):
            digest = sha256(token.encode()).hexdigest()
            await self.assignments.open_window(records.window(id, token_sha256=digest))
        for wrong in ("", "first", "SECOND", sha256(b"second").hexdigest()):
            self.assertIs(await self.ask(wrong), Admission.CLOSED)
        refused = await reserve(self.enrollment, Subject("H-1", "a-1", "corp", "first"))
        self.assertEqual(refused.window_id, "w-2")
        self.assertIs(await self.ask("second"), Admission.ADMITTED)

    async def test_no_token(self) -> None:
        """
        A window without a token admits URLs of every kind: what was delivered before goes on.
        """
        await self.add_host_with_profile()
        await self.assignments.open_window(records.window())
        self.assertIs(await self.ask("anything"), Admission.ADMITTED)
        self.assertIs(await self.ask(""), Admission.ADMITTED)
