"""
A PostgreSQL server of the tests' own: one for a whole run of them, on loopback, in a temporary
folder.
"""

from __future__ import annotations

import atexit
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import psycopg
from psycopg.sql import SQL, Composed, Identifier

from scepd.storage.database import Database
from scepd.storage.postgresql_engines import server_url, upgrading_engine
from scepd.storage.tables import metadata
from scepd.storage.upgrade import upgrade_database
from tests.storage.sqlite_file import real_reactor
from tests.support.processes import PATIENCE, free_port, installed_file

INITDB = "/usr/lib/postgresql/*/bin/initdb"
"""
Where Debian has the server's programs, by their version.
"""
_USER = "scepd"
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    # What is lost in a power cut is nothing that a test looks at.
    "fsync": "off",
    "max_connections": "60",
    "shared_buffers": "16MB",
}


class PostgreSQLServer:
    """
    A server that is started where there was none, and ended with :meth:`stop`.

    :param settings: its own, in place of those for tests.
    :raises SkipTest: PostgreSQL is not installed.
    """

    def __init__(self, settings: Mapping[str, str] | None = None) -> None:
        self._settings = {**_SETTINGS, **(settings or {})}
        versions = sorted(Path("/").glob(INITDB.lstrip("/")))
        initdb = installed_file(str(versions[-1]) if versions else INITDB)
        self._program = str(Path(initdb).with_name("postgres"))
        self._folder = Path(tempfile.mkdtemp(prefix="scepd-postgresql-"))
        self.port = free_port()
        self._log = (self._folder / "log").open("wb")
        if os.geteuid() == 0:
            # The server refuses to run as root.
            account = pwd.getpwnam("postgres")
            os.chown(self._folder, account.pw_uid, account.pw_gid)
        # The order of a language, as most databases have it.
        options = ["--auth=trust", f"--username={_USER}", "--encoding=UTF8", "--locale=C.UTF-8"]
        subprocess.run(
            [*_as_postgres(), initdb, *options, "--no-sync", str(self._data)],
            check=True,
            stdout=self._log,
            stderr=self._log,
            timeout=2 * PATIENCE,
            cwd="/",
        )
        self.start()

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    def start(self) -> None:
        """
        Start it, and return when it answers.
        """
        settings = [f"--{name}={value}" for name, value in self._settings.items()]
        self._process = subprocess.Popen(
            [
                *_as_postgres(),
                self._program,
                *("-D", str(self._data), "-p", str(self.port)),
                *settings,
            ],
            stdout=self._log,
            stderr=self._log,
            cwd="/",
        )
        end = time.monotonic() + PATIENCE
        while True:
            try:
                psycopg.connect(self.url("postgres")).close()
                return
            except psycopg.OperationalError:
                if time.monotonic() > end or self._process.poll() is not None:
                    raise
                time.sleep(0.05)

    @property
    def pid(self) -> int:
        """
        Of the process that starts all others of it.
        """
        return self._process.pid

    def stop(self, *, at_once: bool = False) -> None:
        """
        End it and all of its connections.

        :param at_once: as after a crash.
        """
        self._process.send_signal(signal.SIGQUIT if at_once else signal.SIGINT)
        self._process.wait(PATIENCE)

    def remove(self) -> None:
        """
        End it for good.
        """
        self.stop()
        self._log.close()
        shutil.rmtree(self._folder)

    def url(self, name: str) -> str:
        """
        The storage URL of a database.
        """
        return f"postgresql://{_USER}@127.0.0.1:{self.port}/{name}"

    def execute(self, statement: str, name: str = "postgres") -> None:
        """
        Run a statement in a database, outside of a transaction.
        """
        with psycopg.connect(self.url(name), autocommit=True) as connection:
            connection.execute(statement.encode())

    def create(self, name: str) -> str:
        """
        Make an empty database; its URL.
        """
        self.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        self.execute(f'CREATE DATABASE "{name}"')
        return self.url(name)


@cache
def the_server() -> PostgreSQLServer:
    """
    The one server of this run of tests.

    :raises SkipTest: PostgreSQL is not installed.
    """
    server = PostgreSQLServer()
    atexit.register(server.remove)
    return server


@cache
def _migrated() -> str:
    """
    The URL of a database with the newest tables.
    """
    url = the_server().create("migrated")
    engine = upgrading_engine(server_url(url), 5)
    try:
        upgrade_database(engine)
    finally:
        engine.dispose()
    return url


@cache
def _emptying() -> Composed:
    """
    One question and answer with the server; TRUNCATE would take longer, as it makes new files.
    """
    names = [Identifier(table.name) for table in reversed(metadata.sorted_tables)]
    return SQL("; ").join(SQL("DELETE FROM {}").format(name) for name in names)


class MigratedServer:
    """
    A mixin whose database has the newest tables and no rows.
    """

    @property
    def url(self) -> str:
        """
        The storage URL of the database.
        """
        return _migrated()

    def make_database(self) -> Database:
        """
        A database that is empty and not started.
        """
        with psycopg.connect(self.url) as connection:
            connection.execute(_emptying())
        return Database(self.url, real_reactor())


def _as_postgres() -> list[str]:
    """
    What starts a program that may not run as root, and ends it with this process.
    """
    setpriv = ["setpriv", "--pdeathsig", "INT"]
    if os.geteuid() != 0:
        return setpriv
    return [*setpriv, "--reuid=postgres", "--regid=postgres", "--init-groups"]
