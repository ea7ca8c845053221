"""
What every database must do for the processor: leases, due assignments, events.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from scepd.errors import Conflict
from scepd.model import DueRow, Lease
from scepd.profiles.lifecycle import Event
from tests.storage import records
from tests.storage.base import StorageTestCase
from tests.storage.records import HOUR, MINUTE, NOON, SECOND


class LeaseContract(StorageTestCase):
    """
    LeaseStore.
    """

    async def test_taken(self) -> None:
        """
        A lease is its owner's until it ends; at its end another may have it, in a later epoch.
        """
        first = await self.leases.take_lease("tick", "one", 60)
        self.assertEqual(first, Lease("tick", "one", 1))
        self.now = NOON + 59 * SECOND
        self.assertIsNone(await self.leases.take_lease("tick", "two", 60))
        self.now = NOON + 60 * SECOND
        self.assertEqual(await self.leases.take_lease("tick", "two", 60), Lease("tick", "two", 2))
        self.assertIsNone(await self.leases.take_lease("tick", "one", 60))

    async def test_prolonged(self) -> None:
        """
        Its owner prolongs it, from the time of asking, in the same epoch; even when it had ended.
        """
        first = await self.leases.take_lease("tick", "one", 60)
        for seconds in (30, 89, 500):
            self.now = NOON + seconds * SECOND
            self.assertEqual(await self.leases.take_lease("tick", "one", 60), first)
            self.assertIsNone(await self.leases.take_lease("tick", "two", 60))

    async def test_given_back(self) -> None:
        """
        A lease that is given back is free at once; an old one gives nothing back.
        """
        first = await self.leases.take_lease("tick", "one", 60)
        assert first is not None
        await self.leases.give_lease_back(first)
        second = await self.leases.take_lease("tick", "two", 60)
        self.assertEqual(second, Lease("tick", "two", 2))
        await self.leases.give_lease_back(first)
        self.assertIsNone(await self.leases.take_lease("tick", "one", 60))

    async def test_given_back_later(self) -> None:
        """
        A lease can be given back for a later time; until then only its owner may have it.
        """
        first = await self.leases.take_lease("tick", "one", 60)
        assert first is not None
        await self.leases.give_lease_back(first, 30)
        self.now = NOON + 29 * SECOND
        self.assertIsNone(await self.leases.take_lease("tick", "two", 60))
        self.assertEqual(await self.leases.take_lease("tick", "one", 60), first)
        await self.leases.give_lease_back(first, 30)
        self.now = NOON + 59 * SECOND
        self.assertEqual(await self.leases.take_lease("tick", "two", 60), Lease("tick", "two", 2))

    async def test_names(self) -> None:
        """
        Each name is a lease of its own.
        """
        await self.leases.take_lease("tick", "one", 60)
        other = await self.leases.take_lease("renewal", "two", 60)
        self.assertEqual(other, Lease("renewal", "two", 1))


class DueContract(StorageTestCase):
    """
    What DeliveryStore tells of due assignments.
    """

    async def test_authorities(self) -> None:
        """
        Each certificate authority that a due assignment needs is told once, and None for those that
        need none.
        """
        for uuid in ("H-1", "H-2"):
            await self.enroll(uuid)
        for name in ("corp", "b", "a"):
            await self.authorities.add_certificate_authority(records.ca(name), records.activity())
        self.assertEqual(await self.delivery.due_authorities(NOON), [])
        for uuid, names in (("a-1", ("b",)), ("a-2", ("a", "corp")), ("a-3", ("b",))):
            one = records.profile(uuid, ca_names=names)
            await self.profiles.add_profile(one, records.activity())
        self.assertEqual(await self.delivery.due_authorities(NOON), ["a", "b"])
        self.assertEqual(await self.delivery.due_authorities(NOON - SECOND), [])
        await self.profiles.add_profile(records.profile("a-4"), records.activity())
        self.assertEqual(await self.delivery.due_authorities(NOON), [None, "a", "b"])

    async def test_rows(self) -> None:
        """
        The due assignments of one certificate authority come longest due first, at most so many.
        """
        for uuid in ("H-1", "H-2", "H-3"):
            await self.enroll(uuid)
        await self.add_corp_profile()
        await self.profiles.add_profile(records.profile("a-2"), records.activity())
        for uuid, seconds in (("H-1", 2), ("H-2", 1), ("H-3", 4)):
            due = records.assignment(uuid, due_at=NOON + seconds * SECOND, attempts=seconds)
            await self.assignments.assign(due)
        now = NOON + 3 * SECOND
        found = await self.delivery.due_rows("corp", now, 10)
        identifier = "com.example.a-1"
        expected = DueRow("H-2", "a-1", "install", "corp", "H-2", identifier, 1)
        self.assertEqual(found[0], expected)
        self.assertEqual([row.host_uuid for row in found], ["H-2", "H-1"])
        self.assertEqual(await self.delivery.due_rows("corp", now, 1), [expected])
        self.assertEqual(await self.delivery.due_rows("other", now, 10), [])
        without = await self.delivery.due_rows(None, now, 10)
        self.assertEqual({row.profile_uuid for row in without}, {"a-2"})

    async def test_enrolled_just_now(self) -> None:
        """
        What hosts need that enrolled within the hour comes first, by the time when they enrolled,
        however long others wait; after that hour it has the place of its age.
        """
        for number, minutes in ((1, -60), (2, -59), (3, -1), (4, -300)):
            await self.enroll(f"H-{number}", at=NOON + minutes * MINUTE)
        await self.add_corp_profile()
        for number, seconds in ((1, -9), (2, -7), (3, -8), (4, -6)):
            due = records.assignment(f"H-{number}", due_at=NOON + seconds * SECOND)
            await self.assignments.assign(due)
        self.assertEqual(await self.due_hosts(NOON), ["H-2", "H-3", "H-1", "H-4"])
        self.assertEqual(await self.due_hosts(NOON, 3), ["H-2", "H-3", "H-1"])
        self.assertEqual(await self.due_hosts(NOON, 1), ["H-2"])
        self.assertEqual(await self.due_hosts(NOON + HOUR), ["H-1", "H-3", "H-2", "H-4"])
        early = records.assignment("H-3", due_at=NOON + SECOND)
        await self.assignments.assign(early)
        self.assertEqual(await self.due_hosts(NOON), ["H-2", "H-1", "H-4"])

    async def test_enrolled_anew(self) -> None:
        """
        A host that enrolls anew is one of those that did just now, and so is what it gets later.
        """
        for number in (1, 2):
            await self.enroll(f"H-{number}", at=NOON - 5 * HOUR)
        await self.add_corp_profile()
        await self.enroll("H-2")
        self.assertEqual(await self.due_hosts(NOON), ["H-2", "H-1"])
        await self.checkins.check_out("H-2", NOON)
        self.assertEqual(await self.due_hosts(NOON), ["H-1"])

    async def due_hosts(self, now: datetime, limit: int = 10) -> list[str]:
        """
        The hosts of what is due for corp.
        """
        return [row.host_uuid for row in await self.delivery.due_rows("corp", now, limit)]

    async def test_enabled_devices_only(self) -> None:
        """
        What is due for a host that is not enrolled is nobody's work.
        """
        await self.add_host_with_profile()
        await self.assignments.assign(records.assignment(due_at=NOON))
        self.assertEqual(await self.delivery.due_authorities(NOON), [])
        self.assertEqual(await self.delivery.due_rows("corp", NOON, 10), [])
        await self.enroll()
        self.assertEqual(len(await self.delivery.due_rows("corp", NOON, 10)), 1)
        await self.checkins.check_out("H-1", NOON)
        await self.delivery.happen([records.event(Event.RESENT)], NOON, None)
        self.assertEqual((await self.row()).due_at, NOON)
        self.assertEqual(await self.delivery.due_rows("corp", NOON, 10), [])


class DeliveryContract(StorageTestCase):
    """
    What DeliveryStore does to assignments.
    """

    async def due(self) -> DueRow:
        """
        The one assignment that is due.
        """
        (row,) = await self.delivery.due_rows("corp", NOON, 10)
        return row

    async def enroll_with_profile(self) -> None:
        """
        H-1 is enrolled, and a-1 is due.
        """
        await self.enroll()
        await self.add_corp_profile()

    async def test_queued(self) -> None:
        """
        A delivery is queued, pushed, and known to its assignment, which is not due any more.
        """
        await self.enroll_with_profile()
        row = await self.due()
        command = records.delivery_of(row, NOON)
        queued = await self.delivery.queue_deliveries([(row, command)], await self.lease(), NOON)
        self.assertEqual(queued, 1)
        found = await self.commands.next_command("H-1", after_not_now=False)
        self.assertEqual(found, command)
        self.assertEqual(await self.row(), records.assignment(command_uuid=command.uuid))
        self.assertEqual(await self.pushes.earliest_push(), NOON)
        self.assertEqual(await self.delivery.due_authorities(NOON), [])

    async def test_not_due_any_more(self) -> None:
        """
        Those that are not due any more, gone, or someone else's are left out.
        """
        await self.enroll_with_profile()
        row = await self.due()
        lease = await self.lease()
        lost = [
            replace(row, host_uuid="H-9"),
            replace(row, enrollment_id="H-9"),
            replace(row, operation="remove"),
        ]
        pairs = [(one, records.command(f"c-{number}")) for number, one in enumerate(lost)]
        self.assertEqual(await self.delivery.queue_deliveries(pairs, lease, NOON), 0)
        pairs = [(row, records.command("c-8"))]
        self.assertEqual(await self.delivery.queue_deliveries(pairs, lease, NOON), 1)
        pairs = [(row, records.command("c-9"))]
        self.assertEqual(await self.delivery.queue_deliveries(pairs, lease, NOON), 0)
        self.assertEqual([one.uuid for one in await self.commands.commands("H-1")], ["c-8"])

    async def test_replaces_what_waited(self) -> None:
        """
        A delivery that was queued before and not answered is cancelled.
        """
        await self.hand_over()
        at = NOON + HOUR
        self.now = at
        await self.enrollment.record_refusal(
            records.exchange(pki_status=None, started_at=at), redeliver=True
        )
        (row,) = await self.delivery.due_rows("corp", at, 10)
        command = records.command("c-2", created_at=at)
        await self.delivery.queue_deliveries([(row, command)], await self.lease(), at)
        statuses = {one.uuid: one.status for one in await self.commands.commands("H-1")}
        self.assertEqual(statuses, {"c-a-1-H-1": "cancelled", "c-2": "queued"})
        self.assertEqual(await self.row(), records.assignment(command_uuid="c-2"))

    async def test_many(self) -> None:
        """
        Many deliveries are queued at once, each pushed.
        """
        for number in range(20):
            await self.enroll(f"H-{number}")
        await self.add_corp_profile()
        self.assertEqual(await self.queue_due(), 20)
        pushes = await self.pushes.claim_pushes(NOON, NOON + HOUR, 100)
        self.assertEqual(len(pushes), 20)

    async def test_lost_lease(self) -> None:
        """
        Who has lost the lease, to another or to time, changes nothing.
        """
        await self.enroll_with_profile()
        row, before = await self.due(), await self.row()
        old = await self.lease()
        event = records.event(Event.RESOLUTION_FAILED, detail="late")
        self.now = NOON + 60 * SECOND
        for _ in range(2):
            pairs = [(row, records.command("c-1"))]
            await self.refused(Conflict, self.delivery.queue_deliveries(pairs, old, NOON))
            await self.refused(Conflict, self.delivery.happen([event], NOON, old))
            await self.leases.take_lease("tick", "process-2", 60)
        never = Lease("never taken", "process-1", 1)
        await self.refused(Conflict, self.delivery.happen([event], NOON, never))
        self.assertEqual(await self.row(), before)
        self.assertEqual(await self.commands.commands("H-1"), [])

    async def test_changed_meanwhile(self) -> None:
        """
        What was found out about an assignment that has changed since it was read never happens.
        """
        await self.enroll()
        await self.add_corp_profile()
        (due,) = await self.delivery.due_rows("corp", NOON, 10)
        versions = {("H-1", "a-1"): due.version}
        failed = [records.event(Event.RESOLUTION_FAILED, detail="why")]
        await self.delivery.happen([records.event(Event.RESENT)], NOON + SECOND, None)
        lease = await self.lease()
        told = await self.delivery.happen(failed, NOON + SECOND, lease, versions)
        self.assertEqual((told, (await self.row()).status), ([], "pending"))
        (due,) = await self.delivery.due_rows("corp", NOON + SECOND, 10)
        versions = {("H-1", "a-1"): due.version}
        told = await self.delivery.happen(failed, NOON + SECOND, lease, versions)
        self.assertEqual((told, (await self.row()).status), (failed, "failed"))

    async def test_events(self) -> None:
        """
        Events happen in their order, also to one assignment; of those that are gone nothing is
        said.
        """
        await self.enroll_with_profile()
        events = [
            records.event(Event.RESENT, "H-9"),
            records.event(Event.RESOLUTION_FAILED, detail="no such CA"),
            records.event(Event.RESENT, profile_uuid="a-9"),
        ]
        await self.delivery.happen(events, NOON, await self.lease())
        failed = records.assignment(status="failed", detail="no such CA")
        self.assertEqual(await self.row(), failed)
        events = [
            records.event(Event.AUTHORITY_RECOVERED),
            records.event(Event.AUTHORITY_FOUND_UNREACHABLE, detail="down since noon"),
        ]
        await self.delivery.happen(events, NOON + HOUR, None)
        expected = records.assignment(detail="down since noon", due_at=NOON + HOUR)
        self.assertEqual(await self.row(), expected)
