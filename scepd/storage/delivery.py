"""
The processor's view of assignments, in the database.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, select

from scepd.model import DueRow, Lease, QueuedCommand, RowEvent
from scepd.profiles.lifecycle import Event, RetrySettings, Status
from scepd.storage.clock import utc_now
from scepd.storage.database import Database
from scepd.storage.leases import refuse_lost
from scepd.storage.row_columns import AssignmentRow
from scepd.storage.rows import RowChanges, apply_events
from scepd.storage.tables import host_profile

_MOST_AUTHORITIES = 1000
_MOST_HELD = 1000
_COLUMNS = host_profile.c
# The condition of the index of due rows, word for word.
_CAN_BE_DELIVERED = and_(_COLUMNS.due_at.is_not(None), _COLUMNS.enrollment_id.is_not(None))
_IS_PENDING = _COLUMNS.status == Status.PENDING.value


class SQLDeliveryStore:
    """
    Implements :class:`~scepd.ports.DeliveryStore`.

    :param settings: how failures are tried again.
    :param now: tells when a lease has ended.
    """

    def __init__(
        self,
        database: Database,
        settings: RetrySettings | None = None,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._database = database
        self._settings = settings or RetrySettings()
        self._now = now

    async def due_authorities(self, now: datetime) -> Sequence[str | None]:
        """
        The certificate authorities that due assignments of enabled enrollments need; None stands
        for those that need none. At most 1,000.
        """
        return await self._database.read(lambda connection: _authorities(connection, now))

    async def due_rows(self, ca_name: str | None, now: datetime, limit: int) -> Sequence[DueRow]:
        """
        At most ``limit`` due assignments of enabled devices that need this certificate authority,
        the longest due first.
        """
        page = (
            select(host_profile).where(_is_due(ca_name, now)).order_by(_COLUMNS.due_at).limit(limit)
        )

        def query(connection: Connection) -> list[DueRow]:
            return [
                DueRow(
                    row.host_uuid,
                    row.profile_uuid,
                    row.operation,
                    row.ca_name,
                    row.enrollment_id,
                    row.profile_identifier,
                    row.attempts,
                )
                for row in connection.execute(page)
            ]

        return await self._database.read(query)

    async def queue_deliveries(
        self, rows: Sequence[tuple[DueRow, QueuedCommand]], lease: Lease, now: datetime
    ) -> int:
        """
        RESOLVED happens to each of these assignments that is still due: its command is queued,
        what it had before is cancelled, and a push is wished now, all in one transaction.

        :returns: how many there were.
        :raises Conflict: the lease has passed to another owner.
        """

        def unit(connection: Connection) -> int:
            refuse_lost(connection, lease, self._now())
            changes = RowChanges(connection, now, self._settings)
            changes.look_ahead((due.host_uuid, due.profile_uuid) for due, _ in rows)
            count = 0
            for due, command in rows:
                row = changes.row(due.host_uuid, due.profile_uuid)
                if row is not None and _is_still(row, due, now):
                    resolved = RowEvent(due.host_uuid, due.profile_uuid, Event.RESOLVED)
                    count += changes.change(row, resolved, command=command)
            changes.write()
            return count

        return await self._database.write(unit)

    async def hold(self, ca_name: str, detail: str, now: datetime, lease: Lease) -> None:
        """
        AUTHORITY_FOUND_UNREACHABLE happens to the due assignments of this certificate authority
        whose detail says something else, 1,000 at a time.

        :param detail: since when and why.
        :raises Conflict: the lease has passed to another owner.
        """
        page = (
            select(host_profile)
            .where(_is_due(ca_name, now), _COLUMNS.detail != detail)
            .limit(_MOST_HELD)
        )

        def unit(connection: Connection) -> int:
            refuse_lost(connection, lease, self._now())
            changes = RowChanges(connection, now, self._settings)
            rows = connection.execute(page).all()
            for row in rows:
                told = RowEvent(
                    row.host_uuid, row.profile_uuid, Event.AUTHORITY_FOUND_UNREACHABLE, detail
                )
                changes.change(row, told)
            changes.write()
            return len(rows)

        while await self._database.write(unit) == _MOST_HELD:
            pass

    async def happen(self, events: Sequence[RowEvent], now: datetime, lease: Lease | None) -> None:
        """
        Let events happen to assignments, by the lifecycle table, in one transaction; of those that
        are gone nothing is said.

        :raises Conflict: there is a lease, and it has passed to another owner.
        """

        def unit(connection: Connection) -> None:
            if lease is not None:
                refuse_lost(connection, lease, self._now())
            apply_events(connection, events, now, self._settings)

        await self._database.write(unit)


def _is_due(ca_name: str | None, now: datetime) -> ColumnElement[bool]:
    # None becomes IS NULL.
    return and_(_COLUMNS.ca_name == ca_name, _COLUMNS.due_at <= now, _CAN_BE_DELIVERED, _IS_PENDING)


def _is_still(row: AssignmentRow, due: DueRow, now: datetime) -> bool:
    same: bool = (row.operation, row.enrollment_id) == (due.operation, due.enrollment_id)
    return same and row.due_at is not None and row.due_at <= now


def _authorities(connection: Connection, now: datetime) -> list[str | None]:
    found: list[str | None] = []
    for name in _candidates(connection):
        one = select(_COLUMNS.host_uuid).where(_is_due(name, now)).limit(1)
        if connection.scalar(one) is not None:
            found.append(name)
        if len(found) == _MOST_AUTHORITIES:
            break
    return found


def _candidates(connection: Connection) -> Iterator[str | None]:
    """
    None, then each name in the index of due rows, by a jump from one to the next: the rows of one
    name are many, the names are few.
    """
    yield None
    name: str | None = ""
    while True:
        following = (
            select(_COLUMNS.ca_name)
            .where(_COLUMNS.ca_name > name, _CAN_BE_DELIVERED)
            .order_by(_COLUMNS.ca_name)
            .limit(1)
        )
        name = connection.scalar(following)
        if name is None:
            return
        yield name
