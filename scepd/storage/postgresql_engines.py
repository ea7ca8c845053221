"""
From a storage URL to engines: PostgreSQL's driver settings.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import ConnectionPoolEntry

from scepd.errors import ConfigurationError

KIND = "postgresql"
"""
What a storage URL of PostgreSQL begins with.
"""
BEGIN_WRITING = "BEGIN ISOLATION LEVEL SERIALIZABLE"
BEGIN_LOCKING = "BEGIN ISOLATION LEVEL READ COMMITTED"
BEGIN_READING = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"
_DRIVER = "psycopg"
_ALLOWED = "allowed is `postgresql://USER@HOST:PORT/DATABASE`"
# Seconds until a server that does not answer counts as gone; less than a unit's deadline.
_CONNECT_SECONDS = 5
_SILENT_SECONDS = 15
# A transaction whose process stands still must not be in the way of the others for longer.
_IDLE_SECONDS = 30
# Every statement has an index that serves it. A scan of a table, which is chosen where the table is
# small or the server knows nothing of its size yet, locks all of it against all that others write
# while the units are serializable
# (https://www.postgresql.org/docs/current/transaction-iso.html#XACT-SERIALIZABLE).
# What can't do without one would seem so dear then that it were compiled first.
_PLANS = ("-c enable_seqscan=off", "-c jit=off")


def is_postgresql(url: str) -> bool:
    """
    Whether a storage URL is one of PostgreSQL.
    """
    return url.partition(":")[0] == KIND


def server_url(url: str) -> URL:
    """
    The database that a storage URL names, as SQLAlchemy has it.

    :raises ConfigurationError: it names none, or the driver is not installed; the text never echoes
        the URL, which could hold a password.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise ConfigurationError(f"the storage URL is not a URL; {_ALLOWED}") from None
    if parsed.drivername != KIND or not parsed.database:
        raise ConfigurationError(f"the storage URL names no database; {_ALLOWED}")
    if find_spec(_DRIVER) is None:
        raise ConfigurationError(
            "the driver of PostgreSQL is not installed; run: pip install 'scepd[postgresql]'"
        )
    return parsed.set(drivername=f"{KIND}+{_DRIVER}")


def upgrading_engine(url: URL, busy_seconds: float) -> Engine:
    """
    An engine for work from outside the threads, whose transactions are SQLAlchemy's own.

    :param busy_seconds: how long another process may hold what it needs.
    """
    return _engine(
        url,
        _arguments(f"-c lock_timeout={busy_seconds * 1000:.0f}"),
    )


def threads_engine(url: URL, busy_seconds: float) -> Engine:
    """
    An engine with one connection, which begins and commits by SQL of its owner's.

    :param busy_seconds: as for :func:`upgrading_engine`.
    """
    limits = {
        "lock_timeout": busy_seconds,
        "statement_timeout": _SILENT_SECONDS,
        "idle_in_transaction_session_timeout": _IDLE_SECONDS,
    }
    options = [f"-c {name}={seconds * 1000:.0f}" for name, seconds in limits.items()]
    return _engine(
        url,
        _arguments(" ".join([*options, *_PLANS])),
        isolation_level="AUTOCOMMIT",
        # Prepared statements give their values by place.
        paramstyle="format",
    )


def _engine(url: URL, arguments: dict[str, object], **options: Any) -> Engine:
    engine = create_engine(
        url,
        connect_args=arguments,
        pool_size=1,
        max_overflow=0,
        # An error's text goes to the log, where no parameter may.
        hide_parameters=True,
        **options,
    )

    @event.listens_for(engine, "connect")
    def connected(connection: Any, entry: ConnectionPoolEntry) -> None:
        connection.adapters.register_dumper(str, _text_dumper())

    return engine


@cache
def _text_dumper() -> type:
    """
    What gives text to the driver: PostgreSQL has no U+0000, which a certificate's names may hold,
    so that U+FFFD takes its place.
    """
    # Only those need the driver who have such a database.
    from psycopg.types.string import StrDumper

    class TextDumper(StrDumper):
        def dump(self, obj: str) -> Any:
            return super().dump(obj.replace("\0", "\N{REPLACEMENT CHARACTER}"))

    return TextDumper


def _arguments(options: str) -> dict[str, object]:
    """
    libpq's parameters (https://www.postgresql.org/docs/current/libpq-connect.html): what notices
    that the server is gone, and what the server is told.
    """
    return {
        "connect_timeout": _CONNECT_SECONDS,
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 2,
        "tcp_user_timeout": _SILENT_SECONDS * 1000,
        "application_name": "scepd",
        "client_encoding": "UTF8",
        "options": options,
    }
