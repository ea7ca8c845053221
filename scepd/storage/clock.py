"""
The time of this machine, for what no caller brings a time to, and that of the database, for what
several machines compare.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from sqlalchemy import Connection, DateTime, func, select

from scepd.storage.postgresql_engines import KIND


def utc_now() -> datetime:
    """
    The time of this machine's clock.
    """
    return datetime.now(UTC)


def database_now(connection: Connection, now: Callable[[], datetime] | None = None) -> datetime:
    """
    The time by the database's clock: a server's own, or this machine's when it has the file.

    :param now: tells another time, in its place.
    """
    if now is not None:
        return now()
    if connection.dialect.name != KIND:
        return utc_now()
    # Of this moment: the transaction may have waited long for a lock.
    found = connection.scalar(select(func.clock_timestamp(type_=DateTime(timezone=True))))
    assert isinstance(found, datetime)
    return found.astimezone(UTC)
