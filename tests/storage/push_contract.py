"""
What every database must do with wishes to push.
"""

from __future__ import annotations

from datetime import datetime

from scepd.model import PushState, WishedPush
from tests.storage import records
from tests.storage.base import StorageTestCase
from tests.storage.records import HOUR, NOON, SECOND

UNTIL = NOON + 30 * SECOND


class PushContract(StorageTestCase):
    """
    PushStore.
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
    ) -> None:
        """
        A push to H-1 was answered.
        """
        await self.pushes.push_answered(
            "H-1",
            apns_id,
            status=status,
            reason="",
            next_due=next_due,
            counted=counted,
            now=NOON,
        )

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
        await self.answered(status=400)
        self.assertIsNone(await self.pushes.earliest_push())
        self.assertEqual(await self.claim(NOON + HOUR), [])
        await self.wish()
        expected = WishedPush("H-1", records.address(), "apns-2", 0)
        self.assertEqual(await self.claim(), [expected])

    async def test_again(self) -> None:
        """
        A push that failed is due again when asked for, with the same apns-id, and counts if so
        said.
        """
        await self.wish()
        for counted, attempts in ((False, 0), (True, 0), (True, 1)):
            (claimed,) = await self.claim()
            self.assertEqual((claimed.apns_id, claimed.attempts), ("apns-1", attempts))
            await self.answered(status=503, next_due=NOON, counted=counted)
        (claimed,) = await self.claim()
        self.assertEqual(claimed.attempts, 2)

    async def test_silent_device(self) -> None:
        """
        An accepted push is due again while a command waits, as another one; else it is not.
        """
        await self.wish()
        await self.claim()
        await self.answered(next_due=UNTIL)
        self.assertEqual(await self.pushes.earliest_push(), UNTIL)
        self.assertEqual(
            await self.claim(UNTIL), [WishedPush("H-1", records.address(), "apns-2", 1)]
        )

    async def test_nothing_waits(self) -> None:
        """
        An accepted push for which nothing waits is not repeated.
        """
        await self.checkins.authenticate(records.host(), records.enrollment(), "id-1")
        await self.checkins.update_token("H-1", records.address(), NOON, NOON)
        await self.claim()
        await self.answered(next_due=UNTIL)
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
        A dead address is forgotten, unless a newer one came.
        """
        await self.wish()
        await self.pushes.forget_push_address("H-1", NOON - SECOND)
        found = await self.checkins.enrollment("H-1")
        self.assertEqual(found and found.push, records.address())
        await self.pushes.forget_push_address("H-1", NOON)
        found = await self.checkins.enrollment("H-1")
        self.assertEqual(found, records.enrollment(enabled=True))
        self.assertEqual(await self.claim(NOON + HOUR), [])
        await self.wish()
        self.assertIsNone(await self.pushes.earliest_push())

    async def test_state(self) -> None:
        """
        How pushing went is told: what was answered last, and whether there is an address.
        """
        self.assertIsNone(await self.pushes.push_state("H-1"))
        await self.wish()
        await self.claim()
        await self.answered(status=410, next_due=UNTIL)
        self.assertEqual(
            await self.pushes.push_state("H-1"),
            PushState("H-1", True, UNTIL, 1, 410, "", NOON),
        )
        await self.pushes.forget_push_address("H-1", NOON)
        state = await self.pushes.push_state("H-1")
        self.assertEqual(state, PushState("H-1", False, None, 1, 410, "", NOON))

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
