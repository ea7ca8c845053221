"""
From a storage URL to engines: SQLite's driver settings.
"""

from __future__ import annotations

import os
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import ConnectionPoolEntry

from scepd.errors import ConfigurationError

BEGIN_WRITING = "BEGIN IMMEDIATE"
BEGIN_READING = "BEGIN"
OWN_TRANSACTIONS = "scepd_own_transactions"
"""
The execution option of a connection whose owner begins and commits by SQL of its own.
"""
_ALLOWED = "allowed is `sqlite:///` and the path of a file"


def database_path(url: str) -> Path:
    """
    The file that a storage URL names.

    :raises ConfigurationError: it is not ``sqlite:///`` and a path; the text never echoes the URL,
        which could hold a password.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise ConfigurationError(f"the storage URL is not a URL; {_ALLOWED}") from None
    if parsed.drivername != "sqlite":
        found = f"the storage URL begins with `{parsed.drivername}:`"
        raise ConfigurationError(f"{found}; {_ALLOWED}")
    if parsed.host or parsed.query:
        raise ConfigurationError(f"the storage URL has a host or parameters; {_ALLOWED}")
    if not parsed.database or parsed.database == ":memory:":
        raise ConfigurationError(f"the storage URL names no file; {_ALLOWED}")
    return Path(parsed.database)


def create_database_file(path: Path) -> None:
    """
    Make an empty database file that only its owner can read, unless there is one.

    :raises ConfigurationError: the file can't be made or written; the text says why.
    """
    try:
        # Only ever a new file is opened here: to close a second descriptor of a database that this
        # process has open would drop SQLite's locks (https://www.sqlite.org/howtocorrupt.html,
        # section 2.2).
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        _check_writable(path)
    except FileNotFoundError:
        raise ConfigurationError(
            f"the directory of the database, {path.parent}, is missing"
        ) from None
    except OSError as error:
        raise ConfigurationError(f"can't make the database {path}: {error.strerror}") from None


def _check_writable(path: Path) -> None:
    if not path.is_file():
        raise ConfigurationError(f"the database {path} is not a file")
    if not os.access(path, os.R_OK | os.W_OK):
        raise ConfigurationError(f"the database {path} is not readable and writable for this user")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        found = f"the directory of the database, {path.parent}, is not writable for this user"
        raise ConfigurationError(f"{found}; SQLite keeps its log beside the database")


def writing_engine(path: Path, busy_seconds: float) -> Engine:
    """
    An engine with one connection whose transactions are the database's only writer from their first
    statement on.

    :param busy_seconds: how long another process may hold the database.
    """
    engine = _engine(path, busy_seconds)
    _on_connect(engine, "PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL")
    _on_begin(engine, BEGIN_WRITING)
    return engine


def reading_engine(path: Path, busy_seconds: float) -> Engine:
    """
    An engine with one connection that can't write.
    """
    engine = _engine(path, busy_seconds)
    _on_connect(engine, "PRAGMA query_only = ON")
    _on_begin(engine, BEGIN_READING)
    return engine


def _engine(path: Path, busy_seconds: float) -> Engine:
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        # The driver's own transactions would commit at the first RELEASE of a savepoint.
        connect_args={
            "isolation_level": None,
            "check_same_thread": False,
            "timeout": busy_seconds,
        },
        pool_size=1,
        max_overflow=0,
        # An error's text goes to the log, where no parameter may.
        hide_parameters=True,
    )
    _on_connect(engine, "PRAGMA foreign_keys = ON")
    return engine


def _on_connect(engine: Engine, *pragmas: str) -> None:
    @event.listens_for(engine, "connect")
    def connected(connection: DBAPIConnection, entry: ConnectionPoolEntry) -> None:
        cursor = connection.cursor()
        for pragma in pragmas:
            cursor.execute(pragma)
        cursor.close()


def _on_begin(engine: Engine, statement: str) -> None:
    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        if not connection.get_execution_options().get(OWN_TRANSACTIONS):
            connection.exec_driver_sql(statement)
