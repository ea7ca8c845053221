"""
Tests that units which change many rows on a PostgreSQL server get through beside those of devices.
"""

from __future__ import annotations

import psycopg
from sqlalchemy import Connection, text
from twisted.internet.defer import Deferred, gatherResults

from tests.storage import records
from tests.storage.base import StorageTestCase
from tests.storage.records import NOON
from tests.support.postgresql_server import MigratedServer


def _isolation(connection: Connection) -> tuple[str, str]:
    """
    The transaction's isolation, and its number.
    """
    level = str(connection.scalar(text("SHOW transaction_isolation")))
    return level, str(connection.scalar(text("SELECT pg_current_xact_id()::text")))


class ClaimTests(MigratedServer, StorageTestCase):
    """
    Rows that others change at the same time.
    """

    async def test_transactions(self) -> None:
        """
        A unit that locks its rows has a transaction for itself, which is not serializable; those
        before and after it keep their order.
        """
        await self.database.write(_isolation)
        some = [False, False, True, True, False]
        found = await gatherResults(
            [Deferred.fromCoroutine(self.database.write(_isolation, locks=locks)) for locks in some]
        )
        levels = [level for level, _ in found]
        one, other = "serializable", "read committed"
        self.assertEqual(levels, [one, one, other, other, one])
        numbers = [int(number) for _, number in found]
        self.assertEqual(numbers, sorted(numbers))
        self.assertEqual(len(set(numbers[2:])), 3)

    async def test_row_of_another(self) -> None:
        """
        What a device's transaction changes just now is passed over without a wait, and stays due;
        all else is queued.
        """
        for number in range(3):
            await self.enroll(f"H-{number}")
        await self.add_corp_profile()
        lease = await self.lease()
        due = await self.delivery.due_rows("corp", NOON, 10)
        pairs = [(row, records.delivery_of(row, NOON)) for row in due]
        with psycopg.connect(self.url) as device:
            device.execute("SELECT * FROM host_profile WHERE host_uuid = 'H-1' FOR UPDATE")
            self.assertEqual(await self.delivery.queue_deliveries(pairs, lease, NOON), 2)
        (left,) = await self.delivery.due_rows("corp", NOON, 10)
        self.assertEqual(left.host_uuid, "H-1")
        self.assertEqual(await self.delivery.queue_deliveries(pairs, lease, NOON), 1)

    async def test_changed_meanwhile(self) -> None:
        """
        A row that another has changed since it was read is judged as it is now.
        """
        await self.enroll()
        await self.add_corp_profile()
        lease = await self.lease()
        pairs = [
            (row, records.delivery_of(row, NOON))
            for row in await self.delivery.due_rows("corp", NOON, 10)
        ]
        await self.checkins.check_out("H-1", NOON)
        self.assertEqual(await self.delivery.queue_deliveries(pairs, lease, NOON), 0)
        self.assertIsNone(await self.commands.next_command("H-1", after_not_now=False))
