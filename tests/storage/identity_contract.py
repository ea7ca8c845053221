"""
What every database must do with identities and their renewal.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from scepd.errors import Conflict
from scepd.model import (
    ENROLLMENT_PROFILE,
    Activity,
    CARole,
    EnrollmentChallenge,
    IdentityCounts,
    KnownIdentity,
    QueuedCommand,
    RenewalAnswer,
)
from scepd.profiles.lifecycle import Event
from tests.storage import records
from tests.storage.base import StorageTestCase
from tests.storage.records import HOUR, NOON, SECOND

LATER = NOON + HOUR
OLD, NEW = "sha-0B", "sha-0C"


def renewal(uuid: str = "r-1", at: datetime = NOON) -> QueuedCommand:
    """
    The command that renews the identity of H-1.
    """
    return QueuedCommand(uuid, "H-1", "InstallProfile", ENROLLMENT_PROFILE, None, 50, at)


class IdentityCase(StorageTestCase):
    """
    An enrolled device with an identity that was issued for the token e1.
    """

    async def enrolled(self, **issued: Any) -> None:
        """
        Enroll H-1 with the identity ``OLD``.
        """
        token = records.enrollment_token()
        await self.enrollment_tokens.add_enrollment_token(token, records.activity())
        await self.enrollment_tokens.add_challenge(records.challenge())
        await self.issuing.issue(records.issued(**issued), NOON)
        await self.checkins.authenticate(records.host(), records.enrollment(), OLD)
        await self.checkins.update_token("H-1", records.address(), NOON, NOON + 1000 * HOUR)

    async def begin(self, uuid: str = "r-1", at: datetime = NOON, **options: Any) -> list[str]:
        """
        Begin to renew ``OLD``; returns the uuids of what was queued.
        """
        begun = await self.identities.begin_renewals([(OLD, renewal(uuid, at))], at, **options)
        return [command.uuid for command in begun]

    async def offer(
        self, uuid: str = "r-1", challenge: str = "n1", at: datetime = NOON
    ) -> EnrollmentChallenge:
        """
        Hand the command over, with a challenge.
        """
        made = records.challenge(
            challenge,
            token_sha256=None,
            subject="CN=renewed",
            expires_at=at + HOUR,
            enrollment_id="H-1",
            host_uuid="H-1",
        )
        self.assertTrue(await self.commands.hand_over(uuid, at, None, made))
        return made

    async def issue(
        self, serial: str = "0C", challenge: str = "n1", at: datetime = LATER, **changes: object
    ) -> KnownIdentity:
        """
        Issue an identity for the challenge of a renewal, and return what is known of it.
        """
        new = records.issued(
            serial,
            **{
                "subject": "CN=renewed",
                "challenge_sha256": challenge,
                "issued_at": at,
                "public_key_sha256": f"key-{serial}",
                **changes,
            },
        )
        await self.issuing.issue(new, at - SECOND)
        return await self.known(f"sha-{serial}")

    async def known(self, sha256: str) -> KnownIdentity:
        """
        What is known of an identity.
        """
        found = await self.checkins.identity(sha256)
        assert found is not None
        return found

    async def renewed(self) -> None:
        """
        The device has got ``NEW``, and began to use it.
        """
        await self.enrolled()
        await self.begin()
        await self.offer()
        await self.issue()
        early = RenewalAnswer("not there yet", LATER, failed=False)
        await self.identities.renewal_answered("r-1", early, NOON)
        self.assertTrue(await self.identities.confirm(NEW, LATER))


class RenewedIdentityContract(IdentityCase):
    """
    The identities that renewals bring.
    """

    async def test_issued(self) -> None:
        """
        What is issued for the challenge of a renewal is an identity of the enrollment, as its
        record of issue says; it counts no use of a token, and the old one stays.
        """
        await self.enrolled()
        await self.begin()
        challenge = await self.offer()
        self.assertEqual(await self.issuing.challenge("n1"), challenge)
        new = await self.issue()
        self.assertEqual((new.enrollment_id, new.host_uuid, new.enabled), ("H-1", "H-1", True))
        self.assertEqual((new.renews, new.confirmed, new.retired), (True, False, False))
        self.assertEqual((new.bound_host, new.labels), ("H-1", ()))
        stored = await self.issuing.certificate_by_sha256(NEW)
        assert stored is not None
        self.assertEqual((stored.purpose, stored.host_uuid), ("renew", "H-1"))
        token = await self.enrollment_tokens.enrollment_token("e1")
        self.assertEqual(token and token.uses_left, 1)
        old = await self.known(OLD)
        self.assertEqual((old.renews, old.confirmed, old.retired), (False, True, False))
        self.assertEqual(old.renewal_command, "r-1")

    async def test_used_twice(self) -> None:
        """
        The same key may have a challenge's certificate again, another key may not.
        """
        await self.enrolled()
        await self.begin()
        await self.offer()
        await self.issue()
        await self.refused(Conflict, self.issue("0D"))
        again = await self.issue("0E", public_key_sha256="key-0C")
        self.assertEqual(again.enrollment_id, "H-1")

    async def test_several_challenges(self) -> None:
        """
        Each hand-over has a challenge of its own; those before are good until they expire, and go
        when the next one comes after that.
        """
        await self.enrolled()
        await self.begin()
        await self.offer()
        await self.offer(challenge="n2", at=NOON + HOUR - SECOND)
        self.assertIsNotNone(await self.issuing.challenge("n1"))
        await self.offer(challenge="n3", at=NOON + HOUR)
        self.assertIsNone(await self.issuing.challenge("n1"))
        await self.refused(Conflict, self.issue(challenge="n2", at=NOON + 3 * HOUR))

    async def test_goes_on(self) -> None:
        """
        A device that goes on under its new identity loses nothing: not its commands, not its push
        address, its bootstrap token or its profiles; what it tells of itself is stored.
        """
        await self.enrolled()
        await self.add_corp_profile()
        await self.bootstrap.keep("H-1", records.address().secret)
        await self.commands.queue(records.command("c-1"))
        await self.begin()
        await self.offer()
        await self.issue()
        row, enrollment = await self.row(), await self.checkins.enrollment("H-1")
        told = records.host(labels=(), facts={}, os_version="15.4")
        await self.checkins.go_on(told, "H-1", NEW, LATER)
        await self.identities.confirm(NEW, LATER)
        later = NOON + 100 * HOUR
        await self.checkins.update_token("H-1", records.address(b"x"), later, later)
        self.assertEqual(await self.row(), row)
        found = await self.checkins.enrollment("H-1")
        assert found is not None and enrollment is not None
        self.assertEqual((found.enabled, found.enrolled_at), (True, enrollment.enrolled_at))
        labels = ("berlin", "os:15", "platform:macos", "sales")
        told = records.host(os_version="15.4", labels=labels)
        self.assertEqual(await self.hosts.host("H-1"), told)
        token = await self.bootstrap.read("H-1", records.activity())
        self.assertEqual(token, records.address().secret)
        statuses = {one.uuid: one.status for one in await self.commands.commands("H-1")}
        self.assertEqual(statuses, {"c-1": "queued", "r-1": "offered"})

    async def test_goes_on_and_tells(self) -> None:
        """
        A value that was not known before, and that it tells now, brings what failed for lack of it.
        """
        await self.enrolled()
        await self.hosts.put_host(records.host(serial_number=""))
        await self.add_corp_profile(host_variables=("HOST_HARDWARE_SERIAL",))
        failed = records.event(Event.RESOLUTION_FAILED, detail="needs the serial number")
        await self.delivery.happen([failed], NOON, None)
        await self.begin()
        await self.offer()
        await self.issue()
        told = records.host(serial_number="S-1")
        await self.checkins.go_on(told, "H-1", NEW, LATER)
        row = await self.row()
        self.assertEqual((row.status, row.due_at), ("pending", LATER))

    async def test_goes_on_as_its_own(self) -> None:
        """
        Only an identity of the enrollment goes on with it, and none that was replaced.
        """
        await self.renewed()
        for sha256, enrollment in ((NEW, "H-2"), ("sha-XX", "H-1"), (OLD, "H-1")):
            call = self.checkins.go_on(records.host(enrollment), enrollment, sha256, NOON)
            await self.refused(Conflict, call)
        self.assertIsNone(await self.hosts.host("H-2"))

    async def test_confirmed(self) -> None:
        """
        When the new identity is used, the old one is retired, once; the challenges are void, and
        the new one is looked at from then on.
        """
        await self.enrolled()
        await self.begin()
        await self.offer()
        await self.offer(challenge="n2")
        await self.issue()
        self.assertTrue(await self.identities.confirm(NEW, LATER))
        self.assertFalse(await self.identities.confirm(NEW, LATER + HOUR))
        self.assertFalse(await self.identities.confirm(OLD, LATER))
        self.assertFalse(await self.identities.confirm("sha-XX", LATER))
        self.assertTrue((await self.known(OLD)).retired)
        self.assertTrue((await self.known(NEW)).confirmed)
        self.assertIsNone(await self.issuing.challenge("n2"))
        looks = await self.identities.due_looks(LATER, 10)
        self.assertEqual([one.certificate_sha256 for one in looks], [NEW])
        shown = await self.identities.identities("H-1")
        self.assertEqual([one.certificate_sha256 for one in shown], [NEW, OLD])
        self.assertEqual(shown[1].retired_at, LATER)

    async def test_run_twice(self) -> None:
        """
        Of two identities of one renewal each retires what was there before it, and not what was
        issued after it.
        """
        await self.enrolled()
        await self.begin()
        await self.offer()
        await self.offer(challenge="n2")
        await self.issue()
        await self.issue("0D", "n2", LATER + SECOND / 2)
        await self.identities.confirm(NEW, LATER + HOUR)
        self.assertTrue((await self.known(OLD)).retired)
        self.assertFalse((await self.known("sha-0D")).retired)
        await self.identities.confirm("sha-0D", LATER + HOUR)
        self.assertTrue((await self.known(NEW)).retired)

    async def test_retired_renews_nothing(self) -> None:
        """
        An identity that was replaced gets no certificate.
        """
        await self.renewed()
        new = records.issued("0F", challenge_sha256=None, renewed_sha256=OLD)
        await self.refused(Conflict, self.issuing.issue(new, LATER))

    async def test_by_certificate(self) -> None:
        """
        An identity that renews another one at the authority itself takes its place likewise.
        """
        await self.enrolled()
        new = records.issued("0C", challenge_sha256=None, renewed_sha256=OLD)
        await self.issuing.issue(new, LATER)
        found = await self.known(NEW)
        self.assertEqual((found.renews, found.confirmed, found.enrollment_id), (True, False, "H-1"))
        self.assertTrue(await self.identities.confirm(NEW, LATER))
        self.assertTrue((await self.known(OLD)).retired)

    async def test_enrolled_anew(self) -> None:
        """
        A new enrollment cancels a renewal: its command, its challenges, and what it brought.
        """
        await self.enrolled()
        await self.begin()
        await self.offer()
        await self.offer(challenge="n2")
        await self.issue()
        await self.checkins.authenticate(
            records.host(), records.enrollment(enrolled_at=LATER), "id-2"
        )
        self.assertIsNone(await self.checkins.identity(NEW))
        self.assertIsNone(await self.issuing.challenge("n2"))
        self.assertEqual((await self.commands.commands("H-1"))[0].status, "cancelled")
        self.assertIsNone(await self.identities.renewal("r-1"))

    async def test_checked_out(self) -> None:
        """
        CheckOut cancels it, too.
        """
        await self.enrolled()
        await self.begin()
        await self.offer()
        await self.checkins.check_out("H-1", LATER)
        self.assertIsNone(await self.issuing.challenge("n1"))
        self.assertEqual((await self.commands.commands("H-1"))[0].status, "cancelled")
        self.assertEqual(await self.identities.identities("H-1"), [])

    async def test_bound(self) -> None:
        """
        What is issued for a challenge that is bound to a device is bound to it.
        """
        token = records.enrollment_token()
        await self.enrollment_tokens.add_enrollment_token(token, records.activity())
        bound = records.challenge(host_uuid="H-7", serial_number="C07")
        await self.enrollment_tokens.add_challenge(bound)
        self.assertEqual(await self.issuing.challenge("c1"), bound)
        stored = await self.issuing.issue(records.issued(), NOON)
        self.assertEqual((stored.host_uuid, stored.serial_number), ("H-7", "C07"))
        self.assertEqual(await self.issuing.certificate_by_sha256(OLD), stored)
        found = await self.known(OLD)
        self.assertEqual((found.bound_host, found.bound_serial), ("H-7", "C07"))
        new = records.issued("0C", challenge_sha256=None, renewed_sha256=OLD, host_uuid="H-7")
        await self.issuing.issue(new, NOON)
        self.assertEqual((await self.known(NEW)).bound_serial, "C07")


class RenewalContract(IdentityCase):
    """
    IdentityStore.
    """

    async def test_looks(self) -> None:
        """
        An identity in use is looked at as soon as its device is enabled, and when it was said.
        """
        await self.enrolled()
        (look,) = await self.identities.due_looks(NOON, 10)
        self.assertEqual((look.certificate_sha256, look.enrollment_id), (OLD, "H-1"))
        self.assertEqual((look.host_uuid, look.issued_at), ("H-1", NOON))
        self.assertEqual(look.not_after, NOON + timedelta(days=365))
        self.assertEqual((look.failures, look.pending), (0, False))
        lease = await self.lease()
        await self.identities.look_again([(OLD, LATER)], lease)
        self.assertEqual(await self.identities.due_looks(LATER - SECOND, 10), [])
        self.assertEqual(len(await self.identities.due_looks(LATER, 10)), 1)
        self.now += HOUR
        await self.refused(Conflict, self.identities.look_again([(OLD, NOON)], lease))

    async def test_not_looked_at(self) -> None:
        """
        What is revoked, or of a device that is not enabled, is not looked at, nor renewed.
        """
        await self.enrolled()
        await self.checkins.authenticate(records.host(), records.enrollment(), OLD)
        self.assertEqual(await self.identities.due_looks(LATER, 10), [])
        self.assertEqual(await self.begin(), [])
        await self.checkins.update_token("H-1", records.address(), NOON, NOON)
        await self.certificates.revoke("0B", "superseded", records.activity())
        self.assertEqual(await self.identities.due_looks(LATER, 10), [])
        self.assertEqual(await self.begin(), [])

    async def test_issuer_replaced(self) -> None:
        """
        After a roll-over it is told since when the authority issues with another certificate.
        """
        state = records.ca_state()
        await self.ca_states.create_ca_state(state)
        await self.enrolled(issuer_serial="01")
        self.assertIsNone((await self.identities.due_looks(NOON, 1))[0].issuer_replaced_at)
        following = type(state)("02", b"\x30", state.private_key, NOON, CARole.NEXT)
        await self.ca_states.plan_ca_state(following, records.activity())
        await self.ca_states.commit_ca_state(Activity(LATER, "alice", "committed", ""))
        self.assertEqual((await self.identities.due_looks(NOON, 1))[0].issuer_replaced_at, LATER)
        (shown,) = await self.identities.identities("H-1")
        self.assertEqual(shown.issuer_replaced_at, LATER)

    async def test_begun_once(self) -> None:
        """
        A renewal is queued and pushed at once, before all else, and not again while it waits.
        """
        await self.enrolled()
        await self.commands.queue(records.command("c-1", priority=100))
        self.assertEqual(await self.begin(), ["r-1"])
        self.assertEqual(await self.pushes.earliest_push(), NOON)
        first = await self.commands.next_command("H-1", after_not_now=False)
        self.assertEqual(first, renewal())
        self.assertTrue((await self.identities.due_looks(NOON, 1))[0].pending)
        self.assertEqual(await self.begin("r-2"), [])
        await self.offer()
        await self.commands.finish("r-1", "H-1", "NotNow", "", NOON, None)
        self.assertEqual(await self.begin("r-3"), [])
        await self.commands.finish("r-1", "H-1", "Error", "no", NOON, None)
        self.assertEqual(await self.begin("r-4"), ["r-4"])

    async def test_with_activity(self) -> None:
        """
        An operator's renewal is an activity, when there is one.
        """
        await self.enrolled()
        before = len(await self.done())
        told = records.activity("H-1")
        pairs = [(OLD, renewal())]
        await self.identities.begin_renewals(pairs, NOON, activity=told)
        await self.identities.begin_renewals(pairs, NOON, activity=told)
        self.assertEqual((await self.done())[: -before or None], [told])

    async def test_only_due(self) -> None:
        """
        What is to be looked at later is left alone when it is wanted so.
        """
        await self.enrolled()
        await self.identities.look_again([(OLD, LATER)], None)
        self.assertEqual(await self.begin(only_due=True), [])
        self.assertEqual(await self.begin("r-2", LATER, only_due=True), ["r-2"])

    async def test_lost_lease(self) -> None:
        """
        Without its lease nothing begins.
        """
        await self.enrolled()
        lease = await self.lease()
        self.now += HOUR
        begin = self.identities.begin_renewals([(OLD, renewal())], LATER, lease=lease)
        await self.refused(Conflict, begin)
        self.assertEqual(await self.commands.commands("H-1"), [])

    async def test_pending(self) -> None:
        """
        A command tells what it renews, until the device uses what it got by it.
        """
        await self.enrolled()
        await self.begin()
        await self.offer()
        found = await self.identities.renewal("r-1")
        assert found is not None
        self.assertEqual((found.enrollment_id, found.host_uuid), ("H-1", "H-1"))
        self.assertEqual((found.topic, found.failures), ("com.apple.mgmt.External.1", 0))
        self.assertEqual((found.not_after, found.done), (NOON + timedelta(days=365), False))
        await self.issue()
        found = await self.identities.renewal("r-1")
        self.assertFalse(found is None or found.done)
        await self.identities.confirm(NEW, LATER)
        found = await self.identities.renewal("r-1")
        self.assertTrue(found is not None and found.done)
        self.assertIsNone(await self.identities.renewal("r-9"))

    async def test_failed(self) -> None:
        """
        A failure is counted, dated, explained and an activity; it is looked at again later.
        """
        await self.enrolled()
        await self.begin()
        told = records.activity("H-1")
        answer = RenewalAnswer("no room", LATER, failed=True)
        await self.identities.renewal_answered("r-1", answer, NOON, told)
        (shown,) = await self.identities.identities("H-1")
        self.assertEqual((shown.renewal_command, shown.renewal_status), ("r-1", "queued"))
        self.assertEqual((shown.renewal_failures, shown.renewal_failed_at), (1, NOON))
        self.assertEqual((shown.renewal_detail, shown.look_at), ("no room", LATER))
        self.assertEqual((shown.serial, shown.subject), ("0B", "CN=H-1"))
        self.assertEqual((await self.done())[0], told)
        counts = await self.identities.counts(NOON, [NOON])
        self.assertEqual(counts, IdentityCounts((0,), 0, 1))

    async def test_never_comes(self) -> None:
        """
        A device that acknowledges renewals and comes with none of the identities fails, from the
        second time on; when it comes with one after all it does not.
        """
        await self.enrolled()
        for number, at in enumerate((NOON, LATER, LATER + HOUR)):
            await self.begin(f"r-{number}", at)
            answer = RenewalAnswer("not there yet", at, failed=False)
            await self.identities.renewal_answered(f"r-{number}", answer, at)
            await self.commands.finish(f"r-{number}", "H-1", "Acknowledged", "", at, None)
            counts = await self.identities.counts(at, [])
            self.assertEqual(counts.failing, min(number, 1))
        (shown,) = await self.identities.identities("H-1")
        self.assertEqual((shown.renewal_failures, shown.renewal_failed_at), (3, LATER))
        await self.begin("r-3", LATER + 2 * HOUR)
        await self.offer("r-3", at=LATER + 2 * HOUR)
        await self.issue(at=LATER + 2 * HOUR)
        await self.identities.confirm(NEW, LATER + 3 * HOUR)
        self.assertEqual((await self.identities.counts(LATER + 3 * HOUR, [])).failing, 0)

    async def test_failed_after_all(self) -> None:
        """
        A device that has used its new identity, and then says that it failed, goes on with the old
        one: that one counts again.
        """
        await self.renewed()
        (_, old) = await self.identities.identities("H-1")
        self.assertEqual((old.renewal_failures, old.renewal_detail), (0, ""))
        acknowledged = RenewalAnswer("", LATER, failed=False)
        await self.identities.renewal_answered("r-1", acknowledged, LATER)
        self.assertTrue((await self.known(OLD)).retired)
        answer = RenewalAnswer("rolled back", LATER, failed=True)
        await self.identities.renewal_answered("r-1", answer, LATER)
        self.assertFalse((await self.known(OLD)).retired)
        self.assertTrue((await self.known(NEW)).confirmed)

    async def test_counts(self) -> None:
        """
        Identities in use are counted by their expiry.
        """
        await self.enrolled(not_after=NOON + 5 * HOUR)
        moments = [NOON + 4 * HOUR, NOON + 5 * HOUR]
        found = await self.identities.counts(NOON, moments)
        self.assertEqual(found, IdentityCounts((0, 1), 0, 0))
        found = await self.identities.counts(NOON + 6 * HOUR, moments)
        self.assertEqual(found.expired, 1)
        await self.checkins.check_out("H-1", NOON)
        found = await self.identities.counts(NOON + 6 * HOUR, moments)
        self.assertEqual(found, IdentityCounts((0, 0), 0, 0))
