"""
The proxy's view of windows and exchanges, in the database.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import Connection, bindparam, insert, select, update

from scepd.model import Admission, Reservation, SCEPExchange, WindowOutcome
from scepd.ports import SignedBy, Subject
from scepd.storage.database import Database
from scepd.storage.prepared import Prepared
from scepd.storage.rows import is_of, redeliver
from scepd.storage.tables import host, host_profile, scep_exchange
from scepd.storage.window_tokens import fits_token
from scepd.storage.windows import (
    admission,
    answer,
    give_back,
    live_window,
    newest_window,
    reserve,
    reserve_open,
)

_REDELIVERY_PAUSE = timedelta(hours=1)
_REDELIVERED_STATUSES = ("pending", "verifying")
_INSTALL = "install"
_EXCHANGE_COLUMNS = tuple(column.name for column in scep_exchange.c)
_NEWEST_FIRST = select(scep_exchange).order_by(
    scep_exchange.c.started_at.desc(), scep_exchange.c.id.desc()
)
_INSERT = Prepared(insert(scep_exchange), _EXCHANGE_COLUMNS)
_ASSIGNED = Prepared(
    select(host_profile.c.host_uuid).where(
        host_profile.c.host_uuid == bindparam("of_host"),
        host_profile.c.profile_uuid == bindparam("of_profile"),
        host_profile.c.ca_name == bindparam("of_ca"),
        host_profile.c.operation == _INSTALL,
    )
)


class SQLEnrollmentStore:
    """
    Implements :class:`~scepd.ports.EnrollmentStore`.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def is_assigned(self, subject: Subject) -> bool:
        """
        Whether the host has that profile as an install with that certificate authority.
        """
        return await self._database.read(
            lambda connection: _is_assigned(connection, subject), glance=True
        )

    async def reserve_window(
        self,
        subject: Subject,
        exchange_id: str,
        *,
        now: datetime,
        until: datetime,
        signed_by: SignedBy | None = None,
    ) -> Reservation:
        """
        Reserve the subject's window for one exchange until ``until`` at the latest.

        An open window, or one whose reservation ran out, is reserved. A locked one is reserved only
        for its ``signed_by``: without one the answer is LOCKED, to another it is CLOSED. A window
        past its deadline is CLOSED. An exchange that asks twice is not in its own way.
        """

        def unit(connection: Connection) -> Reservation:
            opened = reserve_open(connection, subject, exchange_id, now, until)
            if opened is not None:
                return Reservation(Admission.ADMITTED, opened)
            window = live_window(connection, subject)
            if window is None:
                return Reservation(Admission.CLOSED)
            if not fits_token(window, subject.token):
                return Reservation(Admission.CLOSED, window.id)
            said = admission(window, exchange_id, now, signed_by)
            if said is Admission.ADMITTED:
                reserve(connection, window, exchange_id, until)
            return answer(window, said)

        # A power cut may take it back: it would have run out by itself, and sets the window free.
        return await self._database.write(unit, durable=False)

    async def settle_window(
        self, exchange: SCEPExchange, outcome: WindowOutcome, signed_by: SignedBy | None
    ) -> None:
        """
        Store the exchange and give its window back, in one transaction.

        REOPEN: open again (or locked as before, when it was). LOCK: locked to ``signed_by`` (to
        nobody when None). LOCK_PENDING: likewise, and its deadline becomes 7 days from the
        exchange. A window that was closed, or that another exchange reserved meanwhile, is left as
        it is; the exchange is stored all the same.
        """

        def unit(connection: Connection) -> None:
            _insert(connection, exchange)
            give_back(connection, exchange, outcome, signed_by)

        await self._database.write(unit)

    async def record_refusal(self, exchange: SCEPExchange, *, redeliver: bool) -> None:
        """
        Store the exchange of a PKIOperation that was not let through. With ``redeliver``, and while
        its assignment is pending or verifying, make the assignment due at once, at most once per
        hour and host; it is pending again then.

        One that no window answered belongs to the last one that was opened for its assignment.
        """

        def unit(connection: Connection) -> None:
            _insert(connection, _with_window(connection, exchange))
            if redeliver and _may_redeliver(connection, exchange):
                _redeliver(connection, exchange)

        await self._database.write(unit)

    async def exchanges_of_delivery(
        self, host_uuid: str, profile_uuid: str, *, limit: int = 100
    ) -> Sequence[SCEPExchange]:
        """
        At most ``limit`` exchanges since a profile was last handed to a host, newest first: those
        of the window that was opened then, and the refusals since.
        """

        def query(connection: Connection) -> list[SCEPExchange]:
            window = newest_window(connection, host_uuid, profile_uuid)
            if window is None:
                return []
            page = _NEWEST_FIRST.where(scep_exchange.c.window_id == window.id).limit(limit)
            return [SCEPExchange(**row) for row in connection.execute(page).mappings()]

        return await self._database.read(query)

    async def exchanges(
        self, *, host_uuid: str | None = None, before: datetime | None = None, limit: int = 100
    ) -> Sequence[SCEPExchange]:
        """
        At most ``limit`` exchanges, newest first: of one host, or of all; older than ``before``, or
        from the newest.
        """
        columns = scep_exchange.c
        page = _NEWEST_FIRST
        if host_uuid is not None:
            page = page.where(columns.host_uuid == host_uuid)
        if before is not None:
            page = page.where(columns.started_at < before)

        def query(connection: Connection) -> list[SCEPExchange]:
            rows = connection.execute(page.limit(limit)).mappings()
            return [SCEPExchange(**row) for row in rows]

        return await self._database.read(query)


def _is_assigned(connection: Connection, subject: Subject) -> bool:
    found = _ASSIGNED.first(
        connection,
        of_host=subject.host_uuid,
        of_profile=subject.profile_uuid,
        of_ca=subject.ca_name,
    )
    return found is not None


def _insert(connection: Connection, exchange: SCEPExchange) -> None:
    _INSERT.change(connection, **{name: getattr(exchange, name) for name in _EXCHANGE_COLUMNS})


def _with_window(connection: Connection, exchange: SCEPExchange) -> SCEPExchange:
    if exchange.window_id is not None:
        return exchange
    window = newest_window(connection, exchange.host_uuid, exchange.profile_uuid)
    return exchange if window is None else replace(exchange, window_id=window.id)


def _may_redeliver(connection: Connection, exchange: SCEPExchange) -> bool:
    """
    Whether the assignment waits for its certificate and its host's last re-delivery is an hour
    past.
    """
    one = (
        select(host_profile.c.status, host.c.redelivered_at)
        .join_from(host_profile, host)
        .where(
            is_of(exchange.host_uuid, exchange.profile_uuid),
            host_profile.c.operation == _INSTALL,
        )
    )
    row = connection.execute(one).first()
    if row is None or row.status not in _REDELIVERED_STATUSES:
        return False
    last: datetime | None = row.redelivered_at
    return last is None or exchange.started_at - last >= _REDELIVERY_PAUSE


def _redeliver(connection: Connection, exchange: SCEPExchange) -> None:
    at = exchange.started_at
    same_host = host.c.uuid == exchange.host_uuid
    connection.execute(update(host).where(same_host).values(redelivered_at=at))
    redeliver(connection, exchange.host_uuid, exchange.profile_uuid, at)
