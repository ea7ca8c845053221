"""
Old exchanges, enrollment windows, activities and certificates leave the database.

Each step reads the oldest rows of one index. Of rows that may have to stay the index holds until
when they do: a row that is old and still of use is put off, so that no step meets it again for a
month, however many of them there are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Table,
    and_,
    delete,
    exists,
    func,
    select,
    update,
)

from scepd.model import Lease, Pruned
from scepd.storage.chunks import chunks
from scepd.storage.database import Database
from scepd.storage.leases import refuse_lost
from scepd.storage.tables import (
    activity,
    ca_state,
    device_identity,
    enrollment_window,
    host_profile,
    issued_certificate,
    scep_exchange,
)
from scepd.storage.windows import GRANTED

_Key = TypeVar("_Key", str, int)
_PUT_OFF = timedelta(days=30)
_WINDOW = enrollment_window.c
_ISSUED = issued_certificate.c


class SQLRecordPruning:
    """
    Implements :class:`~scepd.ports.RecordPruning`.

    :param now: tells whether a lease has ended; None: the database's clock.
    """

    def __init__(self, database: Database, now: Callable[[], datetime] | None = None) -> None:
        self._database = database
        self._now = now

    async def prune_exchanges(self, before: datetime, limit: int, lease: Lease) -> Pruned:
        """
        Forget exchanges that began before that time; what was granted is noted in its window.
        """
        columns = scep_exchange.c
        old = select(columns.id).where(columns.started_at < before)
        old = old.order_by(columns.started_at, columns.id)

        def step(connection: Connection, ids: Sequence[str]) -> int:
            windows = select(columns.window_id).where(
                columns.id.in_(ids), columns.pki_status == GRANTED, columns.window_id.is_not(None)
            )
            granting = connection.scalars(windows).all()
            if granting:
                of_them = _WINDOW.id.in_(granting)
                connection.execute(update(enrollment_window).where(of_them).values(granted=True))
            connection.execute(delete(scep_exchange).where(columns.id.in_(ids)))
            return len(ids)

        return await self._prune(old.limit(limit), step, lease)

    async def prune_windows(self, before: datetime, limit: int, lease: Lease) -> Pruned:
        """
        Forget enrollment windows whose deadline was before that time, but for the last one of an
        assignment that there still is.
        """
        old = _oldest(_WINDOW.id, _WINDOW.kept_until, _WINDOW.deadline, before).limit(limit)

        def step(connection: Connection, ids: Sequence[str]) -> int:
            return _forget(connection, _WINDOW.id, ids, _is_last_window(), before)

        return await self._prune(old, step, lease)

    async def prune_activities(self, before: datetime, limit: int, lease: Lease) -> Pruned:
        """
        Forget activities before that time.
        """
        columns = activity.c
        old = select(columns.id).where(columns.at < before).order_by(columns.at).limit(limit)

        def step(connection: Connection, ids: Sequence[int]) -> int:
            connection.execute(delete(activity).where(columns.id.in_(ids)))
            return len(ids)

        return await self._prune(old, step, lease)

    async def prune_certificates(self, before: datetime, limit: int, lease: Lease) -> Pruned:
        """
        Forget certificates that expired before that time, with the pins of retired identities, but
        for identities that an enrollment may still use.
        """
        old = _oldest(_ISSUED.serial, _ISSUED.kept_until, _ISSUED.not_after, before).limit(limit)

        def step(connection: Connection, serials: Sequence[str]) -> int:
            going = and_(_ISSUED.serial.in_(serials), ~_is_pinned())
            _count_revoked(connection, going)
            shas = connection.scalars(select(_ISSUED.sha256).where(going)).all()
            pins = device_identity.c.certificate_sha256.in_(shas)
            connection.execute(delete(device_identity).where(pins))
            return _forget(connection, _ISSUED.serial, serials, _is_pinned(), before)

        return await self._prune(old, step, lease)

    async def _prune(
        self,
        old: Select[_Key],
        step: Callable[[Connection, Sequence[_Key]], int],
        lease: Lease,
    ) -> Pruned:
        def unit(connection: Connection) -> Pruned:
            refuse_lost(connection, lease, self._now)
            keys = connection.scalars(old).all()
            forgotten = [step(connection, some) for some in chunks(keys)]
            return Pruned(len(keys), sum(forgotten))

        return await self._database.write(unit)


def _oldest(
    key: ColumnElement[str],
    kept_until: ColumnElement[datetime | None],
    since: ColumnElement[datetime],
    before: datetime,
) -> Select[str]:
    """
    The keys of rows that are old by ``since``, or that were put off for long enough.
    """
    age = func.coalesce(kept_until, since)
    return select(key).where(age < before).order_by(age)


def _forget(
    connection: Connection,
    key: ColumnElement[str],
    keys: Sequence[str],
    is_of_use: ColumnElement[bool],
    before: datetime,
) -> int:
    """
    Delete rows, but for those that are of use: they are put off.

    :returns: how many are gone.
    """
    table = key.table
    assert isinstance(table, Table)
    kept = connection.scalars(select(key).where(key.in_(keys), is_of_use)).all()
    if kept:
        put_off = update(table).where(key.in_(kept)).values(kept_until=before + _PUT_OFF)
        connection.execute(put_off)
    gone = sorted(set(keys) - set(kept))
    connection.execute(delete(table).where(key.in_(gone)))
    return len(gone)


def _is_last_window() -> ColumnElement[bool]:
    """
    The condition for the newest window of an assignment.
    """
    same = enrollment_window.alias("same").c
    row = host_profile.c
    # Not as a row that doesn't exist: a server might read the whole table for all of them at once.
    newest = select(func.max(same.number)).where(
        same.host_uuid == _WINDOW.host_uuid, same.profile_uuid == _WINDOW.profile_uuid
    )
    return and_(
        exists().where(
            row.host_uuid == _WINDOW.host_uuid, row.profile_uuid == _WINDOW.profile_uuid
        ),
        _WINDOW.number == newest.scalar_subquery(),
    )


def _is_pinned() -> ColumnElement[bool]:
    """
    The condition for the certificates of identities that no other one has taken the place of.
    """
    pins = device_identity.c
    return exists().where(pins.certificate_sha256 == _ISSUED.sha256, pins.retired_at.is_(None))


def _count_revoked(connection: Connection, going: ColumnElement[bool]) -> None:
    """
    Keep the number of certificates that were ever revoked: who made a list goes by it.
    """
    issuers = select(_ISSUED.issuer_serial).where(going, _ISSUED.revoked_at.is_not(None))
    for issuer_serial, count in sorted(Counter(connection.scalars(issuers)).items()):
        connection.execute(
            update(ca_state)
            .where(ca_state.c.serial == issuer_serial)
            .values(revoked_forgotten=ca_state.c.revoked_forgotten + count)
        )
