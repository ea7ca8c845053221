"""
The circuit breakers of certificate authorities, in the database.

A fresh breaker has no row, so that the table holds only those that something is wrong with.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from datetime import datetime

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    bindparam,
    delete,
    insert,
    select,
    update,
)

from scepd.model import Breaker, BreakerState
from scepd.storage.clock import utc_now
from scepd.storage.database import Database
from scepd.storage.outages import end_pauses
from scepd.storage.prepared import Prepared
from scepd.storage.tables import ca_breaker

_COLUMNS = ca_breaker.c
_STATE = Prepared(select(_COLUMNS.state).where(_COLUMNS.ca_name == bindparam("of_ca")))
_FIELDS = [field.name for field in fields(Breaker)]


class SQLBreakerStore:
    """
    Implements :class:`~scepd.ports.BreakerStore`.

    :param now: tells what waits in a pause still, when a breaker closes.
    """

    def __init__(self, database: Database, now: Callable[[], datetime] = utc_now) -> None:
        self._database = database
        self._now = now

    async def breakers(self) -> Sequence[Breaker]:
        """
        All of them, by the name of their certificate authority; those that are fresh are left out.
        """
        every = select(ca_breaker).order_by(_COLUMNS.ca_name)

        def query(connection: Connection) -> list[Breaker]:
            return [_record(row) for row in connection.execute(every).mappings()]

        return await self._database.read(query)

    async def change(
        self, ca_name: str, change: Callable[[Breaker], Breaker]
    ) -> tuple[Breaker, Breaker]:
        """
        Change a breaker as it is stored, in one transaction.

        :param change: makes the new one of the old one, without side effects.
        :returns: the old one and the new one.
        """

        def unit(connection: Connection) -> tuple[Breaker, Breaker]:
            old = _find(connection, ca_name)
            new = change(old)
            if new != old:
                _write(connection, old, new)
            if new.state is BreakerState.CLOSED and old.state is not new.state:
                end_pauses(connection, ca_name, self._now())
            return old, new

        return await self._database.write(unit)


def is_open(connection: Connection, ca_name: str | None) -> bool:
    """
    Whether the breaker of a certificate authority is open.
    """
    return bool(_STATE.scalar(connection, of_ca=ca_name) == BreakerState.OPEN.value)


def forget_breaker(connection: Connection, ca_name: str) -> None:
    """
    Of a certificate authority that comes or goes nothing is held against the next of its name.
    """
    connection.execute(delete(ca_breaker).where(_is_of(ca_name)))


def _is_of(ca_name: str) -> ColumnElement[bool]:
    return _COLUMNS.ca_name == ca_name


def _find(connection: Connection, ca_name: str) -> Breaker:
    # On a database with several writers nobody else changes it until this unit has committed.
    one = select(ca_breaker).where(_is_of(ca_name)).with_for_update()
    row = connection.execute(one).mappings().first()
    return Breaker(ca_name) if row is None else _record(row)


def _write(connection: Connection, old: Breaker, new: Breaker) -> None:
    values = {name: getattr(new, name) for name in _FIELDS} | {"state": new.state.value}
    if new.is_fresh:
        forget_breaker(connection, new.ca_name)
    elif old.is_fresh:
        connection.execute(insert(ca_breaker).values(values))
    else:
        connection.execute(update(ca_breaker).where(_is_of(new.ca_name)).values(values))


def _record(row: RowMapping) -> Breaker:
    values = dict(row)
    return Breaker(state=BreakerState(values.pop("state")), **values)
