"""
What events leave of assignments, gathered and then written in few statements.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Connection, and_, bindparam, delete, update

from scepd.model import Activity, EnrollmentWindow, QueuedCommand
from scepd.storage.activities import insert_activities
from scepd.storage.inventory_rows import acknowledged
from scepd.storage.outbox import (
    cancel_commands,
    drop_idle_pushes,
    drop_pushes,
    insert_commands,
    wish_pushes,
)
from scepd.storage.prepared import Prepared
from scepd.storage.tables import enrollment_window, host_profile, managed_certificate
from scepd.storage.windows import CLOSED, IS_LIVE, insert_window

ACKNOWLEDGED_WINDOW_LASTS = timedelta(minutes=10)
"""
How long a window admits its key after the device acknowledged: a lost answer may be asked again.
"""

RowKey = tuple[str, str]
"""
The host and the profile of an assignment.
"""

IS_ROW = and_(
    host_profile.c.host_uuid == bindparam("row_host"),
    host_profile.c.profile_uuid == bindparam("row_profile"),
)
"""
The condition for an assignment, by the parameters ``row_host`` and ``row_profile``.
"""
_IS_LIVE_WINDOW = and_(
    enrollment_window.c.host_uuid == bindparam("row_host"),
    enrollment_window.c.profile_uuid == bindparam("row_profile"),
    IS_LIVE,
)
IS_CURRENT_OF_ROW = and_(
    managed_certificate.c.host_uuid == bindparam("row_host"),
    managed_certificate.c.profile_uuid == bindparam("row_profile"),
    managed_certificate.c.retired_at.is_(None),
)
"""
The condition for the certificates of an assignment that count, by the same parameters.
"""
_CLOSE = Prepared(update(enrollment_window).where(_IS_LIVE_WINDOW).values(CLOSED))
_UNTIL = bindparam("until", type_=enrollment_window.c.deadline.type)
_CLOSE_SOON = Prepared(
    update(enrollment_window)
    .where(_IS_LIVE_WINDOW, enrollment_window.c.deadline > _UNTIL)
    .values(deadline=_UNTIL)
)
_UPDATE = Prepared(
    update(host_profile).where(IS_ROW),
    [
        *("operation", "status", "ca_name", "detail", "content_sha256", "attempts", "due_at"),
        *("changed_at", "offered", "command_uuid", "delivered_at", "acknowledged_at", "listed_at"),
        *("renew_at", "expires_at", "overdue_at", "alarm"),
    ],
)
_REMOVE = Prepared(delete(host_profile).where(IS_ROW))
_RETIRE = Prepared(
    update(managed_certificate).where(IS_CURRENT_OF_ROW).values(retired_at=bindparam("now"))
)


@dataclass(slots=True)
class RowWrites:
    """
    The writes that wait, by what they change.

    :param updated: a row's key and its new columns.
    :param cancelled: uuids of commands.
    :param queued: commands with their hosts; a push is wished for each.
    :param unqueued: enrollments that may have no command left.
    :param unreachable: enrollments that are not to be pushed.
    :param retired: assignments whose certificates count no more.
    :param inventoried: hosts whose inventory is wanted soon.
    """

    updated: list[dict[str, object]] = field(default_factory=list)
    removed: list[RowKey] = field(default_factory=list)
    retired: list[RowKey] = field(default_factory=list)
    closed: list[RowKey] = field(default_factory=list)
    opened: list[EnrollmentWindow] = field(default_factory=list)
    acknowledged: list[RowKey] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    queued: list[tuple[QueuedCommand, str]] = field(default_factory=list)
    unqueued: set[str] = field(default_factory=set)
    unreachable: set[str] = field(default_factory=set)
    inventoried: set[str] = field(default_factory=set)
    activities: list[Activity] = field(default_factory=list)

    def execute(self, connection: Connection, now: datetime) -> None:
        """
        Write all of it.
        """
        self._write_windows(connection, now)
        self._write_rows(connection, now)
        self._write_outbox(connection, now)
        insert_activities(connection, self.activities)

    def _write_windows(self, connection: Connection, now: datetime) -> None:
        if self.closed:
            _CLOSE.change_each(connection, _keys(self.closed))
        if self.acknowledged:
            until = now + ACKNOWLEDGED_WINDOW_LASTS
            _CLOSE_SOON.change_each(connection, _keys(self.acknowledged, until=until))
        for window in self.opened:
            insert_window(connection, window)

    def _write_rows(self, connection: Connection, now: datetime) -> None:
        if self.updated:
            _UPDATE.change_each(connection, self.updated)
        if self.removed:
            _REMOVE.change_each(connection, _keys(self.removed))
        if self.retired:
            _RETIRE.change_each(connection, _keys(self.retired, now=now))
        if self.inventoried:
            acknowledged(connection, self.inventoried, now)

    def _write_outbox(self, connection: Connection, now: datetime) -> None:
        cancel_commands(connection, self.cancelled, now)
        insert_commands(connection, self.queued)
        wish_pushes(connection, {one.enrollment_id for one, _ in self.queued}, now)
        drop_pushes(connection, self.unreachable)
        drop_idle_pushes(connection, self.unqueued)


def _keys(rows: Iterable[RowKey], **more: object) -> list[dict[str, object]]:
    return [{"row_host": host_uuid, "row_profile": uuid, **more} for host_uuid, uuid in rows]
