"""
What every database must do with the queue of commands.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from scepd.errors import NotFound
from scepd.model import Admission, CommandRecord, Offers, QueuedCommand, Reservation
from scepd.profiles.lifecycle import Event
from tests.storage import records
from tests.storage.base import StorageTestCase, reserve
from tests.storage.records import HOUR, NOON, SECOND

LATER = NOON + SECOND


class QueueContract(StorageTestCase):
    """
    The order and the history of CommandStore.
    """

    async def next(self, *, after_not_now: bool = False) -> str | None:
        """
        The uuid of the next command of H-1.
        """
        found = await self.commands.next_command("H-1", after_not_now=after_not_now)
        return None if found is None else found.uuid

    async def finish(
        self, uuid: str, status: str = "Acknowledged", detail: str = "", host_uuid: str = "H-1"
    ) -> bool:
        """
        A device's result.
        """
        return await self.commands.finish(uuid, host_uuid, status, detail, LATER, None)

    async def test_kept(self) -> None:
        """
        A queued command is found field by field, its push is wished at its time, and its activity
        is stored.
        """
        await self.enroll()
        await self.commands.queue(records.command(), records.activity("H-1"))
        self.assertEqual(await self.commands.command("c-1"), records.command())
        found = await self.commands.next_command("H-1", after_not_now=False)
        self.assertEqual(found, records.command())
        self.assertIsNone(await self.commands.command("c-2"))
        self.assertEqual(await self.pushes.earliest_push(), NOON)
        self.assertEqual((await self.done())[0], records.activity("H-1"))

    async def test_for_none(self) -> None:
        """
        A command for an enrollment that is not there is refused and is no activity.
        """
        queue = self.commands.queue(records.command(), records.activity())
        self.assertIn("'H-1'", await self.refused(NotFound, queue))
        self.assertEqual(await self.done(), [])

    async def test_order(self) -> None:
        """
        The smaller priority goes first, then the older; those with a final result are gone.
        """
        await self.enroll()
        await self.enroll("H-2")
        for uuid, priority, created_at in (
            ("c-1", 50, LATER),
            ("c-2", 50, NOON),
            ("c-3", 10, LATER),
        ):
            new = records.command(uuid, priority=priority, created_at=created_at)
            await self.commands.queue(new)
        await self.commands.queue(records.command("c-4", "H-2", priority=1))
        order = []
        for status in ("Acknowledged", "Error", "cancelled"):
            following = await self.next()
            assert following is not None
            order.append(following)
            self.assertTrue(await self.finish(following, status))
        self.assertEqual(order, ["c-3", "c-2", "c-1"])
        self.assertIsNone(await self.next())

    async def test_offered_again(self) -> None:
        """
        A command that was offered and not answered is offered again.
        """
        await self.enroll()
        await self.commands.queue(records.command())
        for _ in range(2):
            self.assertTrue(await self.commands.hand_over("c-1", NOON, None))
            self.assertEqual(await self.next(), "c-1")

    async def test_not_now(self) -> None:
        """
        A command that was answered NotNow is left out when asked so, and else comes again.
        """
        await self.enroll()
        for uuid in ("c-1", "c-2"):
            await self.commands.queue(records.command(uuid))
        for _ in range(2):
            self.assertTrue(await self.finish("c-1", "NotNow"))
        self.assertEqual(await self.next(after_not_now=True), "c-2")
        self.assertEqual(await self.next(), "c-1")
        await self.finish("c-2", "NotNow")
        self.assertIsNone(await self.next(after_not_now=True))
        self.assertIsNotNone(await self.pushes.earliest_push())

    async def test_not_now_until_idle(self) -> None:
        """
        A NotNow holds until the next Idle of the enrollment that is answered with a command:
        another one that is answered NotNow then keeps back none of the others.
        """
        await self.enroll()
        await self.enroll("H-2")
        for uuid in ("c-1", "c-2"):
            await self.commands.queue(records.command(uuid))
            await self.finish(uuid, "NotNow")
        await self.commands.queue(records.command("c-3", "H-2"))
        await self.finish("c-3", "NotNow", host_uuid="H-2")
        await self.commands.hand_over("c-1", LATER, None)
        await self.finish("c-1", "NotNow")
        self.assertIsNone(await self.next(after_not_now=True))
        await self.commands.hand_over("c-1", LATER, None, is_idle=True)
        await self.finish("c-1", "NotNow")
        self.assertEqual(await self.next(after_not_now=True), "c-2")
        self.assertEqual([one.status for one in await self.commands.commands("H-2")], ["NotNow"])
        await self.commands.hand_over("c-2", LATER, None)
        await self.finish("c-2", "NotNow")
        self.assertIsNone(await self.next(after_not_now=True))

    async def test_finished_once(self) -> None:
        """
        Only the first final result counts, and only of the command's own enrollment.
        """
        await self.enroll()
        await self.enroll("H-2")
        await self.commands.queue(records.command())
        self.assertFalse(await self.finish("c-9"))
        self.assertFalse(await self.finish("c-1", host_uuid="H-2"))
        self.assertTrue(await self.finish("c-1", "Error", "12021: no"))
        self.assertFalse(await self.finish("c-1"))
        self.assertFalse(await self.finish("c-1", "NotNow"))
        self.assertFalse(await self.commands.hand_over("c-1", LATER, None))
        (record,) = await self.commands.commands("H-1")
        self.assertEqual((record.status, record.detail), ("Error", "12021: no"))
        self.assertEqual(await self.commands.command("c-1"), records.command(body=None))

    async def test_push_dropped(self) -> None:
        """
        The wish to push stays while a command waits, and goes with the last one.
        """
        await self.enroll()
        for uuid in ("c-1", "c-2"):
            await self.commands.queue(records.command(uuid))
        await self.finish("c-1")
        self.assertEqual(await self.pushes.earliest_push(), NOON)
        await self.finish("c-2")
        self.assertIsNone(await self.pushes.earliest_push())

    async def test_history(self) -> None:
        """
        The commands of a host are told newest first, at most so many, with their times.
        """
        await self.enroll()
        await self.enroll("H-2")
        for second, uuid in enumerate(("c-2", "c-1", "c-3")):
            await self.commands.queue(records.command(uuid, created_at=NOON + second * SECOND))
        await self.commands.queue(records.command("c-4", "H-2"))
        await self.commands.hand_over("c-1", NOON + HOUR, None)
        await self.commands.hand_over("c-2", NOON + HOUR, None)
        await self.finish("c-2", detail="done")
        found = await self.commands.commands("H-1", limit=2)
        self.assertEqual(
            [(one.uuid, one.status) for one in found], [("c-3", "queued"), ("c-1", "offered")]
        )
        expected = CommandRecord(
            "c-2", "DeviceInformation", None, "Acknowledged", "done", NOON, NOON + HOUR, LATER
        )
        self.assertEqual((await self.commands.commands("H-1"))[2], expected)


class UnansweredContract(StorageTestCase):
    """
    What CommandStore does with commands that are offered and not answered.
    """

    async def queue(self, *uuids: str, enrollment_id: str = "H-1") -> None:
        """
        Queue commands, the first one as the oldest.
        """
        for second, uuid in enumerate(uuids):
            created_at = NOON + second * SECOND
            await self.commands.queue(records.command(uuid, enrollment_id, created_at=created_at))

    async def next(self, *, after_not_now: bool = False) -> str | None:
        """
        The uuid of the next command of H-1.
        """
        found = await self.commands.next_command("H-1", after_not_now=after_not_now)
        return None if found is None else found.uuid

    async def offer(self, *moments: datetime, uuid: str = "c-1") -> None:
        """
        Hand a command over at each of some moments.
        """
        for moment in moments:
            self.assertTrue(await self.commands.hand_over(uuid, moment, None))

    async def offers(self, uuid: str = "c-1") -> Offers:
        """
        How often a command was offered.
        """
        found = await self.commands.command(uuid)
        assert found is not None
        return found.offers

    async def test_counted(self) -> None:
        """
        Each offer counts, and the first one's time is kept; the third sets the command back. Who
        looks for the next command offers nothing.
        """
        await self.enroll()
        await self.queue("c-1")
        self.assertEqual(await self.offers(), Offers())
        await self.next()
        await self.offer(NOON, LATER)
        self.assertEqual(await self.offers(), Offers(2, NOON))
        found = await self.commands.next_command("H-1", after_not_now=False)
        assert found is not None
        self.assertEqual(found.offers, Offers(2, NOON))
        await self.offer(LATER + SECOND)
        self.assertEqual(await self.offers(), Offers(3, NOON, 1, LATER + SECOND))

    async def test_setbacks_take_time(self) -> None:
        """
        However often it is offered, a command is set back once an hour; the others only count.
        """
        await self.enroll()
        await self.queue("c-1")
        await self.offer(*[NOON + number * SECOND for number in range(60)])
        first = NOON + 2 * SECOND
        self.assertEqual(await self.offers(), Offers(60, NOON, 1, first))
        await self.offer(first + HOUR - SECOND)
        self.assertEqual(await self.offers(), Offers(61, NOON, 1, first))
        await self.offer(first + HOUR, first + HOUR + SECOND)
        self.assertEqual(await self.offers(), Offers(63, NOON, 2, first + HOUR))

    async def test_behind(self) -> None:
        """
        One that was set back stands behind those that were not, whatever their priority, and stays
        in the queue; of several that were, that one comes first that was least.
        """
        await self.enroll()
        await self.queue("c-1", "c-2")
        await self.commands.queue(records.command("c-9", priority=900, created_at=NOON + HOUR))
        await self.offer(NOON, LATER)
        self.assertEqual(await self.next(), "c-1")
        await self.offer(LATER)
        self.assertEqual(await self.next(), "c-2")
        await self.offer(NOON, LATER, LATER, uuid="c-2")
        self.assertEqual(await self.next(), "c-9")
        await self.commands.finish("c-9", "H-1", "Acknowledged", "", LATER, None)
        self.assertEqual(await self.next(), "c-1")
        await self.offer(LATER + HOUR)
        self.assertEqual(await self.next(), "c-2")

    async def test_of_enrollment(self) -> None:
        """
        A user channel has a queue of its own.
        """
        await self.enroll()
        user = records.enrollment("H-1:501", host_uuid="H-1", kind="user")
        await self.channels.update_token(user, "H-1", records.address(), NOON, NOON)
        await self.queue("c-1", "c-2")
        await self.queue("u-1", "u-2", enrollment_id="H-1:501")
        await self.offer(NOON, NOON, NOON)
        found = await self.commands.next_command("H-1:501", after_not_now=False)
        assert found is not None
        self.assertEqual((found.uuid, await self.next()), ("u-1", "c-2"))

    async def test_not_now(self) -> None:
        """
        NotNow is an answer: the command has its place again, and its offers are counted anew.
        """
        await self.enroll()
        await self.queue("c-1", "c-2")
        await self.offer(NOON, NOON, NOON)
        await self.commands.finish("c-1", "H-1", "NotNow", "", LATER, None)
        self.assertEqual(await self.offers(), Offers())
        self.assertEqual(await self.next(), "c-1")
        self.assertEqual(await self.next(after_not_now=True), "c-2")
        await self.offer(LATER)
        self.assertEqual(await self.offers(), Offers(1, LATER))

    async def test_cancelled_meanwhile(self) -> None:
        """
        What did not go out does not count; the count of what ended stays.
        """
        await self.enroll()
        await self.queue("c-1")
        await self.offer(NOON)
        await self.commands.finish("c-1", "H-1", "Error", "why", LATER, None)
        self.assertFalse(await self.commands.hand_over("c-1", LATER, None))
        self.assertEqual(await self.offers(), Offers(1, NOON))


class UnrenderedContract(StorageTestCase):
    """
    What CommandStore does with commands that can't be made.
    """

    async def fails(self, *moments: datetime, uuid: str = "c-1") -> None:
        """
        A command can't be made at each of some moments.
        """
        for moment in moments:
            self.assertTrue(await self.commands.rendering_failed(uuid, moment, "why", None))

    async def next(self, *without: str, after_not_now: bool = False) -> str | None:
        """
        The uuid of the next command of H-1.
        """
        found = await self.commands.next_command(
            "H-1", after_not_now=after_not_now, without=without
        )
        return None if found is None else found.uuid

    async def offers(self) -> Offers:
        """
        How often c-1 was offered, and failed.
        """
        found = await self.commands.command("c-1")
        assert found is not None
        return found.offers

    async def queue(self, *uuids: str) -> None:
        """
        Enroll H-1 and queue commands, the first one as the oldest.
        """
        await self.enroll()
        for second, uuid in enumerate(uuids):
            await self.commands.queue(records.command(uuid, created_at=NOON + second * SECOND))

    async def test_counted(self) -> None:
        """
        Each failure counts, and the first one's time is kept; the command stands behind those that
        were never set back, waits on, and tells operators why.
        """
        await self.queue("c-1", "c-2")
        await self.fails(NOON)
        self.assertEqual(await self.offers(), Offers(0, None, 1, None, 1, NOON))
        self.assertEqual(await self.next(), "c-2")
        await self.fails(LATER, LATER + HOUR)
        self.assertEqual(await self.offers(), Offers(0, None, 1, None, 3, NOON))
        await self.commands.finish("c-2", "H-1", "Acknowledged", "", LATER, None)
        self.assertEqual(await self.next(), "c-1")
        record = (await self.commands.commands("H-1"))[1]
        self.assertEqual((record.status, record.detail, record.offered_at), ("queued", "why", None))

    async def test_left_out(self) -> None:
        """
        Who looks for the next command leaves out those that it names, and the order stays.
        """
        await self.queue("c-1", "c-2", "c-3")
        await self.commands.finish("c-2", "H-1", "NotNow", "", NOON, None)
        self.assertEqual(await self.next("c-1"), "c-2")
        self.assertEqual(await self.next("c-1", after_not_now=True), "c-3")
        self.assertEqual(await self.next("c-1", "c-2"), "c-3")
        self.assertIsNone(await self.next("c-1", "c-2", "c-3"))

    async def test_offered(self) -> None:
        """
        With an offer the failures are forgotten, and the command has its place again; what its
        offers have set back stays so.
        """
        await self.queue("c-1")
        await self.fails(NOON, LATER)
        await self.commands.hand_over("c-1", LATER, None)
        self.assertEqual(await self.offers(), Offers(1, LATER))
        (record,) = await self.commands.commands("H-1")
        self.assertEqual((record.status, record.detail), ("offered", ""))
        for _ in range(2):
            await self.commands.hand_over("c-1", LATER, None)
        await self.fails(LATER + HOUR)
        self.assertEqual(await self.offers(), Offers(3, LATER, 1, LATER, 1, LATER + HOUR))
        await self.commands.hand_over("c-1", LATER + HOUR, None)
        self.assertEqual(await self.offers(), Offers(4, LATER, 2, LATER + HOUR))

    async def test_not_now(self) -> None:
        """
        After an answer all is counted anew.
        """
        await self.queue("c-1")
        await self.fails(NOON)
        await self.commands.finish("c-1", "H-1", "NotNow", "", LATER, None)
        self.assertEqual(await self.offers(), Offers())

    async def test_ended(self) -> None:
        """
        What has its final result, or is not there, fails no more.
        """
        await self.queue("c-1")
        await self.commands.finish("c-1", "H-1", "Error", "no", LATER, None)
        for uuid in ("c-1", "c-9"):
            self.assertFalse(await self.commands.rendering_failed(uuid, LATER, "why", None))
        (record,) = await self.commands.commands("H-1")
        self.assertEqual((record.status, record.detail), ("Error", "no"))

    async def test_assignment(self) -> None:
        """
        The assignment whose current command it is has the reason until it is handed over; no other
        one is touched.
        """
        await self.enroll()
        await self.add_corp_profile()
        await self.queue_due()
        before = await self.row()
        failed = records.event(Event.RENDERING_FAILED, detail="why")
        await self.commands.queue(records.command("c-9"))
        await self.commands.rendering_failed("c-9", LATER, "why", failed)
        self.assertEqual(await self.row(), before)
        await self.commands.rendering_failed("c-a-1-H-1", LATER, "why", failed)
        self.assertEqual(await self.row(), replace(before, detail="why"))
        await self.commands.hand_over("c-a-1-H-1", LATER, records.window())
        self.assertEqual(await self.row(), replace(before, delivered_at=LATER))


class HandOverContract(StorageTestCase):
    """
    What CommandStore does with assignments.
    """

    async def finish(self, command: QueuedCommand, status: str, what: Event) -> bool:
        """
        A device's result an hour after noon.
        """
        return await self.commands.finish(
            command.uuid, "H-1", status, "", NOON + HOUR, records.event(what, detail="why")
        )

    async def admission(self) -> Admission:
        """
        What the window of H-1 says half an hour after noon.
        """
        return (await reserve(self.enrollment, now=NOON + HOUR / 2)).admission

    async def test_handed_over(self) -> None:
        """
        At the hand-over the window opens, in place of others, and the assignment knows the time.
        """
        await self.enroll()
        await self.add_corp_profile()
        await self.queue_due()
        await self.assignments.open_window(records.window("w-0"))
        self.assertTrue(await self.commands.hand_over("c-a-1-H-1", LATER, records.window()))
        expected = records.assignment(command_uuid="c-a-1-H-1", delivered_at=LATER)
        self.assertEqual(await self.row(), expected)
        self.assertEqual(await reserve(self.enrollment), Reservation(Admission.ADMITTED, "w-1"))

    async def test_handed_over_again(self) -> None:
        """
        Each hand-over brings a fresh window and a new time.
        """
        await self.hand_over()
        self.assertTrue(await self.commands.hand_over("c-a-1-H-1", LATER, records.window("w-2")))
        self.assertEqual(await reserve(self.enrollment), Reservation(Admission.ADMITTED, "w-2"))
        self.assertEqual((await self.row()).delivered_at, LATER)

    async def test_cancelled_meanwhile(self) -> None:
        """
        A command that was cancelled is not handed over, and opens no window.
        """
        await self.enroll()
        await self.add_corp_profile()
        await self.queue_due()
        await self.delivery.happen([records.event(Event.RESENT)], NOON, None)
        self.assertFalse(await self.commands.hand_over("c-a-1-H-1", NOON, records.window()))
        self.assertFalse(await self.commands.hand_over("c-9", NOON, None))
        self.assertEqual(await self.row(), records.assignment(due_at=NOON))
        self.assertEqual(await self.admission(), Admission.CLOSED)

    async def test_acknowledged(self) -> None:
        """
        An acknowledged install is being verified; its window lasts ten minutes more, and no longer
        than it would have.
        """
        command = await self.hand_over()
        acknowledged_at = NOON + HOUR / 3
        event = records.event(Event.ACKNOWLEDGED)
        await self.commands.finish(command.uuid, "H-1", "Acknowledged", "", acknowledged_at, event)
        expected = records.assignment(
            status="verifying",
            command_uuid=command.uuid,
            delivered_at=NOON,
            acknowledged_at=acknowledged_at,
        )
        self.assertEqual(await self.row(), expected)
        self.assertEqual(await self.admission(), Admission.ADMITTED)
        late = await reserve(self.enrollment, now=NOON + HOUR / 2 + SECOND)
        self.assertEqual(late.admission, Admission.CLOSED)

    async def test_acknowledged_late(self) -> None:
        """
        An acknowledgement never prolongs a window.
        """
        command = await self.hand_over()
        await self.finish(command, "Acknowledged", Event.ACKNOWLEDGED)
        late = await reserve(self.enrollment, now=NOON + HOUR + SECOND)
        self.assertEqual(late.admission, Admission.CLOSED)

    async def test_not_now(self) -> None:
        """
        NotNow closes the window; the command stays the assignment's.
        """
        command = await self.hand_over()
        self.assertTrue(await self.finish(command, "NotNow", Event.NOT_NOW_REPORTED))
        self.assertEqual(await self.admission(), Admission.CLOSED)
        row = await self.row()
        self.assertEqual((row.status, row.command_uuid), ("pending", command.uuid))

    async def test_error(self) -> None:
        """
        An error counts an attempt, and the next one is due after a minute.
        """
        command = await self.hand_over()
        await self.finish(command, "Error", Event.ERROR_REPORTED)
        row = await self.row()
        due_at = NOON + HOUR + 60 * SECOND
        self.assertEqual((row.attempts, row.due_at, row.detail), (1, due_at, "why"))

    async def test_superseded(self) -> None:
        """
        A late result of a command that is not the current one changes no assignment.
        """
        command = await self.hand_over()
        await self.finish(command, "Error", Event.ERROR_REPORTED)
        await self.queue_again()
        before = await self.row()
        self.assertFalse(await self.finish(command, "Acknowledged", Event.ACKNOWLEDGED))
        other = records.command("c-9")
        await self.commands.queue(other)
        self.assertTrue(await self.finish(other, "Acknowledged", Event.ACKNOWLEDGED))
        self.assertEqual(await self.row(), before)

    async def queue_again(self) -> None:
        """
        Queue a second delivery as c-2.
        """
        at = NOON + 2 * HOUR
        self.now = at
        (due,) = await self.delivery.due_rows("corp", at, 10)
        command = records.command("c-2", profile_uuid="a-1", body=None, created_at=at)
        await self.delivery.queue_deliveries([(due, command)], await self.lease(), at)

    async def test_removed(self) -> None:
        """
        With an acknowledged removal the assignment goes.
        """
        await self.hand_over()
        await self.profiles.remove_profile("a-1", records.activity())
        (due,) = await self.delivery.due_rows(None, NOON, 10)
        command = records.command("c-2", request_type="RemoveProfile", profile_uuid="a-1")
        await self.delivery.queue_deliveries([(due, command)], await self.lease(), NOON)
        self.assertTrue(await self.commands.hand_over("c-2", NOON, None))
        self.assertTrue(await self.finish(command, "Acknowledged", Event.ACKNOWLEDGED))
        self.assertIsNone(await self.assignments.assignment("H-1", "a-1"))
