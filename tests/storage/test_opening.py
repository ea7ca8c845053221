"""
Tests of opening a database: URLs, files, the first token.
"""

from __future__ import annotations

import os
import threading

from sqlalchemy import create_engine
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from scepd.errors import ConfigurationError, Conflict, ScepdError, StorageUnavailable
from scepd.storage.api_tokens import SQLAPITokenStore
from scepd.storage.bootstrap import add_first_token
from scepd.storage.database import Database
from scepd.storage.engines import database_path
from scepd.storage.inspection import inspect_database
from scepd.storage.upgrade import upgrade_database
from tests.storage import records
from tests.storage.sqlite_file import SQLiteFile, real_reactor
from tests.storage.threads import add_row


class DatabasePathTests(SynchronousTestCase):
    """
    The storage URL.
    """

    def test_paths(self) -> None:
        """
        Three slashes begin a relative path, four an absolute one.
        """
        self.assertEqual(str(database_path("sqlite:///var/scepd.db")), "var/scepd.db")
        self.assertEqual(str(database_path("sqlite:////var/lib/a b.db")), "/var/lib/a b.db")

    def test_refused(self) -> None:
        """
        Anything else is refused with what is allowed, and never echoed: it may hold a password.
        """
        for url in (
            "",
            "secret",
            "mysql://user:secret@host/db",
            "sqlite+aiosqlite:///secret.db",
            "sqlite://",
            "sqlite:///",
            "sqlite:///:memory:",
            "sqlite://secret/scepd.db",
            "sqlite:///scepd.db?mode=secret",
        ):
            error = self.assertRaises(ConfigurationError, database_path, url)
            self.assertIn("sqlite:///", str(error))
            self.assertNotIn("secret", str(error))

    def test_kind_is_named(self) -> None:
        """
        The kind of database that was asked for is named.
        """
        error = self.assertRaises(ConfigurationError, Database, "mysql://host/db", real_reactor())
        self.assertIn("mysql", str(error))


class StartTests(SQLiteFile):
    """
    What can stand in the way of a start.
    """

    def refused(self, kind: type[ScepdError], database: Database | None = None) -> str:
        """
        The text of the error that a start ends in; no thread is left.
        """
        error = self.assertRaises(kind, (database or self.make_database()).start)
        names = {thread.name for thread in threading.enumerate()}
        self.assertFalse(names & {"storage-write", "storage-read"})
        return str(error)

    def test_nothing_before_start(self) -> None:
        """
        A database that is not started has no file and no thread, and takes nothing.
        """
        database = self.make_database()
        self.assertFalse(self.path.exists())
        for call in (database.write(add_row), database.read(add_row), database.ping()):
            self.failureResultOf(Deferred.fromCoroutine(call), StorageUnavailable)

    def test_directory_missing(self) -> None:
        """
        A missing directory is named.
        """
        self.path.parent.rmdir()
        self.assertIn(f"{self.path.parent}, is missing", self.refused(ConfigurationError))

    def test_directory_in_place_of_file(self) -> None:
        """
        A directory is not a database.
        """
        self.path.mkdir()
        self.assertIn("is not a file", self.refused(ConfigurationError))

    def test_not_writable(self) -> None:
        """
        A file that can't be written is named.
        """
        self.path.touch()
        self.path.chmod(0o400)
        if os.access(self.path, os.W_OK):
            raise SkipTest("this user may write any file")
        self.assertIn("writable", self.refused(ConfigurationError))

    def test_junk(self) -> None:
        """
        A file of something else is named and left as it is.
        """
        self.path.write_bytes(b"not a database " * 100)
        self.assertIn("not a database", self.refused(ConfigurationError))
        self.assertEqual(self.path.read_bytes(), b"not a database " * 100)

    def test_no_write_ahead_log(self) -> None:
        """
        A database that can't have a write-ahead log, as on some network disks, is refused.
        """
        engine = create_engine("sqlite://")
        self.addCleanup(engine.dispose)
        error = self.assertRaises(ConfigurationError, upgrade_database, engine)
        self.assertIn("use a local disk", str(error))

    def test_somebody_elses(self) -> None:
        """
        Tables of another program are left as they are, and none of ours are put beside them.
        """
        other = self.second_connection()
        other.execute("CREATE TABLE host (name TEXT)")
        self.assertIn("already exists", self.refused(ConfigurationError))
        names = other.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        self.assertEqual(names, [("host",)])

    async def test_newer(self) -> None:
        """
        A database that a newer program made is refused, with its version, and left as it is.
        """
        database = self.make_database()
        database.start()
        await database.stop()
        other = self.second_connection()
        other.execute("UPDATE alembic_version SET version_num = '9999'")
        self.assertIn("'9999'", self.refused(ConfigurationError))
        found = other.execute("SELECT version_num FROM alembic_version").fetchall()
        self.assertEqual(found, [("9999",)])

    async def test_locked(self) -> None:
        """
        A database that another process holds may be free at the next try.
        """
        add_first_token(self.url, records.token())
        other = self.second_connection()
        other.execute("BEGIN IMMEDIATE")
        database = Database(self.url, real_reactor(), busy_timeout=0.05)
        self.assertIn("locked", self.refused(StorageUnavailable, database))
        other.execute("ROLLBACK")
        database.start()
        await database.stop()


class FirstTokenTests(SQLiteFile):
    """
    The write from outside the daemon.
    """

    async def test_while_running(self) -> None:
        """
        A token that is added while a daemon runs is there for it at once.
        """
        database = self.make_database()
        database.start()
        self.addCleanup(lambda: Deferred.fromCoroutine(database.stop()))
        add_first_token(self.url, records.token())
        found = await SQLAPITokenStore(database).api_token(records.token().sha256)
        self.assertEqual(found, records.token())
        await database.write(add_row)

    def test_twice(self) -> None:
        """
        The same token again is a conflict.
        """
        add_first_token(self.url, records.token())
        self.assertRaises(Conflict, add_first_token, self.url, records.token())

    def test_refused(self) -> None:
        """
        A database that can't be is refused as in the daemon.
        """
        for url in ("mysql://host/db", f"{self.url}/below/scepd.db"):
            self.assertRaises(ConfigurationError, add_first_token, url, records.token())


class InspectionTests(SQLiteFile):
    """
    The look from outside the daemon.
    """

    def test_nothing_is_made(self) -> None:
        """
        A look at a database that is not there makes none.
        """
        path = self.path.parent / "another.sqlite"
        with self.assertRaises(ConfigurationError) as caught:
            inspect_database(f"sqlite:///{path}")
        self.assertIn(f"there is no database {path}", str(caught.exception))
        self.assertFalse(path.exists())
