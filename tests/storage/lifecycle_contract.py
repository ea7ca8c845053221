"""
What every database must make of the lifecycle table's words.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from scepd.model import Activity, Admission
from scepd.profiles.lifecycle import Event
from tests.storage import records
from tests.storage.base import StorageTestCase, reserve
from tests.storage.records import HOUR, NOON, SECOND


class LifecycleContract(StorageTestCase):
    """
    What events leave of assignments, windows, commands and pushes.
    """

    async def happen(self, what: Event, seconds: float = 0, detail: str = "") -> None:
        """
        An event of the assignment of a-1 to H-1, so long after noon.
        """
        at = NOON + seconds * SECOND
        await self.delivery.happen([records.event(what, detail=detail)], at, None)

    async def test_attempts(self) -> None:
        """
        Failures are counted, each waits longer, and after the last the assignment has failed.
        """
        await self.hand_over()
        dues = []
        for _ in range(4):
            await self.happen(Event.ERROR_REPORTED, detail="12021")
            dues.append((await self.row()).due_at)
        waits = [NOON + seconds * SECOND for seconds in (60, 300, 1800)]
        self.assertEqual(dues, [*waits, None])
        row = await self.row()
        self.assertEqual((row.status, row.attempts, row.detail), ("failed", 4, "12021"))

    async def test_text_of_the_table(self) -> None:
        """
        Where the table has a text of its own, that is the detail, and the reason behind it.
        """
        await self.hand_over()
        await self.happen(Event.ERROR_WHILE_CERTIFIED, detail="12021")
        row = await self.row()
        self.assertEqual((row.detail, row.due_at), ("renewing (1 failure): 12021", NOON + HOUR))

    async def test_outage(self) -> None:
        """
        An error during an outage is tried again in a minute and counts nothing.
        """
        await self.hand_over()
        await self.happen(Event.ERROR_DURING_OUTAGE, detail="down")
        row = await self.row()
        self.assertEqual((row.due_at, row.attempts), (NOON + 60 * SECOND, 0))

    async def test_closed_window(self) -> None:
        """
        A re-delivery after a closed window is due now, and the host's next one an hour later.
        """
        await self.hand_over()
        await self.add_corp_profile("a-2")
        await self.queue_due()
        await self.happen(Event.ERROR_BEHIND_CLOSED_WINDOW, 0, "closed")
        other = records.event(Event.ERROR_BEHIND_CLOSED_WINDOW, profile_uuid="a-2")
        await self.delivery.happen([other], NOON + SECOND, None)
        self.assertEqual((await self.row()).due_at, NOON)
        self.assertEqual((await self.row(profile_uuid="a-2")).due_at, NOON + HOUR)
        self.assertEqual((await self.row()).attempts, 0)

    async def test_closed_window_after_refusal(self) -> None:
        """
        The device's error after a refusal does not put off the re-delivery that the refusal asked
        for.
        """
        await self.hand_over()
        at = NOON + SECOND
        refusal = records.exchange(started_at=at)
        await self.enrollment.record_refusal(refusal, redeliver=True)
        await self.happen(Event.ERROR_BEHIND_CLOSED_WINDOW, 2, "closed")
        self.assertEqual((await self.row()).due_at, at)

    async def test_resent(self) -> None:
        """
        A re-send takes the command out of the queue, drops the wish to push, and forgets the
        delivery: an inventory can't prove one that is still to come.
        """
        command = await self.hand_over()
        await self.happen(Event.ERROR_REPORTED, 1)
        await self.happen(Event.RESENT, 2)
        self.assertEqual(await self.row(), records.assignment(due_at=NOON + 2 * SECOND))
        self.assertFalse(await self.commands.hand_over(command.uuid, NOON, None))
        self.assertIsNone(await self.pushes.earliest_push())
        self.assertEqual(await self.verification.deliveries("H-1"), [])

    async def test_push_for_others_stays(self) -> None:
        """
        A command that is taken out of the queue leaves the wish for the others.
        """
        await self.hand_over()
        await self.commands.queue(records.command("c-2"))
        await self.happen(Event.RESENT)
        self.assertIsNotNone(await self.pushes.earliest_push())

    async def test_proved(self) -> None:
        """
        A proof ends the delivery, keeps its times, and takes an unanswered command back; where the
        acknowledgement was lost it counts from the proof.
        """
        command = await self.hand_over()
        await self.happen(Event.ERROR_REPORTED)
        await self.happen(Event.INVENTORY_PROVED, 5)
        proved = records.assignment(
            status="verified",
            command_uuid=command.uuid,
            delivered_at=NOON,
            acknowledged_at=NOON + 5 * SECOND,
        )
        self.assertEqual(await self.row(), proved)
        self.assertIsNone(await self.commands.next_command("H-1", after_not_now=False))

    async def test_many_at_once(self) -> None:
        """
        What happens to many assignments in one transaction is what happens to each.
        """
        uuids = ("H-1", "H-2", "H-3")
        for uuid in uuids:
            await self.enroll(uuid)
        await self.add_corp_profile()
        for what, expected in (
            (Event.ACKNOWLEDGED, {"status": "verifying", "acknowledged_at": NOON}),
            (Event.CERTIFICATE_NOT_IDENTIFIED, {"status": "verified"}),
            (Event.RESENT, {"status": "pending", "delivered_at": None, "due_at": NOON}),
            (Event.UNASSIGNED, {"operation": "remove", "ca_name": None}),
        ):
            if what is Event.ACKNOWLEDGED:
                await self.deliver_to(uuids)
            await self.delivery.happen([records.event(what, uuid) for uuid in uuids], NOON, None)
            rows = [await self.row(uuid) for uuid in uuids]
            for column, value in expected.items():
                self.assertEqual([getattr(row, column) for row in rows], [value] * 3)
        await self.delivery.happen(
            [records.event(Event.NOT_FOUND_REPORTED, uuid) for uuid in uuids], NOON, None
        )
        self.assertEqual(await self.assignments.assignments_of_profile("a-1"), [])

    async def deliver_to(self, uuids: Sequence[str]) -> None:
        """
        Queue and hand over the profile a-1.
        """
        await self.queue_due()
        for uuid in uuids:
            window = records.window(f"w-{uuid}", host_uuid=uuid)
            self.assertTrue(await self.commands.hand_over(f"c-a-1-{uuid}", NOON, window))

    async def test_alarm(self) -> None:
        """
        What an operator must be told is an activity of the daemon.
        """
        await self.hand_over()
        await self.happen(Event.ACKNOWLEDGED)
        await self.happen(Event.CERTIFICATE_NOT_IDENTIFIED, 5)
        row = await self.row()
        self.assertEqual((row.status, row.detail), ("verified", "certificate not identified"))
        at = NOON + 5 * SECOND
        alarm = Activity(at, "scepd", "certificate not identified", "H-1/a-1")
        self.assertEqual((await self.done())[0], alarm)

    async def test_ignored(self) -> None:
        """
        An event that means nothing in the present state changes nothing.
        """
        await self.hand_over()
        before = await self.row()
        for what in (Event.RENEWAL_DUE, Event.ASSIGNED, Event.CERTIFICATE_MISSED):
            await self.happen(what, 5)
        self.assertEqual(await self.row(), before)
        self.assertEqual((await reserve(self.enrollment)).admission, Admission.ADMITTED)

    async def test_unassigned(self) -> None:
        """
        A removal closes the window and is due; one that was never offered is gone.
        """
        await self.hand_over()
        await self.happen(Event.UNASSIGNED)
        removal = records.assignment(operation="remove", ca_name=None, due_at=NOON)
        self.assertEqual(await self.row(), removal)
        self.assertEqual((await reserve(self.enrollment)).admission, Admission.CLOSED)
        await self.happen(Event.NOT_FOUND_REPORTED)
        self.assertIsNone(await self.assignments.assignment("H-1", "a-1"))

    async def test_inventory_after_acknowledgement(self) -> None:
        """
        An acknowledgement makes the host's inventory due.
        """
        await self.hand_over()
        again_at = NOON + HOUR
        self.assertTrue(await self.verification.inventory_due("H-1", NOON, again_at))
        self.assertFalse(await self.verification.inventory_due("H-1", NOON, again_at))
        await self.happen(Event.ACKNOWLEDGED)
        self.assertTrue(await self.verification.inventory_due("H-1", NOON, again_at))

    async def test_pending_window_after_acknowledgement(self) -> None:
        """
        A window of seven days ends ten minutes after the acknowledgement too.
        """
        await self.hand_over()
        week = records.window("w-2", deadline=NOON + timedelta(days=7))
        await self.assignments.open_window(week)
        await self.happen(Event.ACKNOWLEDGED)
        late = NOON + timedelta(minutes=10, seconds=1)
        answer = await reserve(self.enrollment, now=late)
        self.assertEqual(answer.admission, Admission.CLOSED)
