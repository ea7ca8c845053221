"""
The processor's view of assignments, in the database.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, and_, or_, select

from scepd.model import DueRow, Lease, QueuedCommand, RowEvent, RowVersions
from scepd.profiles.lifecycle import Event, RetrySettings, Status
from scepd.storage.database import Database
from scepd.storage.leases import refuse_lost
from scepd.storage.recoveries import RECOVERED_AT_ONCE, go_on_recovering
from scepd.storage.row_columns import AssignmentRow, version_of
from scepd.storage.rows import RowChanges, apply_events
from scepd.storage.tables import authority_recovery, host_profile

_MOST_AUTHORITIES = 1000
_MOST_HELD = 500
# Who sets a new device up waits before it.
_RECENTLY = timedelta(hours=1)
_COLUMNS = host_profile.c
# The condition of the index of due rows, word for word.
_CAN_BE_DELIVERED = and_(_COLUMNS.due_at.is_not(None), _COLUMNS.enrollment_id.is_not(None))
_IS_PENDING = _COLUMNS.status == Status.PENDING.value


class SQLDeliveryStore:
    """
    Implements :class:`~scepd.ports.DeliveryStore`.

    :param settings: how failures are tried again.
    :param now: tells when a lease has ended; None: the database's clock.
    """

    def __init__(
        self,
        database: Database,
        settings: RetrySettings | None = None,
        now: Callable[[], datetime] | None = None,
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
        At most ``limit`` due assignments of enabled devices that need this certificate authority:
        first those of hosts that enrolled within the hour, then the longest due.
        """
        recently, due = now - _RECENTLY, select(host_profile).where(_is_due(ca_name, now))
        in_order = (_COLUMNS.enrolled_at, _COLUMNS.due_at)
        fresh = due.where(_COLUMNS.enrolled_at > recently).order_by(*in_order)
        # When it is read there are less than a page of the others: to pass over them is no search.
        is_old = or_(_COLUMNS.enrolled_at <= recently, _COLUMNS.enrolled_at.is_(None))
        old = due.where(is_old).order_by(_COLUMNS.due_at)

        def query(connection: Connection) -> list[DueRow]:
            rows = list(connection.execute(fresh.limit(limit)))
            if len(rows) < limit:
                rows += connection.execute(old.limit(limit - len(rows)))
            return [_record(row) for row in rows]

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
            refuse_lost(connection, lease, self._now)
            changes = RowChanges(connection, now, self._settings)
            keys = [(due.host_uuid, due.profile_uuid) for due, _ in rows]
            # What a device changes just now stays due, and comes with the next tick.
            ahead = dict(changes.look_ahead(keys, skip_locked=True))
            count = 0
            for due, command in rows:
                row = ahead.get((due.host_uuid, due.profile_uuid))
                if row is not None and _is_still(row, due, now):
                    resolved = RowEvent(due.host_uuid, due.profile_uuid, Event.RESOLVED)
                    count += changes.change(row, resolved, command=command)
            changes.write()
            return count

        return await self._database.write(unit, locks=True)

    async def hold(
        self, ca_name: str, detail: str, now: datetime, lease: Lease, since: datetime | None = None
    ) -> None:
        """
        AUTHORITY_FOUND_UNREACHABLE happens to the due assignments of this certificate authority
        whose detail says something else, 500 at a time.

        :param detail: since when and why.
        :param since: only of those that were due at that time or later.
        :raises Conflict: the lease has passed to another owner.
        """

        async def some(since: datetime | None) -> datetime | None:
            return await self._database.write(
                lambda connection: self._hold(connection, ca_name, detail, now, lease, since),
                locks=True,
            )

        more = await some(since)
        while more is not None:
            more = await some(more)

    def _hold(
        self,
        connection: Connection,
        ca_name: str,
        detail: str,
        now: datetime,
        lease: Lease,
        since: datetime | None,
    ) -> datetime | None:
        """
        Hold some back; when the last of them was due, if there may be more.
        """
        refuse_lost(connection, lease, self._now)
        page = select(host_profile).where(_is_due(ca_name, now), _COLUMNS.detail != detail)
        if since is not None:
            page = page.where(_COLUMNS.due_at >= since)
        page = page.order_by(_COLUMNS.due_at).limit(_MOST_HELD)
        rows = connection.execute(page.with_for_update(skip_locked=True)).all()
        changes = RowChanges(connection, now, self._settings)
        for row in rows:
            event = Event.AUTHORITY_FOUND_UNREACHABLE
            changes.change(row, RowEvent(row.host_uuid, row.profile_uuid, event, detail))
        changes.write()
        if len(rows) < _MOST_HELD:
            return None
        last: datetime = rows[-1].due_at
        return last

    async def recover(self, now: datetime, lease: Lease, limit: int = RECOVERED_AT_ONCE) -> bool:
        """
        AUTHORITY_RECOVERED happens to at most ``limit`` assignments that failed before their
        certificate authority was added or mended, where not all of them were made due then.

        :returns: whether there may be more.
        :raises Conflict: the lease has passed to another owner.
        """
        one = select(authority_recovery.c.ca_name).limit(1)
        # There is hardly ever one: only then is it worth a write.
        if await self._database.read(lambda connection: connection.scalar(one)) is None:
            return False

        def unit(connection: Connection) -> bool:
            refuse_lost(connection, lease, self._now)
            return go_on_recovering(connection, now, self._settings, limit)

        return await self._database.write(unit, locks=True)

    async def happen(
        self,
        events: Sequence[RowEvent],
        now: datetime,
        lease: Lease | None,
        judged: RowVersions | None = None,
    ) -> Sequence[RowEvent]:
        """
        Let events happen to assignments, by the lifecycle table, in one transaction; of those that
        are gone nothing is said.

        :param judged: as the assignments were when that was found out; nothing happens to those
            that have changed since.
        :returns: the events that were of assignments as they are.
        :raises Conflict: there is a lease, and it has passed to another owner.
        """

        def unit(connection: Connection) -> list[RowEvent]:
            if lease is not None:
                refuse_lost(connection, lease, self._now)
            return apply_events(connection, events, now, self._settings, judged)

        return await self._database.write(unit, locks=lease is not None)


def _record(row: AssignmentRow) -> DueRow:
    return DueRow(
        row.host_uuid,
        row.profile_uuid,
        row.operation,
        row.ca_name,
        row.enrollment_id,
        row.profile_identifier,
        row.attempts,
        version_of(row),
    )


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
