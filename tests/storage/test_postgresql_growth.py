"""
Tests that the cost of a tick on a PostgreSQL server follows what is due, not how many hosts there
are.
"""

from __future__ import annotations

import psycopg
from twisted.trial.unittest import TestCase

from scepd.storage.database import Database
from scepd.storage.delivery import SQLDeliveryStore
from scepd.storage.hosts import SQLHostStore
from scepd.storage.leases import SQLLeaseStore
from tests.storage import records
from tests.storage.records import HOUR, NOON
from tests.storage.sqlite_file import real_reactor
from tests.support.postgresql_server import MigratedServer

_FILL = (
    """
    INSERT INTO host (uuid, serial_number, platform, facts)
    SELECT 'H-' || i, '', 'macos', '{}' FROM generate_series(1, 3000) i
    """,
    """
    INSERT INTO enrollment (id, host_uuid, kind, enabled, push, enrolled_at)
    SELECT uuid, uuid, 'device', true, 'x', 0 FROM host
    """,
    """
    INSERT INTO host_profile (host_uuid, profile_uuid, operation, status, ca_name, detail,
    content_sha256, attempts, changed_at, enrollment_id, enrolled_at)
    SELECT uuid, 'a-1', 'install', 'verified', 'corp', '', '', 0, 0, uuid, 0 FROM host
    """,
)
_DUE = """
    UPDATE host_profile SET status = 'pending', due_at = 0 WHERE host_uuid LIKE 'H-1__'
    """
_READS = """
    SELECT relname, seq_scan, coalesce(idx_tup_fetch, 0) FROM pg_stat_user_tables
    WHERE relname IN ('host', 'enrollment', 'host_profile', 'command', 'push')
    """


class GrowthTests(MigratedServer, TestCase):
    """
    The server itself counts what it reads.
    """

    timeout = 60

    async def tick(self, database: Database) -> int:
        """
        All that a tick asks the database, under a lease; how many deliveries it queued.
        """
        delivery, hosts = SQLDeliveryStore(database), SQLHostStore(database)
        lease = await SQLLeaseStore(database).take_lease("tick", "one", 60)
        assert lease is not None
        count = 0
        await delivery.recover(NOON, lease)
        for name in await delivery.due_authorities(NOON):
            rows = await delivery.due_rows(name, NOON, 1000)
            await hosts.hosts_of([row.host_uuid for row in rows])
            pairs = [(row, records.delivery_of(row, NOON)) for row in rows]
            count += await delivery.queue_deliveries(pairs, lease, NOON)
        await delivery.hold("corp", "out", NOON, lease, NOON - HOUR)
        return count

    def reads(self) -> dict[str, tuple[int, int]]:
        """
        Scans of whole tables and rows that were fetched by an index so far, by table.
        """
        with psycopg.connect(self.url) as connection:
            found = connection.execute(_READS).fetchall()
        return {name: (scans, rows) for name, scans, rows in found}

    async def cost_of_a_tick(self) -> tuple[int, int, int]:
        """
        The scans and fetched rows of a tick in all these tables, and how many it queued.
        """
        before = self.reads()
        database = Database(self.url, real_reactor())
        database.start()
        try:
            count = await self.tick(database)
        finally:
            # A session tells its counts when it ends.
            await database.stop()
        after = self.reads()
        scans = sum(after[name][0] - before[name][0] for name in after)
        rows = sum(after[name][1] - before[name][1] for name in after)
        return scans, rows, count

    def fill(self, *statements: str) -> None:
        """
        Run statements, and let the server see how many rows there are.
        """
        with psycopg.connect(self.url, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())
            connection.execute("ANALYZE")

    async def test_nothing_due(self) -> None:
        """
        A tick without work reads no row of any host.
        """
        self.make_database()
        self.fill(*_FILL)
        self.assertEqual(await self.cost_of_a_tick(), (0, 0, 0))

    async def test_due(self) -> None:
        """
        A tick reads the rows that are due, some times each, and scans no table.
        """
        self.make_database()
        self.fill(*_FILL, _DUE)
        scans, rows, count = await self.cost_of_a_tick()
        self.assertEqual((scans, count), (0, 100))
        self.assertGreaterEqual(rows, count)
        self.assertLess(rows, 15 * count)
