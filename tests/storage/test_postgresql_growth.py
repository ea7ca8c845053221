"""
Tests that on a PostgreSQL server the cost of a tick follows what is due, not how many hosts there
are, and that of forgetting what is forgotten, not what is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine

import psycopg
from twisted.trial.unittest import TestCase

from scepd.storage.database import Database
from scepd.storage.delivery import SQLDeliveryStore
from scepd.storage.hosts import SQLHostStore
from scepd.storage.leases import SQLLeaseStore
from scepd.storage.record_pruning import SQLRecordPruning
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
    WHERE relname IN ('host', 'enrollment', 'host_profile', 'command', 'push', 'enrollment_window',
    'scep_exchange', 'activity', 'issued_certificate', 'device_identity')
    """
# Of each kind 3,000 that stay, for being young or of use, and 100 that are old.
_KEPT_UNTIL = 4_000_000_000_000_000
_RECORDS = (
    f"""
    INSERT INTO enrollment_window (id, host_uuid, profile_uuid, ca_name, state, opened_at, deadline,
    kept_until)
    SELECT i, 'H-' || i, CASE WHEN i > 3000 THEN 'gone' ELSE 'a-1' END, 'corp', 'closed', 0, 0,
    CASE WHEN i <= 3000 THEN {_KEPT_UNTIL} END
    FROM generate_series(1, 3100) i
    """,  # noqa: S608
    """
    INSERT INTO scep_exchange (id, host_uuid, profile_uuid, ca_name, window_id, pki_status,
    http_status, detail, started_at, milliseconds)
    SELECT i, 'H-1', 'a-1', 'corp', i, 'SUCCESS', 200, '', CASE WHEN i > 3000 THEN 0 ELSE
    4000000000000000 END, 1 FROM generate_series(1, 3100) i
    """,
    """
    INSERT INTO activity (id, at, actor, action, subject)
    SELECT i, CASE WHEN i > 3000 THEN 0 ELSE 4000000000000000 END, '', '', ''
    FROM generate_series(1, 3100) i
    """,
    """
    INSERT INTO issued_certificate (serial, certificate, sha256, subject, purpose, transaction_id,
    request_sha256, public_key_sha256, not_after, issued_at)
    SELECT i, 'x', i, '', 'other', i, i, '', CASE WHEN i > 3000 THEN 0 ELSE 4000000000000000 END, 0
    FROM generate_series(1, 3100) i
    """,
)


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

    async def prune(self, database: Database) -> int:
        """
        Forget what is old, in steps of 50; how many records were.
        """
        lease = await SQLLeaseStore(database).take_lease("prune", "one", 60)
        assert lease is not None
        store, count = SQLRecordPruning(database), 0
        for prune in (
            store.prune_exchanges,
            store.prune_windows,
            store.prune_activities,
            store.prune_certificates,
        ):
            for _ in range(3):
                count += (await prune(NOON, 50, lease)).forgotten
        return count

    async def cost_of(
        self, work: Callable[[Database], Coroutine[object, object, int]]
    ) -> tuple[int, int, int]:
        """
        The scans and fetched rows of some work in all these tables, and what it returned.
        """
        before = self.reads()
        database = Database(self.url, real_reactor())
        database.start()
        try:
            count = await work(database)
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
        self.assertEqual(await self.cost_of(self.tick), (0, 0, 0))

    async def test_due(self) -> None:
        """
        A tick reads the rows that are due, some times each, and scans no table.
        """
        self.make_database()
        self.fill(*_FILL, _DUE)
        scans, rows, count = await self.cost_of(self.tick)
        self.assertEqual((scans, count), (0, 100))
        self.assertGreaterEqual(rows, count)
        self.assertLess(rows, 15 * count)

    async def test_pruning(self) -> None:
        """
        To forget reads the rows that go, some times each, and scans no table.
        """
        self.make_database()
        self.fill(*_FILL, *_RECORDS)
        scans, rows, count = await self.cost_of(self.prune)
        self.assertEqual((scans, count), (0, 400))
        self.assertLess(rows, 5 * count)
