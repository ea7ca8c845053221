"""
What every database must make of deliveries that are sent again.
"""

from __future__ import annotations

from datetime import timedelta

from scepd.errors import Conflict, NotFound
from scepd.model import ResendPace
from scepd.profiles.lifecycle import Event
from tests.storage import records
from tests.storage.base import StorageTestCase
from tests.storage.records import HOUR, NOON


class ResendContract(StorageTestCase):
    """
    What operators leave of assignments.
    """

    async def let_fail(self, host_uuid: str) -> None:
        """
        Let the profile a-1 fail on a host.
        """
        failed = records.event(Event.RESOLUTION_FAILED, host_uuid, detail="no such CA")
        await self.delivery.happen([failed], NOON, None)

    async def test_one(self) -> None:
        """
        One that failed is due, with its failures forgotten, and it is recorded who wanted it.
        """
        await self.hand_over()
        await self.let_fail("H-1")
        wanted = records.activity("H-1/a-1", at=NOON + HOUR)
        await self.resending.resend("H-1", "a-1", wanted)
        row = await self.row()
        self.assertEqual((row.status, row.due_at, row.detail), ("pending", NOON + HOUR, ""))
        self.assertEqual((row.attempts, row.command_uuid), (0, None))
        self.assertIn(wanted, await self.done())

    async def test_missing(self) -> None:
        """
        One that is not there, and one of a host that left, change nothing and record nothing.
        """
        await self.hand_over()
        before = await self.done()
        nobody = self.resending.resend("H-2", "a-1", records.activity())
        self.assertIn("neither has nor should have", await self.refused(NotFound, nobody))
        await self.checkins.check_out("H-1", NOON)
        parked = await self.row()
        left = self.resending.resend("H-1", "a-1", records.activity())
        self.assertIn("not enrolled", await self.refused(Conflict, left))
        self.assertEqual((await self.row(), await self.done()), (parked, before))

    async def test_failed(self) -> None:
        """
        Those that failed are due one after the other; all others stay as they are.
        """
        await self.add_corp_profile()
        for host_uuid in ("H-1", "H-2", "H-3", "H-4"):
            await self.enroll(host_uuid)
        for host_uuid in ("H-1", "H-3", "H-4"):
            await self.let_fail(host_uuid)
        self.assertEqual(await self.resending.count_failed("a-1"), 3)
        minute = timedelta(minutes=1)
        pace = ResendPace(NOON + HOUR, minute)
        wanted = records.activity("a-1", at=NOON + HOUR)
        self.assertEqual(await self.resending.resend_failed("a-1", pace, 2, wanted), 2)
        self.assertEqual(await self.resending.resend_failed("a-1", pace.after(2), 2, None), 1)
        self.assertEqual(await self.resending.count_failed("a-1"), 0)
        dues = [(await self.row(host_uuid)).due_at for host_uuid in ("H-1", "H-3", "H-4")]
        self.assertEqual(dues, [NOON + HOUR + index * minute for index in range(3)])
        self.assertEqual((await self.row("H-2")).due_at, NOON)
        self.assertEqual((await self.done()).count(wanted), 1)

    async def test_of_others(self) -> None:
        """
        Failures of other profiles, and of hosts that left, are left alone.
        """
        await self.add_corp_profile()
        await self.enroll("H-1")
        await self.let_fail("H-1")
        await self.checkins.check_out("H-1", NOON)
        self.assertEqual(await self.resending.count_failed("a-1"), 0)
        pace = ResendPace(NOON)
        for profile_uuid in ("a-1", "a-2"):
            self.assertEqual(await self.resending.resend_failed(profile_uuid, pace, 9, None), 0)
