"""
Tests of the database's threads on a SQLite file: batches, failures, deadlines, the end.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection, insert, text
from sqlalchemy.exc import IntegrityError
from twisted.internet.defer import CancelledError, Deferred

from scepd.errors import Conflict, StorageUnavailable
from scepd.storage.database import Database
from scepd.storage.tables import api_token
from tests.storage.records import NOON
from tests.storage.sqlite_file import SQLiteFile, real_reactor
from tests.storage.threads import ClockedReactor, Gate, add_row, count_rows

T = TypeVar("T")


class DatabaseTestCase(SQLiteFile):
    """
    A database whose writer can be held, so that what is written meanwhile is one batch.
    """

    timeout = 20
    batch_seconds = 5.0

    def setUp(self) -> None:
        """
        Start a database that counts its batches.
        """
        self.batches: list[int] = []
        self.reactor = ClockedReactor(real_reactor())
        self.database = self.make_database()
        self.database.start()
        self.addCleanup(lambda: Deferred.fromCoroutine(self.database.stop()))
        self.addCleanup(lambda: self.gate.open())
        self.gate = Gate(self.reactor)

    def make_database(self) -> Database:
        """
        A database with the test's clock, and little patience with other processes.
        """
        return Database(
            self.url,
            self.reactor,
            queue_limit=100,
            busy_timeout=0.05,
            batch_seconds=self.batch_seconds,
            on_batch=lambda units, seconds: self.batches.append(units),
        )

    def write(self, unit: Callable[[Connection], T]) -> Deferred[T]:
        """
        Write without waiting.
        """
        return Deferred.fromCoroutine(self.database.write(unit))

    async def hold(self) -> Deferred[None]:
        """
        Hold the writer's thread until the gate opens.
        """
        held = self.write(self.gate)
        await self.gate.entered
        return held

    async def unavailable(self, waiting: Deferred[T]) -> str:
        """
        The text of the StorageUnavailable that a write ends in.
        """
        try:
            await waiting
        except StorageUnavailable as error:
            return str(error)
        self.fail("StorageUnavailable was not raised")

    def seen_outside(self) -> int:
        """
        How many rows another process sees.
        """
        other = sqlite3.connect(self.path)
        try:
            count: int = other.execute("SELECT count(*) FROM activity").fetchone()[0]
        finally:
            other.close()
        return count


class GroupCommitTests(DatabaseTestCase):
    """
    Many units, one transaction.
    """

    async def test_batches(self) -> None:
        """
        Units that wait at the same time share commits, at most 64 of them one.
        """
        statements: list[str] = []

        def watch(connection: Connection) -> None:
            driver = connection.connection.driver_connection
            assert isinstance(driver, sqlite3.Connection)
            driver.set_trace_callback(statements.append)

        await self.database.write(watch)
        self.batches.clear()
        statements.clear()
        held = await self.hold()
        waiting = [self.write(lambda connection: None) for _ in range(100)]
        self.gate.open()
        for one in (held, *waiting):
            await one
        self.assertEqual((statements.count("COMMIT"), self.batches), (3, [1, 64, 36]))
        self.assertEqual(len(statements), 6, "one BEGIN and one COMMIT for each batch")

    async def test_nothing_seen_before_commit(self) -> None:
        """
        While a batch runs, others see nothing of it, whatever savepoints were released; when the
        first is answered, they see all of it.
        """
        held = await self.hold()
        seen: list[int] = []
        first, look = self.write(add_row), self.write(lambda _: seen.append(self.seen_outside()))
        last = self.write(add_row)
        self.gate.open()
        await held
        await first
        self.assertEqual((seen, self.seen_outside(), self.batches), ([0], 2, [1, 3]))
        await look
        await last

    async def test_failing_unit_spoils_nobody(self) -> None:
        """
        A unit that raises loses what it wrote and gets its error after the commit; its neighbours
        are stored.
        """

        def failing(error: Exception) -> Callable[[Connection], None]:
            def unit(connection: Connection) -> None:
                add_row(connection)
                raise error

            return unit

        held = await self.hold()
        first = self.write(add_row)
        conflict = self.write(failing(Conflict("taken")))
        mistake = self.write(failing(ValueError("a bug")))
        doubled = self.write(_add_token_twice)
        last = self.write(add_row)
        self.gate.open()
        await held
        await first
        self.assertEqual(self.seen_outside(), 2)
        await self.assertFailure(conflict, Conflict)
        await self.assertFailure(mistake, ValueError)
        await self.assertFailure(doubled, IntegrityError)
        await last
        self.assertEqual((self.seen_outside(), self.batches), (2, [1, 5]))

    async def test_each_once(self) -> None:
        """
        What ran before and behind a unit that raises is stored once, and answered with what it
        returned.
        """

        def unit(connection: Connection) -> int:
            add_row(connection)
            return count_rows(connection)

        def failing(connection: Connection) -> None:
            unit(connection)
            raise Conflict("taken")

        held = await self.hold()
        before, bad = self.write(unit), self.write(failing)
        behind, worse, last = self.write(unit), self.write(failing), self.write(unit)
        self.gate.open()
        await held
        self.assertEqual([await before, await behind, await last], [1, 2, 3])
        await self.assertFailure(bad, Conflict)
        await self.assertFailure(worse, Conflict)
        self.assertEqual((self.seen_outside(), self.batches), (3, [1, 5]))

    async def test_result(self) -> None:
        """
        A unit's waiter gets what it returned; a reader sees what was written before.
        """
        await self.database.write(add_row)
        self.assertEqual(await self.database.write(count_rows), 1)
        self.assertEqual(await self.database.read(count_rows), 1)

    async def test_errors_hold_no_parameters(self) -> None:
        """
        The text of a database error names no value that was to be stored.
        """
        await self.database.write(_add_token)
        try:
            await self.database.write(_add_token)
        except IntegrityError as error:
            self.assertNotIn("sha-of-token", str(error))
        else:
            self.fail("IntegrityError was not raised")


class LongWorkTests(DatabaseTestCase):
    """
    Batches of 10 ms at most.
    """

    batch_seconds = 0.01

    async def test_long_work_is_cut_up(self) -> None:
        """
        A unit that takes longer than a batch may is the last of its batch.
        """
        held = await self.hold()
        late = threading.Event()
        slow, last = self.write(lambda connection: late.wait(0.02)), self.write(add_row)
        self.gate.open()
        await held
        await slow
        await last
        self.assertEqual(self.batches, [1, 1, 1])


class LostBatchTests(DatabaseTestCase):
    """
    When the database fails, nobody of the batch is told that it was stored.
    """

    async def lost_with(self, breaking: Callable[[Connection], object]) -> None:
        """
        Two units that succeed and one that breaks the batch are all answered as failed.
        """
        before = self.seen_outside()
        held = await self.hold()
        waiting = [self.write(unit) for unit in (add_row, add_row, breaking)]
        self.gate.open()
        await held
        for one in waiting:
            await self.unavailable(one)
        self.assertEqual(self.seen_outside(), before)

    async def test_full_disk(self) -> None:
        """
        A full disk loses the batch, small writes go on, and large ones do when there is space.
        """
        large = "x" * 1_000_000

        def add_large(connection: Connection) -> None:
            connection.execute(
                text("INSERT INTO alembic_version VALUES (:large)"), {"large": large}
            )

        await self.database.write(_pragma("max_page_count = 60"))
        await self.lost_with(add_large)
        self.assertIn("full", await self.unavailable(self.write(add_large)))
        await self.database.write(add_row)
        await self.database.write(_pragma("max_page_count = 1000000"))
        await self.database.write(add_large)
        self.assertEqual(self.seen_outside(), 1)

    async def test_failed_commit(self) -> None:
        """
        A COMMIT that fails loses the batch.
        """

        def orphan(connection: Connection) -> None:
            connection.execute(text("PRAGMA defer_foreign_keys = ON"))
            connection.execute(text("INSERT INTO host_label VALUES ('no host', 'label')"))

        await self.lost_with(orphan)
        await self.database.write(add_row)
        self.assertEqual(self.seen_outside(), 1)

    async def test_transaction_ended(self) -> None:
        """
        A transaction that SQLite ended by itself loses the batch, even when the unit is content.
        """
        await self.lost_with(lambda connection: connection.exec_driver_sql("ROLLBACK"))
        await self.database.write(add_row)
        self.assertEqual(self.seen_outside(), 1)

    async def test_locked(self) -> None:
        """
        While another process holds the database writes fail and reads go on; later writes do too.
        """
        other = self.second_connection()
        other.execute("BEGIN IMMEDIATE")
        self.assertIn("locked", await self.unavailable(self.write(add_row)))
        self.assertEqual(await self.database.read(count_rows), 0)
        other.execute("ROLLBACK")
        await self.database.write(add_row)
        self.assertEqual(self.seen_outside(), 1)


class WaitingTests(DatabaseTestCase):
    """
    Deadlines, cancelling, the bounded queue, the end.
    """

    async def test_deadline(self) -> None:
        """
        After 20 s waiters hear that storage is unavailable; what had not begun never runs.
        """
        held = await self.hold()
        waiting = self.write(add_row)
        self.reactor.clock.advance(19.9)
        self.assertNoResult(waiting)
        self.reactor.clock.advance(0.2)
        self.assertIn("20 s", str(self.failureResultOf(waiting, StorageUnavailable).value))
        self.failureResultOf(held, StorageUnavailable)
        self.gate.open()
        await self.database.write(lambda connection: None)
        self.assertEqual(self.seen_outside(), 0)

    async def test_read_deadline(self) -> None:
        """
        A reader's waiter hears it too.
        """
        held = Deferred.fromCoroutine(self.database.read(self.gate))
        await self.gate.entered
        waiting = Deferred.fromCoroutine(self.database.read(count_rows))
        self.reactor.clock.advance(20)
        self.failureResultOf(held, StorageUnavailable)
        self.failureResultOf(waiting, StorageUnavailable)
        self.gate.open()
        self.assertEqual(await self.database.read(count_rows), 0)

    async def test_cancelled(self) -> None:
        """
        A write that is cancelled before it begins never runs.
        """
        held = await self.hold()
        waiting = self.write(add_row)
        waiting.cancel()
        self.failureResultOf(waiting, CancelledError)
        self.gate.open()
        await held
        await self.database.write(lambda connection: None)
        self.assertEqual(self.seen_outside(), 0)

    async def test_no_timer_left(self) -> None:
        """
        An answered unit leaves no timer behind.
        """
        await self.database.write(add_row)
        await self.database.read(count_rows)
        self.assertEqual(self.reactor.clock.getDelayedCalls(), [])

    async def test_queue_limit(self) -> None:
        """
        One unit more than may wait is refused at once; the others are not.
        """
        held = await self.hold()
        waiting = [self.write(add_row) for _ in range(100)]
        refused = self.failureResultOf(self.write(add_row), StorageUnavailable)
        self.assertIn("100", str(refused.value))
        self.gate.open()
        for one in (held, *waiting):
            await one
        self.assertEqual(self.seen_outside(), 100)

    async def test_stop_drains(self) -> None:
        """
        The end waits for what was taken, takes nothing more, and leaves one closed file.
        """
        held = await self.hold()
        waiting = [self.write(add_row) for _ in range(99)]
        stopped = Deferred.fromCoroutine(self.database.stop())
        self.failureResultOf(self.write(add_row), StorageUnavailable)
        self.assertNoResult(stopped)
        self.gate.open()
        await stopped
        for one in (held, *waiting):
            self.successResultOf(one)
        self.assertEqual(self.seen_outside(), 99)
        names = {thread.name for thread in threading.enumerate()}
        self.assertFalse(names & {"storage-write", "storage-read"})
        self.assertEqual(list(self.path.parent.glob("*-wal")), [])

    async def test_stop_gives_up(self) -> None:
        """
        The end waits for a thread that hangs no longer than the deadline.
        """
        held = await self.hold()
        stopped = Deferred.fromCoroutine(self.database.stop())
        self.reactor.clock.advance(20)
        self.successResultOf(stopped)
        self.failureResultOf(held, StorageUnavailable)
        self.gate.open()

    async def test_start_again(self) -> None:
        """
        A database that was stopped can be started again and holds what it held.
        """
        await self.database.write(add_row)
        await self.database.stop()
        await self.database.stop()
        self.database.start()
        self.assertEqual(await self.database.read(count_rows), 1)


class ReadingTests(DatabaseTestCase):
    """
    The read-only connection.
    """

    async def test_not_blocked(self) -> None:
        """
        Reads are answered while a write goes on.
        """
        held = await self.hold()
        self.assertEqual(await self.database.read(count_rows), 0)
        self.gate.open()
        await held

    async def test_read_only(self) -> None:
        """
        A query can't write.
        """
        waiting = Deferred.fromCoroutine(self.database.read(add_row))
        self.assertIn("readonly", await self.unavailable(waiting))
        self.assertEqual(self.seen_outside(), 0)

    async def test_own_error(self) -> None:
        """
        What a query raises reaches its waiter, and the next query works.
        """

        def unknown(connection: Connection) -> None:
            raise ValueError("a bug")

        await self.assertFailure(Deferred.fromCoroutine(self.database.read(unknown)), ValueError)
        self.assertEqual(await self.database.read(count_rows), 0)


class HealthTests(DatabaseTestCase):
    """
    What ``/readyz`` sees of a broken database.
    """

    async def test_read_only(self) -> None:
        """
        A database that can only be read is not ready; one that is put right is.
        """
        await self.database.write(_pragma("query_only = ON"))
        await self.unavailable(Deferred.fromCoroutine(self.database.ping()))
        await self.database.ping()

    async def test_locked(self) -> None:
        """
        A database that another process holds is not ready.
        """
        other = self.second_connection()
        other.execute("BEGIN IMMEDIATE")
        await self.unavailable(Deferred.fromCoroutine(self.database.ping()))

    async def test_deadline(self) -> None:
        """
        A database that does not answer within 5 s is not ready.
        """
        held = await self.hold()
        waiting = Deferred.fromCoroutine(self.database.ping())
        self.reactor.clock.advance(5)
        self.failureResultOf(waiting, StorageUnavailable)
        self.gate.open()
        await held


class SettingsTests(DatabaseTestCase):
    """
    The settings that durability rests on.
    """

    async def test_durable(self) -> None:
        """
        Each commit is synced to the disk, in a write-ahead log, with foreign keys checked.
        """
        for pragma, expected in (("synchronous", 2), ("journal_mode", "wal"), ("foreign_keys", 1)):
            found = await self.database.write(_pragma(pragma))
            self.assertEqual(found, expected)

    async def test_durable_again(self) -> None:
        """
        A commit is synced after one that need not be, whatever became of that one.
        """
        other = self.second_connection()
        other.execute("BEGIN IMMEDIATE")
        lost = Deferred.fromCoroutine(self.database.write(add_row, durable=False))
        self.assertIn("locked", await self.unavailable(lost))
        other.execute("ROLLBACK")
        self.assertEqual(await self.database.write(_pragma("synchronous")), 2)
        passing = Deferred.fromCoroutine(self.database.write(_pragma("synchronous"), durable=False))
        self.assertEqual(await passing, 1)
        self.assertEqual(await self.database.write(_pragma("synchronous")), 2)

    async def test_private(self) -> None:
        """
        Only the owner can read the file and its log.
        """
        await self.database.write(add_row)
        for path in self.path.parent.iterdir():
            self.assertEqual(path.stat().st_mode & 0o077, 0, path)


def _pragma(setting: str) -> Callable[[Connection], object]:
    def unit(connection: Connection) -> object:
        result = connection.exec_driver_sql(f"PRAGMA {setting}")
        return result.scalar() if result.returns_rows else None

    return unit


def _add_token(connection: Connection) -> None:
    row = {"sha256": "sha-of-token", "name": "n", "role": "admin", "created_at": NOON}
    connection.execute(insert(api_token).values(row))


def _add_token_twice(connection: Connection) -> None:
    _add_token(connection)
    _add_token(connection)
