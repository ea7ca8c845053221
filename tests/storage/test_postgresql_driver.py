"""
Tests of what is PostgreSQL's own: several writers, faults of the server and of the way to it, and
migrations.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from unittest.mock import patch

import psycopg
from sqlalchemy import Connection, delete, insert, select, text, update
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import SynchronousTestCase, TestCase

from scepd.errors import ConfigurationError, Conflict, ScepdError, StorageUnavailable
from scepd.storage.api_tokens import SQLAPITokenStore
from scepd.storage.bootstrap import add_first_token
from scepd.storage.database import Database
from scepd.storage.hosts import SQLHostStore
from scepd.storage.leases import SQLLeaseStore
from scepd.storage.postgresql_engines import server_url
from scepd.storage.tables import health_check, metadata
from tests.storage import records
from tests.storage.sqlite_file import real_reactor
from tests.storage.threads import add_row, count_rows
from tests.support.postgresql_server import MigratedServer, PostgreSQLServer, the_server
from tests.support.processes import free_port

FRESH = "fresh"


class ServerTestCase(MigratedServer, TestCase):
    """
    Databases that are stopped at the end.
    """

    timeout = 60

    def started(self, database: Database) -> Database:
        """
        Start a database; its end is that of the test.
        """
        database.start()
        self.addCleanup(self.stop, database)
        return database

    def stop(self, database: Database) -> Deferred[None]:
        """
        Stop a database.
        """
        return Deferred.fromCoroutine(database.stop())

    def two(self) -> list[Database]:
        """
        One empty database, as two processes have it.
        """
        first = self.started(self.make_database())
        return [first, self.started(Database(self.url, real_reactor()))]

    async def refused(self, kind: type[ScepdError], database: Database) -> str:
        """
        The text of the error that a unit ends in.
        """
        try:
            await database.write(add_row)
        except kind as error:
            return str(error)
        self.fail(f"{kind.__name__} was not raised")


class SeveralWritersTests(ServerTestCase):
    """
    Units of several processes come out as if they had run one after the other.
    """

    async def test_no_update_is_lost(self) -> None:
        """
        Units that read a value and write the next one count each of them.
        """
        databases = self.two()
        await databases[0].write(_start_count)
        waiting = [
            Deferred.fromCoroutine(database.write(_count_on))
            for _ in range(50)
            for database in databases
        ]
        answered = await gatherResults(waiting, consumeErrors=True)
        self.assertEqual(sorted(answered), list(range(1, 101)))

    async def test_no_two_are_first(self) -> None:
        """
        Of units that look whether there is a row, and write one only if there is none, one writes,
        though neither row locks the other.
        """
        databases = self.two()
        for _ in range(20):
            await databases[0].write(_empty)
            both = threading.Barrier(2, timeout=15)
            answers = await gatherResults(
                [Deferred.fromCoroutine(one.write(_be_first(both))) for one in databases],
                consumeErrors=True,
            )
            self.assertEqual(sorted(answers), [False, True])
            self.assertEqual(await databases[1].read(count_rows), 1)

    async def test_rows_of_the_same_key(self) -> None:
        """
        When both find a lease free at the same time, one gets it, and the other is told so.
        """
        stores = [SQLLeaseStore(database) for database in self.two()]
        for number in range(20):
            taken = await gatherResults(
                [
                    Deferred.fromCoroutine(one.take_lease(f"lease-{number}", owner, 60))
                    for one, owner in zip(stores, ("a", "b"), strict=True)
                ],
                consumeErrors=True,
            )
            self.assertEqual(len([one for one in taken if one is not None]), 1)

    async def test_endless_conflict(self) -> None:
        """
        A unit that meets a conflict at each try is refused in the end, after others had their turn.
        """
        database = self.started(self.make_database())
        tries: list[None] = []

        def conflict(connection: Connection) -> None:
            tries.append(None)
            add_row(connection)
            _fail(connection, "40001")

        waiting = [
            Deferred.fromCoroutine(database.write(unit)) for unit in (add_row, conflict, add_row)
        ]
        await waiting[0]
        await waiting[2]
        failure = self.failureResultOf(waiting[1], StorageUnavailable)
        self.assertIn("not available", failure.getErrorMessage())
        self.assertGreaterEqual(len(tries), 20)
        self.assertEqual(await database.read(count_rows), 2)

    async def test_own_refusal(self) -> None:
        """
        A row that no constraint allows is refused for good, and what came with it is stored.
        """
        database = self.started(self.make_database())
        waiting = [
            Deferred.fromCoroutine(database.write(unit)) for unit in (add_row, _twice, add_row)
        ]
        await waiting[0]
        await waiting[2]
        failure = self.failureResultOf(waiting[1])
        self.assertIn("UniqueViolation", failure.getErrorMessage())
        self.assertEqual(await database.read(count_rows), 2)

    async def test_error_takes_own_writes_back(self) -> None:
        """
        A unit that raises leaves nothing, and those beside it are stored.
        """
        database = self.started(self.make_database())

        def refuse(connection: Connection) -> None:
            add_row(connection)
            raise Conflict("no")

        waiting = [
            Deferred.fromCoroutine(database.write(unit)) for unit in (add_row, refuse, add_row)
        ]
        await waiting[0]
        await waiting[2]
        self.failureResultOf(waiting[1], Conflict)
        self.assertEqual(await database.read(count_rows), 2)

    async def test_not_durable(self) -> None:
        """
        Only what need not outlast a power cut is committed without waiting for the disk.
        """
        database = self.started(self.make_database())
        self.assertEqual(await database.write(_synchronous_commit, durable=False), "off")
        self.assertEqual(await database.write(_synchronous_commit), "on")

    async def test_reading_changes_nothing(self) -> None:
        """
        A query can't write, and the next one is answered.
        """
        database = self.started(self.make_database())
        failure = Deferred.fromCoroutine(database.read(add_row))
        try:
            await failure
        except StorageUnavailable as error:
            self.assertIn("read-only", str(error))
        else:
            self.fail("a query wrote")
        self.assertEqual(await database.read(count_rows, glance=True), 0)


class TextTests(ServerTestCase):
    """
    Text that PostgreSQL does not have.
    """

    async def test_nul(self) -> None:
        """
        A character that PostgreSQL has no place for is replaced, and refuses nobody.
        """
        database = self.started(self.make_database())
        hosts = SQLHostStore(database)
        await hosts.put_host(records.host("H-\0"))
        found = await hosts.host("H-\0")
        assert found is not None
        self.assertEqual(found.uuid, "H-\N{REPLACEMENT CHARACTER}")
        self.assertIsNone(await hosts.host("H-"))


class FaultTests(ServerTestCase):
    """
    A server that is gone, and one that is held by others.
    """

    async def test_server_comes_back(self) -> None:
        """
        While the server is gone, units are refused; when it is back, the same database works.
        """
        server = PostgreSQLServer()
        self.addCleanup(server.remove)
        database = self.started(Database(server.create(FRESH), real_reactor()))
        await database.write(add_row)
        self.assertEqual(await database.read(count_rows), 1)
        server.stop(at_once=True)
        for _ in range(3):
            self.assertIn("not available", await self.refused(StorageUnavailable, database))
        await deferToThread(server.start)
        self.assertEqual(await _until_available(database), 1)
        await database.ping()

    async def test_connection_ended(self) -> None:
        """
        When somebody ends the connections, at most the units of that moment are refused.
        """
        database = self.started(self.make_database())
        await database.write(add_row)
        the_server().execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = 'migrated' AND pid <> pg_backend_pid()"
        )
        await self.refused(StorageUnavailable, database)
        await database.write(add_row)
        self.assertEqual(await _until_available(database), 2)

    async def test_faults_of_the_server(self) -> None:
        """
        What says nothing about the statement, such as a full disk, is StorageUnavailable, and the
        next unit is stored.
        """
        database = self.started(self.make_database())
        for state in ("53100", "53200", "57014", "58030", "XX001", "25006"):

            def fault(connection: Connection, state: str = state) -> None:
                add_row(connection)
                _fail(connection, state)

            try:
                await database.write(fault)
            except StorageUnavailable as error:
                self.assertIn(f"raised {state}", str(error))
            else:
                self.fail("nothing was raised")
            await database.write(add_row)
        self.assertEqual(await database.read(count_rows), 6)

    async def test_table_held(self) -> None:
        """
        What another holds for too long is refused; it is there when the other lets go.
        """
        self.make_database()
        database = self.started(Database(self.url, real_reactor(), busy_timeout=0.1))
        with psycopg.connect(self.url) as other:
            other.execute("LOCK TABLE activity")
            self.assertIn("lock timeout", await self.refused(StorageUnavailable, database))
        await database.write(add_row)
        self.assertEqual(await database.read(count_rows), 1)

    def test_nobody_listens(self) -> None:
        """
        A server that is not there may be at the next try; the password is not told.
        """
        url = f"postgresql://scepd:magic@127.0.0.1:{free_port()}/scepd"
        error = self.assertRaises(StorageUnavailable, Database(url, real_reactor()).start)
        self.assertIn("refused", str(error))
        self.assertNotIn("magic", str(error))
        error = self.assertRaises(StorageUnavailable, add_first_token, url, records.token())
        self.assertNotIn("magic", str(error))


class OpeningTests(ServerTestCase):
    """
    Empty databases, those of others, and URLs.
    """

    async def test_two_at_once(self) -> None:
        """
        Of two processes that find an empty database one makes the tables, and both start.
        """
        url = the_server().create(FRESH)
        databases = [Database(url, real_reactor()) for _ in range(2)]
        await gatherResults([deferToThread(one.start) for one in databases], consumeErrors=True)
        for one in databases:
            self.addCleanup(self.stop, one)
        await databases[0].write(add_row)
        self.assertEqual(await databases[1].read(count_rows), 1)

    def test_tables(self) -> None:
        """
        The migrations make the tables that the program knows, column for column, and every text
        is sorted by its bytes.
        """
        with psycopg.connect(self.url) as connection:
            rows = connection.execute(
                "SELECT table_name, column_name, data_type, collation_name, is_nullable"
                " FROM information_schema.columns WHERE table_schema = 'public'"
                " AND table_name <> 'alembic_version'"
            ).fetchall()
        found = {(row[0], row[1], row[4] == "YES") for row in rows}
        expected = {
            (table.name, column.name, bool(column.nullable))
            for table in metadata.sorted_tables
            for column in table.columns
        }
        self.assertEqual(found, expected)
        self.assertEqual({row[3] for row in rows if row[2] == "text"}, {"C"})

    def test_first_token(self) -> None:
        """
        The first token makes the tables; the same again is a conflict.
        """
        url = the_server().create(FRESH)
        add_first_token(url, records.token())
        self.assertRaises(Conflict, add_first_token, url, records.token())

    async def test_first_token_while_running(self) -> None:
        """
        A token that is added while a daemon runs is there for it.
        """
        database = self.started(self.make_database())
        add_first_token(self.url, records.token())
        found = await SQLAPITokenStore(database).api_token(records.token().sha256)
        self.assertEqual(found, records.token())

    def test_somebody_elses(self) -> None:
        """
        Tables of another program are left as they are.
        """
        url = the_server().create(FRESH)
        the_server().execute("CREATE TABLE host (name text)", FRESH)
        error = self.assertRaises(ConfigurationError, Database(url, real_reactor()).start)
        self.assertIn("already exists", str(error))

    def test_newer(self) -> None:
        """
        A database that a newer program made is refused, with its version.
        """
        url = the_server().create(FRESH)
        add_first_token(url, records.token())
        the_server().execute("UPDATE alembic_version SET version_num = '9999'", FRESH)
        error = self.assertRaises(ConfigurationError, Database(url, real_reactor()).start)
        self.assertIn("'9999'", str(error))

    def test_encoding(self) -> None:
        """
        A database that can't hold every text is refused.
        """
        server = the_server()
        server.execute('DROP DATABASE IF EXISTS "bytes"')
        server.execute("CREATE DATABASE bytes ENCODING 'SQL_ASCII' TEMPLATE template0 LOCALE 'C'")
        error = self.assertRaises(
            ConfigurationError, Database(server.url("bytes"), real_reactor()).start
        )
        self.assertIn("UTF8", str(error))

    def test_no_such_database(self) -> None:
        """
        A database that is not there is named.
        """
        database = Database(the_server().url("nowhere"), real_reactor())
        error = self.assertRaises(StorageUnavailable, database.start)
        self.assertIn("nowhere", str(error))


class URLTests(SynchronousTestCase):
    """
    Storage URLs of PostgreSQL.
    """

    def test_taken(self) -> None:
        """
        User, host, port and database are the URL's; others are libpq's own.
        """
        url = server_url("postgresql://scepd:magic@db.example.com:5433/certificates")
        self.assertEqual((url.username, url.password), ("scepd", "magic"))
        self.assertEqual(
            (url.host, url.port, url.database), ("db.example.com", 5433, "certificates")
        )
        self.assertNotIn("magic", str(url))

    def test_refused(self) -> None:
        """
        Without a database, or with a driver, it is refused, and never echoed.
        """
        for url in (
            "postgresql://scepd:magic@host",
            "postgresql://scepd:magic@host/",
            "postgresql+asyncpg://scepd:magic@host/db",
            "postgresql://scepd:magic@host:port/db",
        ):
            error = self.assertRaises(ConfigurationError, server_url, url)
            self.assertIn("postgresql://USER@HOST", str(error))
            self.assertNotIn("magic", str(error))

    def test_no_driver(self) -> None:
        """
        When the driver is not installed, the error says how it is.
        """
        with patch("scepd.storage.postgresql_engines.find_spec", return_value=None):
            error = self.assertRaises(
                ConfigurationError, Database, "postgresql://host/db", real_reactor()
            )
        self.assertIn("pip install 'scepd[postgresql]'", str(error))


def _start_count(connection: Connection) -> None:
    connection.execute(insert(health_check).values(id=1, writes=0))


def _count_on(connection: Connection) -> int:
    count: int = connection.execute(select(health_check.c.writes)).scalar_one() + 1
    connection.execute(update(health_check).values(writes=count))
    return count


def _empty(connection: Connection) -> None:
    connection.execute(delete(metadata.tables["activity"]))


def _be_first(both: threading.Barrier) -> Callable[[Connection], bool]:
    met = threading.local()

    def unit(connection: Connection) -> bool:
        if count_rows(connection):
            return False
        # At the first try both have seen that there is none before either writes.
        if not getattr(met, "once", False):
            met.once = True
            both.wait()
        add_row(connection)
        return True

    return unit


def _fail(connection: Connection, state: str) -> None:
    raised = f"RAISE EXCEPTION 'raised {state}' USING ERRCODE = '{state}'"
    connection.execute(text(f"DO $$ BEGIN {raised}; END $$"))


def _twice(connection: Connection) -> None:
    connection.execute(insert(health_check).values(id=1, writes=1))
    connection.execute(insert(health_check).values(id=1, writes=2))


def _synchronous_commit(connection: Connection) -> str:
    found: str = connection.execute(text("SHOW synchronous_commit")).scalar_one()
    return found


async def _until_available(database: Database) -> int:
    """
    How many rows there are, once the database can be read again.
    """
    for _ in range(100):
        try:
            return await database.read(count_rows)
        except StorageUnavailable:
            await deferToThread(threading.Event().wait, 0.1)
    return await database.read(count_rows)
