"""
What every database must do with wishes to push.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from scepd.model import (
    AFTER_ENROLLING,
    AnsweredPush,
    PushState,
    PushSummary,
    TokenDied,
    WishedPush,
    WishState,
)
from tests.storage import records
from tests.storage.base import StorageTestCase
from tests.storage.records import HOUR, NOON, SECOND

UNTIL = NOON + 30 * SECOND


class PushCase(StorageTestCase):
    """
    A device that is pushed to.
    """

    async def wish(self, uuid: str = "H-1", at: datetime = NOON) -> None:
        """
        An enrolled device for which a command waits.
        """
        if await self.checkins.enrollment(uuid) is None:
            await self.enroll(uuid)
        self.count = getattr(self, "count", 0) + 1
        await self.commands.queue(records.command(f"c-{self.count}", uuid, created_at=at))

    async def claim(self, now: datetime = NOON, limit: int = 10) -> list[WishedPush]:
        """
        Claim wishes for half a minute.
        """
        return list(await self.pushes.claim_pushes(now, now + 30 * SECOND, limit))

    async def answered(
        self,
        apns_id: str = "apns-1",
        status: int | None = 200,
        next_due: datetime | None = None,
        counted: bool = True,
        **changes: object,
    ) -> Sequence[TokenDied]:
        """
        A push to H-1 was answered.
        """
        state = WishState.SENT if status == 200 else WishState.DUE
        whole = AnsweredPush("H-1", apns_id, state, NOON, next_due, status, "", counted)
        return await self.pushes.pushes_answered([replace(whole, **changes)], NOON)  # type: ignore[arg-type]

    async def dead(self, since: datetime = NOON, apns_id: str = "apns-1") -> Sequence[TokenDied]:
        """
        A push to H-1 was answered with 410.
        """
        return await self.answered(apns_id, 410, UNTIL, dead_since=since, reason="Unregistered")

    async def state(self) -> PushState:
        """
        How pushing to H-1 went.
        """
        found = await self.pushes.push_state("H-1")
        assert found is not None
        return found


class PushContract(PushCase):
    """
    PushStore.
    """

    async def test_claimed(self) -> None:
        """
        A due wish is claimed with its address and an apns-id, and is nobody else's for a while; the
        next one to claim it has the same apns-id.
        """
        await self.wish()
        self.assertEqual(await self.claim(NOON - SECOND), [])
        expected = WishedPush("H-1", records.address(), "apns-1", 0)
        self.assertEqual(await self.claim(), [expected])
        self.assertEqual(await self.claim(UNTIL - SECOND), [])
        self.assertEqual(await self.claim(UNTIL), [expected])

    async def test_one_each(self) -> None:
        """
        Each enrollment has one wish, however many commands wait.
        """
        for _ in range(3):
            await self.wish()
        self.assertEqual(len(await self.claim()), 1)

    async def test_longest_due_first(self) -> None:
        """
        The longest due are claimed first, at most so many.
        """
        for uuid, seconds in (("H-1", 2), ("H-2", 1), ("H-3", 3)):
            await self.wish(uuid, NOON + seconds * SECOND)
        self.assertEqual(await self.pushes.earliest_push(), NOON + SECOND)
        now = NOON + 5 * SECOND
        for expected in (["H-2", "H-1"], ["H-3"], []):
            claimed = await self.claim(now, 2)
            self.assertEqual([one.enrollment_id for one in claimed], expected)

    async def test_reachable_only(self) -> None:
        """
        A wish for one that is disabled, or has no address, is none.
        """
        await self.checkins.authenticate(records.host(), records.enrollment(), "id-1")
        await self.commands.queue(records.command("c-8"))
        self.assertEqual(await self.claim(), [])
        self.assertIsNone(await self.pushes.earliest_push())

    async def test_not_by_itself(self) -> None:
        """
        A push that was answered for good is not due again; a new command makes it due, with a new
        apns-id and no attempts.
        """
        await self.wish()
        await self.claim()
        await self.answered(status=400, state=WishState.PARKED)
        self.assertIsNone(await self.pushes.earliest_push())
        self.assertEqual(await self.claim(NOON + HOUR), [])
        await self.wish()
        expected = WishedPush("H-1", records.address(), "apns-2", 0)
        self.assertEqual(await self.claim(), [expected])

    async def test_again(self) -> None:
        """
        A push that failed is due again when asked for, with the same apns-id, and counts if so
        said; it has no part in the series.
        """
        await self.wish()
        for counted, attempts in ((False, 0), (True, 0), (True, 1)):
            (claimed,) = await self.claim()
            self.assertEqual((claimed.apns_id, claimed.attempts), ("apns-1", attempts))
            await self.answered(status=503, next_due=NOON, counted=counted)
        (claimed,) = await self.claim()
        self.assertEqual((claimed.attempts, claimed.repeats), (2, 0))

    async def test_silent_device(self) -> None:
        """
        An accepted push is due again while a command waits, as another one, at the next place of
        the series and without attempts; else it is not.
        """
        await self.wish()
        await self.claim()
        await self.answered(status=503, next_due=NOON)
        await self.claim()
        await self.answered(next_due=UNTIL)
        self.assertEqual(await self.pushes.earliest_push(), UNTIL)
        expected = WishedPush("H-1", records.address(), "apns-2", 0, repeats=1)
        self.assertEqual(await self.claim(UNTIL), [expected])

    async def test_nothing_waits(self) -> None:
        """
        An accepted push for which nothing waits is not repeated.
        """
        await self.enroll()
        self.assertTrue(await self.pushes.wish("H-1", NOON))
        await self.claim()
        await self.answered(next_due=UNTIL)
        self.assertIsNone(await self.pushes.earliest_push())

    async def test_after_enrolling(self) -> None:
        """
        The first push after an enrollment is repeated though nothing waits, and though the device
        was seen: when is not known to the second. Then it is over.
        """
        await self.checkins.authenticate(records.host(), records.enrollment(), "id-1")
        await self.checkins.update_token("H-1", records.address(), NOON, NOON)
        (claimed,) = await self.claim()
        self.assertEqual(claimed.repeats, AFTER_ENROLLING)
        await self.answered(next_due=UNTIL)
        await self.checkins.saw(["H-1"], NOON + SECOND)
        (claimed,) = await self.claim(UNTIL)
        self.assertEqual((claimed.apns_id, claimed.repeats), ("apns-2", 0))
        await self.answered("apns-2", next_due=UNTIL)
        self.assertIsNone(await self.pushes.earliest_push())

    async def test_renewed_meanwhile(self) -> None:
        """
        An answer to the push before the newest wish does not change that.
        """
        await self.wish()
        await self.claim()
        await self.wish()
        await self.answered(next_due=NOON + HOUR)
        self.assertEqual(await self.pushes.earliest_push(), NOON)
        self.assertEqual(await self.claim(), [WishedPush("H-1", records.address(), "apns-2", 0)])

    async def test_dropped_meanwhile(self) -> None:
        """
        An answer for a wish that is gone is no wish.
        """
        await self.wish()
        await self.claim()
        await self.commands.finish("c-1", "H-1", "Acknowledged", "", NOON, None)
        await self.answered(next_due=NOON)
        self.assertIsNone(await self.pushes.earliest_push())

    async def test_dead_address(self) -> None:
        """
        A dead address is forgotten, which is told, unless a newer one came: then it is tried.
        """
        await self.wish()
        await self.claim()
        self.assertEqual(await self.dead(NOON - SECOND), [])
        found = await self.checkins.enrollment("H-1")
        self.assertEqual(found and found.push, records.address())
        self.assertEqual(await self.pushes.earliest_push(), UNTIL)
        self.assertEqual(await self.dead(), [TokenDied("H-1", NOON)])
        found = await self.checkins.enrollment("H-1")
        self.assertEqual(found, records.enrollment(enabled=True))
        self.assertEqual(await self.claim(NOON + HOUR), [])
        await self.wish()
        self.assertIsNone(await self.pushes.earliest_push())

    async def test_dead_while_renewed(self) -> None:
        """
        A dead address ends also the wish that was made while the push was under way.
        """
        await self.wish()
        await self.claim()
        await self.wish()
        self.assertEqual(await self.dead(), [TokenDied("H-1", NOON)])
        self.assertIsNone(await self.pushes.earliest_push())

    async def test_state(self) -> None:
        """
        How pushing went is told: what was answered last, and whether there is an address.
        """
        self.assertIsNone(await self.pushes.push_state("H-1"))
        await self.wish()
        await self.claim()
        self.assertIs((await self.state()).state, WishState.CLAIMED)
        await self.answered(status=503, next_due=UNTIL)
        expected = PushState("H-1", True, UNTIL, 1, 503, "", NOON)
        self.assertEqual(await self.state(), expected)
        await self.claim(UNTIL)
        await self.answered(next_due=UNTIL)
        expected = PushState("H-1", True, UNTIL, 0, 200, "", NOON, WishState.SENT, 1, NOON)
        self.assertEqual(await self.state(), expected)
        await self.claim(UNTIL)
        await self.dead(apns_id="apns-2")
        expected = PushState(
            "H-1", False, None, 1, 410, "Unregistered", NOON, WishState.PARKED, 1, NOON
        )
        self.assertEqual(await self.state(), expected)

    async def test_token_while_parked(self) -> None:
        """
        A TokenUpdate renews a wish that was parked because Apple refused the token, at its place
        in the beginning of the series.
        """
        await self.wish()
        await self.claim()
        await self.answered(status=400, state=WishState.PARKED, reason="BadDeviceToken")
        await self.checkins.update_token("H-1", records.address(b"new"), NOON, NOON + SECOND)
        self.assertEqual(await self.pushes.earliest_push(), NOON + SECOND)
        expected = WishedPush("H-1", records.address(b"new"), "apns-2", 0)
        self.assertEqual(await self.claim(UNTIL), [expected])

    async def test_token_while_pushed(self) -> None:
        """
        An answer to a push to the token before changes nothing for the new one.
        """
        await self.wish()
        await self.claim()
        await self.checkins.update_token("H-1", records.address(b"new"), UNTIL, UNTIL)
        await self.answered(status=400, state=WishState.PARKED, reason="BadDeviceToken")
        self.assertEqual(await self.dead(), [])
        (claimed,) = await self.claim(UNTIL)
        self.assertEqual(claimed.address, records.address(b"new"))

    async def test_all_in_one(self) -> None:
        """
        The answers of many pushes are recorded together, each as what it is.
        """
        for number in range(1, 5):
            await self.wish(f"H-{number}")
        await self.claim()
        answer = AnsweredPush("H-1", "apns-1", WishState.SENT, NOON, UNTIL, 200)
        states = (WishState.DUE, WishState.PARKED, WishState.SUSPENDED)
        answers = [
            AnsweredPush(f"H-{number}", f"apns-{number}", state, NOON, UNTIL, 500)
            for number, state in enumerate(states, 2)
        ]
        self.assertEqual(await self.pushes.pushes_answered([answer, *answers], NOON), [])
        found = [await self.pushes.push_state(f"H-{number}") for number in range(1, 5)]
        self.assertEqual([one and one.state for one in found], [WishState.SENT, *states])

    async def test_nothing_to_record(self) -> None:
        """
        No answers are no work.
        """
        self.assertEqual(await self.pushes.pushes_answered([], NOON), [])

    async def test_resumed(self) -> None:
        """
        Suspended wishes become due, so many at a time, and no others.
        """
        for number in range(1, 5):
            await self.wish(f"H-{number}")
        claimed = await self.claim()
        later = NOON + HOUR
        states = [WishState.DUE, *3 * [WishState.SUSPENDED]]
        await self.pushes.pushes_answered(
            [
                AnsweredPush(one.enrollment_id, one.apns_id, state, NOON, later, 403)
                for one, state in zip(_by_name(claimed), states, strict=True)
            ],
            NOON,
        )
        self.assertEqual(await self.claim(UNTIL), [])
        for expected in (2, 1, 0):
            self.assertEqual(await self.pushes.resume_pushes(UNTIL, 2), expected)
        again = [one.enrollment_id for one in await self.claim(UNTIL)]
        self.assertEqual(sorted(again), ["H-2", "H-3", "H-4"])

    async def test_wished(self) -> None:
        """
        A push can be wished for no other reason; not where nothing can be pushed.
        """
        self.assertFalse(await self.pushes.wish("H-1", NOON))
        await self.checkins.authenticate(records.host(), records.enrollment(), "id-1")
        self.assertFalse(await self.pushes.wish("H-1", NOON))
        await self.enroll()
        self.assertTrue(await self.pushes.wish("H-1", NOON))
        self.assertEqual(len(await self.claim()), 1)

    async def test_two_processes(self) -> None:
        """
        What one process claimed no other gets; when it does not come back, another has the same
        pushes.
        """
        for number in range(1, 5):
            await self.wish(f"H-{number}")
        ours, theirs = await self.claim(limit=3), await self.claim(limit=3)
        self.assertEqual((len(ours), len(theirs)), (3, 1))
        # All are due again at the same time, and so in any order.
        self.assertCountEqual(await self.claim(UNTIL), ours + theirs)

    async def test_summary(self) -> None:
        """
        Wishes are counted by what they wait for.
        """
        self.assertEqual(await self.pushes.push_summary(NOON), PushSummary())
        for number in range(1, 8):
            await self.wish(f"H-{number}", NOON + number * SECOND)
        later = NOON + 10 * SECOND
        claimed = await self.claim(later, 4)
        sent, parked, suspended, _ = claimed
        await self.pushes.pushes_answered(
            [
                AnsweredPush(
                    sent.enrollment_id, sent.apns_id, WishState.SENT, later, NOON + HOUR, 200
                ),
                AnsweredPush(
                    parked.enrollment_id,
                    parked.apns_id,
                    WishState.PARKED,
                    later,
                    None,
                    400,
                    "BadDeviceToken",
                ),
                AnsweredPush(
                    suspended.enrollment_id,
                    suspended.apns_id,
                    WishState.SUSPENDED,
                    later,
                    NOON + HOUR,
                    403,
                ),
            ],
            later,
        )
        expected = PushSummary(
            due=3,
            claimed=1,
            waiting=2,
            states={WishState.SENT: 1, WishState.SUSPENDED: 1},
            parked={"BadDeviceToken": 1},
            oldest_due=NOON + 5 * SECOND,
            accepted_hour=1,
            accepted_day=1,
        )
        self.assertEqual(await self.pushes.push_summary(later), expected)
        summary = await self.pushes.push_summary(later + 2 * HOUR)
        self.assertEqual((summary.accepted_hour, summary.accepted_day), (0, 1))
        self.assertEqual((summary.due, summary.claimed), (6, 0))

    async def test_delivers(self) -> None:
        """
        A wish tells whether a profile waits for the device, or another command.
        """
        await self.wish()
        self.assertEqual([wish.delivers for wish in await self.claim()], [False])
        await self.commands.queue(
            records.command("c-profile", request_type="InstallProfile", profile_uuid="a-1")
        )
        self.assertEqual([wish.delivers for wish in await self.claim()], [True])
        await self.commands.finish("c-profile", "H-1", "Acknowledged", "", NOON, None)
        self.assertEqual([wish.delivers for wish in await self.claim(UNTIL)], [False])


def _by_name(claimed: Sequence[WishedPush]) -> list[WishedPush]:
    """
    Wishes of the same time, which come in any order.
    """
    return sorted(claimed, key=lambda one: one.enrollment_id)
