"""
What every database must do with exchanges and refusals.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from scepd.model import WindowOutcome
from scepd.ports import Subject
from tests.storage import records
from tests.storage.base import SUBJECT, StorageTestCase
from tests.storage.records import HOUR, NOON, SECOND


class ExchangeContract(StorageTestCase):
    """
    The exchanges of EnrollmentStore.
    """

    async def test_kept(self) -> None:
        """
        Exchanges come back field by field, whether let through or not.
        """
        bare = records.exchange(
            "x-2",
            window_id=None,
            message_type=None,
            transaction_id=None,
            pki_status=None,
            fail_info="badRequest",
            http_status=0,
            detail="the device went away",
            started_at=NOON + SECOND,
            failure="timeout",
        )
        await self.enrollment.settle_window(records.exchange(), WindowOutcome.LOCK, None)
        await self.enrollment.record_refusal(bare, redeliver=False)
        self.assertEqual(await self.enrollment.exchanges(), [bare, records.exchange()])

    async def test_of_delivery(self) -> None:
        """
        The exchanges of a delivery are those of its window, whatever the clocks say, and what was
        refused since it was opened, newest first.
        """
        await self.assignments.open_window(records.window("w-1"))
        old = records.exchange("x-1", started_at=NOON + HOUR)
        await self.enrollment.settle_window(old, WindowOutcome.LOCK, None)
        refused = records.exchange("x-2", window_id=None, started_at=NOON + HOUR)
        await self.enrollment.record_refusal(refused, redeliver=False)
        await self.assignments.open_window(records.window("w-2", opened_at=NOON - SECOND))
        new = records.exchange("x-3", window_id="w-2", started_at=NOON - HOUR)
        await self.enrollment.settle_window(new, WindowOutcome.LOCK, None)
        refused = records.exchange("x-4", window_id=None, started_at=NOON - SECOND)
        await self.enrollment.record_refusal(refused, redeliver=False)
        found = await self.enrollment.exchanges_of_delivery("H-1", "a-1")
        self.assertEqual(found, [replace(refused, window_id="w-2"), new])
        found = await self.enrollment.exchanges_of_delivery("H-1", "a-1", limit=1)
        self.assertEqual([one.id for one in found], ["x-4"])
        self.assertEqual(await self.enrollment.exchanges_of_delivery("H-1", "a-2"), [])

    async def test_pages(self) -> None:
        """
        Exchanges come newest first, of one host or all, older than a time, at most so many.
        """
        for number, uuid in enumerate(("H-1", "H-2", "H-1", "H-2")):
            await self.enrollment.record_refusal(
                records.exchange(f"x-{number}", host_uuid=uuid, started_at=NOON + number * SECOND),
                redeliver=False,
            )

        async def ids(
            host_uuid: str | None = None, before: datetime | None = None, limit: int = 100
        ) -> list[str]:
            found = await self.enrollment.exchanges(host_uuid=host_uuid, before=before, limit=limit)
            return [one.id for one in found]

        self.assertEqual(await ids(), ["x-3", "x-2", "x-1", "x-0"])
        self.assertEqual(await ids(limit=2), ["x-3", "x-2"])
        self.assertEqual(await ids(before=NOON + 2 * SECOND), ["x-1", "x-0"])
        self.assertEqual(await ids(host_uuid="H-1"), ["x-2", "x-0"])
        self.assertEqual(await ids(host_uuid="H-1", before=NOON + 2 * SECOND), ["x-0"])
        self.assertEqual(await ids(host_uuid="H-9"), [])

    async def test_is_assigned(self) -> None:
        """
        Assigned is who has the profile as an install with that certificate authority.
        """
        await self.add_host_with_profile()
        self.assertTrue(await self.enrollment.is_assigned(SUBJECT))
        for other in (
            Subject("H-2", "a-1", "corp"),
            Subject("H-1", "a-2", "corp"),
            Subject("H-1", "a-1", "other"),
        ):
            self.assertFalse(await self.enrollment.is_assigned(other))

    async def test_removal_is_no_assignment(self) -> None:
        """
        Who is to lose the profile is not assigned.
        """
        await self.add_host_with_profile()
        await self.assignments.assign(records.assignment(operation="remove"))
        self.assertFalse(await self.enrollment.is_assigned(SUBJECT))


class RedeliveryContract(StorageTestCase):
    """
    The re-deliveries that refusals bring.
    """

    async def refuse(self, id: str, at: datetime, profile_uuid: str = "a-1") -> datetime | None:
        """
        When the assignment is due after a refusal.
        """
        exchange = records.exchange(id, started_at=at, profile_uuid=profile_uuid)
        await self.enrollment.record_refusal(exchange, redeliver=True)
        found = await self.assignments.assignment("H-1", profile_uuid)
        return None if found is None else found.due_at

    async def test_due_at_once(self) -> None:
        """
        While pending or verifying the assignment becomes due and is pending, and nothing else of
        it changes.
        """
        await self.add_host_with_profile()
        for number, status in enumerate(("pending", "verifying")):
            waiting = records.assignment(status=status)
            await self.assignments.assign(waiting)
            at = NOON + number * HOUR
            self.assertEqual(await self.refuse(f"x-{number}", at), at)
            found = await self.assignments.assignment("H-1", "a-1")
            self.assertEqual(found, replace(waiting, status="pending", due_at=at))

    async def test_not_asked_for(self) -> None:
        """
        Without redeliver the exchange is stored and the assignment left alone.
        """
        await self.add_host_with_profile()
        await self.enrollment.record_refusal(records.exchange(), redeliver=False)
        self.assertEqual(await self.assignments.assignment("H-1", "a-1"), records.assignment())

    async def test_neither_pending_nor_verifying(self) -> None:
        """
        A verified or failed assignment is left alone, and so the hour is not used up.
        """
        await self.add_host_with_profile()
        for status in ("verified", "failed"):
            await self.assignments.assign(records.assignment(status=status))
            self.assertIsNone(await self.refuse(f"x-{status}", NOON))
        await self.assignments.assign(records.assignment())
        self.assertEqual(await self.refuse("x-1", NOON + SECOND), NOON + SECOND)

    async def test_removal(self) -> None:
        """
        A profile that is being removed is not delivered again.
        """
        await self.add_host_with_profile()
        removal = records.assignment(operation="remove")
        await self.assignments.assign(removal)
        self.assertIsNone(await self.refuse("x-1", NOON))

    async def test_once_per_hour_and_host(self) -> None:
        """
        A second refusal within the hour changes nothing, of another profile neither; an hour later
        it does.
        """
        await self.add_host_with_profile()
        await self.profiles.add_profile(records.profile("a-2"), records.activity())
        await self.assignments.assign(records.assignment(profile_uuid="a-2"))
        self.assertEqual(await self.refuse("x-1", NOON), NOON)
        self.assertEqual(await self.refuse("x-2", NOON + HOUR - SECOND), NOON)
        self.assertIsNone(await self.refuse("x-3", NOON + HOUR - SECOND, "a-2"))
        self.assertEqual(await self.refuse("x-4", NOON + HOUR), NOON + HOUR)
        self.assertEqual(len(await self.enrollment.exchanges()), 4)

    async def test_hour_survives_put_host(self) -> None:
        """
        A host that is stored anew keeps its hour.
        """
        await self.add_host_with_profile()
        await self.refuse("x-1", NOON)
        await self.hosts.put_host(records.host())
        self.assertEqual(await self.refuse("x-2", NOON + SECOND), NOON)

    async def test_other_hosts(self) -> None:
        """
        The hour is each host's own.
        """
        await self.add_host_with_profile()
        await self.hosts.put_host(records.host("H-2"))
        await self.assignments.assign(records.assignment("H-2"))
        await self.refuse("x-1", NOON)
        other = records.exchange("x-2", host_uuid="H-2", started_at=NOON + SECOND)
        await self.enrollment.record_refusal(other, redeliver=True)
        found = await self.assignments.assignment("H-2", "a-1")
        self.assertEqual(found, records.assignment("H-2", due_at=NOON + SECOND))

    async def test_no_assignment(self) -> None:
        """
        Without an assignment only the exchange is stored.
        """
        self.assertIsNone(await self.refuse("x-1", NOON))
        self.assertEqual(len(await self.enrollment.exchanges()), 1)
