"""
SQLite databases for tests.
"""

from __future__ import annotations

import sqlite3
import tempfile
from functools import cache
from pathlib import Path
from typing import cast

from twisted.trial.unittest import TestCase

from scepd.storage.database import Database
from scepd.storage.engines import writing_engine
from scepd.storage.units import ThreadedReactor
from scepd.storage.upgrade import upgrade_database
from tests.storage import shared_statements  # noqa: F401 - all that have engines do


def real_reactor() -> ThreadedReactor:
    """
    The reactor that runs the tests.
    """
    from twisted.internet import reactor

    return cast(ThreadedReactor, reactor)


class SQLiteFile(TestCase):
    """
    A mixin that makes databases of one temporary file.
    """

    @property
    def path(self) -> Path:
        """
        The file, in a folder of this test alone.
        """
        found: str | None = getattr(self, "_path", None)
        if found is None:
            folder = Path(self.mktemp())
            folder.mkdir()
            found = self._path = str(folder / "scepd.db")
            # A test that is run again starts with an empty folder.
            self.addCleanup(setattr, self, "_path", None)
        return Path(found)

    @property
    def url(self) -> str:
        """
        The storage URL of the file.
        """
        return f"sqlite:///{self.path}"

    def make_database(self) -> Database:
        """
        A database of the file that is not started.
        """
        return Database(self.url, real_reactor())

    def second_connection(self) -> sqlite3.Connection:
        """
        A connection of nobody's, as another process would have one.
        """
        connection = sqlite3.connect(self.path, isolation_level=None, timeout=0)
        self.addCleanup(connection.close)
        return connection


class MigratedFile(SQLiteFile):
    """
    A mixin whose file begins as a copy of one that was migrated before.
    """

    def make_database(self) -> Database:
        """
        A database of the file that is not started.
        """
        if not self.path.exists():
            self.path.write_bytes(_migrated())
        return super().make_database()


@cache
def _migrated() -> bytes:
    """
    The file of a database with the newest tables and no rows.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scepd.db"
        engine = writing_engine(path, 1)
        try:
            upgrade_database(engine)
        finally:
            engine.dispose()
        return path.read_bytes()
