"""
The assignments in the database, and the one place where events change them by the lifecycle table.

These run inside a caller's unit of work.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, and_, bindparam, select, update

from scepd.model import Activity, EnrollmentWindow, QueuedCommand, RowEvent, RowVersions
from scepd.profiles.lifecycle import (
    Command,
    Due,
    Event,
    Operation,
    RetrySettings,
    Status,
    Transition,
    Window,
)
from scepd.profiles.transitions import transition
from scepd.storage.breakers import is_open
from scepd.storage.chunks import chunks
from scepd.storage.first_assignments import ProfileContent, profile_content
from scepd.storage.outages import outage_of
from scepd.storage.prepared import Prepared, PreparedForSome
from scepd.storage.row_columns import (
    FORGETTING,
    AssignmentRow,
    delivery_columns,
    due_after,
    event_columns,
    renewal_columns,
    version_of,
)
from scepd.storage.row_writes import IS_ROW, RowKey, RowWrites
from scepd.storage.tables import host, host_profile

_ACTOR = "scepd"
_ONE_ROW = Prepared(select(host_profile).where(IS_ROW))
_LAST_DELIVERY = Prepared(select(host.c.redelivered_at).where(host.c.uuid == bindparam("of_host")))
_DELIVER_AGAIN = Prepared(
    update(host)
    .where(host.c.uuid == bindparam("of_host"))
    .values(redelivered_at=bindparam("due_at"))
)
_TO_BE_LOCKED = {
    skip_locked: PreparedForSome(
        lambda uuids, skip_locked=skip_locked: (  # type: ignore[misc]
            select(host_profile)
            .where(
                host_profile.c.profile_uuid == bindparam("of_profile"),
                host_profile.c.host_uuid.in_(uuids),
            )
            .with_for_update(skip_locked=skip_locked)
        )
    )
    for skip_locked in (False, True)
}
# With these an install takes what the profile holds now: another authority, perhaps.
_TAKE_CONTENT = frozenset({Event.CONTENT_CHANGED, Event.ENROLLED_ANEW})


def is_of(host_uuid: str, profile_uuid: str) -> ColumnElement[bool]:
    """
    The condition for the assignment of that profile to that host.
    """
    return and_(host_profile.c.host_uuid == host_uuid, host_profile.c.profile_uuid == profile_uuid)


def apply_event(
    connection: Connection,
    event: RowEvent,
    now: datetime,
    settings: RetrySettings,
    *,
    window: EnrollmentWindow | None = None,
) -> bool:
    """
    Let an event happen to an assignment.

    :param window: what replaces the assignment's windows, where the table opens one.
    :returns: whether it changed anything.
    """
    changes = RowChanges(connection, now, settings)
    changed = changes.happen(event, window=window)
    changes.write()
    return changed


def apply_events(
    connection: Connection,
    events: Iterable[RowEvent],
    now: datetime,
    settings: RetrySettings,
    judged: RowVersions | None = None,
) -> list[RowEvent]:
    """
    Let events happen to assignments, one after the other; of those that are gone nothing is said.

    :param judged: as the assignments were when that was found out: nothing of it is true any more
        of those that have changed since.
    :returns: the events that were of assignments as they are.
    """
    changes = RowChanges(connection, now, settings)
    listed = list(events)
    keys = {(event.host_uuid, event.profile_uuid) for event in listed}
    changes.look_ahead(keys)
    if judged is not None:
        outdated = changes.outdated({key: judged[key] for key in keys if key in judged})
        listed = [one for one in listed if (one.host_uuid, one.profile_uuid) not in outdated]
    for event in listed:
        changes.happen(event)
    changes.write()
    return listed


def apply_to_rows(
    connection: Connection,
    some: ColumnElement[bool],
    event_of: Callable[[AssignmentRow], Event],
    now: datetime,
    settings: RetrySettings,
) -> None:
    """
    Let an event happen to each of some assignments.

    :param event_of: tells the event of a row.
    """
    changes = RowChanges(connection, now, settings)
    for row in connection.execute(select(host_profile).where(some)).all():
        changes.change(row, RowEvent(row.host_uuid, row.profile_uuid, event_of(row)))
    changes.write()


def redeliver(connection: Connection, host_uuid: str, profile_uuid: str, at: datetime) -> None:
    """
    Make an install due at once; one that is being verified waits for its delivery again.
    """
    values = {"status": Status.PENDING.value, "due_at": at, "changed_at": at}
    connection.execute(update(host_profile).where(is_of(host_uuid, profile_uuid)).values(values))


class RowChanges:
    """
    Events of one transaction and what they make of assignments, written by :meth:`write`.
    """

    def __init__(self, connection: Connection, now: datetime, settings: RetrySettings) -> None:
        self._connection = connection
        self._now = now
        self._settings = settings
        self._writes = RowWrites()
        self._changed: set[RowKey] = set()
        self._ahead: dict[RowKey, AssignmentRow] = {}
        self._contents: dict[str, ProfileContent] = {}

    def look_ahead(
        self, keys: Iterable[RowKey], *, skip_locked: bool = False
    ) -> Mapping[RowKey, AssignmentRow]:
        """
        Read and lock assignments that will be asked for, in few statements.

        :param skip_locked: those that others change just now are passed over.
        :returns: those that there are.
        """
        lock = _TO_BE_LOCKED[skip_locked]
        hosts: dict[str, list[str]] = defaultdict(list)
        for host_uuid, profile_uuid in sorted(set(keys)):
            hosts[profile_uuid].append(host_uuid)
        for profile_uuid, uuids in hosts.items():
            for some in chunks(uuids):
                for row in lock.all(self._connection, some, of_profile=profile_uuid):
                    self._ahead[row.host_uuid, row.profile_uuid] = row
        return self._ahead

    def outdated(self, judged: RowVersions) -> set[RowKey]:
        """
        Those of some assignments that have changed since they were read, or are gone.
        """
        return {
            key
            for key, version in judged.items()
            if (row := self.row(*key)) is None or version_of(row) != version
        }

    def happen(
        self,
        event: RowEvent,
        *,
        window: EnrollmentWindow | None = None,
    ) -> bool:
        """
        Let an event happen to the assignment that it names, if it is there.

        :param window: what replaces the assignment's windows, where the table opens one.
        :returns: whether it changes anything.
        """
        row = self.row(event.host_uuid, event.profile_uuid)
        return row is not None and self.change(row, event, window=window)

    def row(self, host_uuid: str, profile_uuid: str) -> AssignmentRow | None:
        """
        An assignment as the events so far have left it, if it is there.
        """
        if (host_uuid, profile_uuid) in self._changed:
            self.write()
        if (host_uuid, profile_uuid) in self._ahead:
            return self._ahead[host_uuid, profile_uuid]
        return _ONE_ROW.first(self._connection, row_host=host_uuid, row_profile=profile_uuid)

    def change(
        self,
        row: AssignmentRow,
        event: RowEvent,
        *,
        window: EnrollmentWindow | None = None,
        command: QueuedCommand | None = None,
        due_at: datetime | None = None,
    ) -> bool:
        """
        Let an event happen to the assignment that was read as ``row``.

        :param window: what replaces the assignment's windows, where the table opens one.
        :param command: what is queued, where the table queues one.
        :param due_at: when it is due, where the table says now.
        :returns: whether it changes anything.
        :raises ValueError: the table queues a command, and there is none.
        """
        operation, status = Operation(row.operation), Status(row.status)
        change = transition(
            operation, status, event.event, attempts=row.attempts, settings=self._settings
        )
        if change.is_ignored(operation, status):
            return False
        self._changed.add((row.host_uuid, row.profile_uuid))
        self._ahead.pop((row.host_uuid, row.profile_uuid), None)
        self._change_outbox(row, change, command)
        self._change_window(row, change, event.event, window)
        if change.remove_row or event.event in FORGETTING:
            self._writes.retired.append((row.host_uuid, row.profile_uuid))
        if change.remove_row:
            self._writes.removed.append((row.host_uuid, row.profile_uuid))
        else:
            columns = self._columns(row, change, event, command)
            if due_at is not None and change.due is Due.NOW:
                columns["due_at"] = due_at
            self._writes.updated.append(columns)
        if change.alarm:
            self._alarm(row, event)
        return True

    def write(self) -> None:
        """
        Write what has changed so far.
        """
        self._writes.execute(self._connection, self._now)
        self._writes = RowWrites()
        self._changed.clear()

    def _change_outbox(
        self, row: AssignmentRow, change: Transition, command: QueuedCommand | None
    ) -> None:
        if change.command is not Command.KEPT and row.command_uuid is not None:
            self._writes.cancelled.append(row.command_uuid)
            if row.enrollment_id is not None:
                self._writes.unqueued.add(row.enrollment_id)
        if change.command is Command.QUEUED:
            if command is None:
                raise ValueError("an event that queues a command happened without one")
            self._writes.queued.append((command, row.host_uuid))
        if change.drop_push and row.enrollment_id is not None:
            self._writes.unreachable.add(row.enrollment_id)

    def _change_window(
        self,
        row: AssignmentRow,
        change: Transition,
        event: Event,
        window: EnrollmentWindow | None,
    ) -> None:
        key = (row.host_uuid, row.profile_uuid)
        if change.window is not Window.UNCHANGED:
            self._writes.closed.append(key)
        if change.window is Window.OPENED and window is not None:
            self._writes.opened.append(window)
        if event is Event.ACKNOWLEDGED and change.operation is Operation.INSTALL:
            self._writes.acknowledged.append(key)
            self._writes.inventoried.add(row.host_uuid)

    def _columns(
        self,
        row: AssignmentRow,
        change: Transition,
        event: RowEvent,
        command: QueuedCommand | None,
    ) -> dict[str, object]:
        due: dict[str, object]
        if change.due is Due.WITH_AUTHORITY:
            due = self._with_authority(row, event)
        else:
            due = {"due_at": self._due_at(row, change, event.event)}
        return {
            "row_host": row.host_uuid,
            "row_profile": row.profile_uuid,
            "changed_at": self._now,
            **event_columns(row, change, event),
            **due,
            **delivery_columns(row, change, event.event, command, self._now),
            **renewal_columns(row, event.event, self._now, self._settings.overdue),
            **self._content_columns(row, change, event.event),
        }

    def _content_columns(
        self, row: AssignmentRow, change: Transition, event: Event
    ) -> dict[str, object]:
        """
        The certificate authority that the operation needs, and of which content it is: a removal
        needs neither.
        """
        if change.operation is Operation.REMOVE:
            return {"ca_name": None, "content_sha256": row.content_sha256}
        installed = row.operation == Operation.INSTALL.value
        content = None if installed and event not in _TAKE_CONTENT else self._content(row)
        if content is None or (installed and content.sha256 == row.content_sha256):
            return {"ca_name": row.ca_name, "content_sha256": row.content_sha256}
        taken: dict[str, object] = {"ca_name": content.ca_name, "content_sha256": content.sha256}
        if content.ca_name is None:
            # What asks for no certificate is not delivered again for one that it had before.
            taken |= {"renew_at": None, "expires_at": None, "overdue_at": None}
        return taken

    def _content(self, row: AssignmentRow) -> ProfileContent | None:
        uuid = row.profile_uuid
        if uuid not in self._contents:
            found = profile_content(self._connection, uuid)
            if found is None:
                return None
            self._contents[uuid] = found
        return self._contents[uuid]

    def _due_at(self, row: AssignmentRow, change: Transition, event: Event) -> datetime | None:
        kept: datetime | None = row.due_at
        if change.due is Due.UNCHANGED:
            return kept
        if change.due is Due.NOT:
            return None
        if change.due is Due.LIMITED:
            # One that the proxy's refusal has made due already is this very re-delivery.
            return kept or self._limited(row.host_uuid, timedelta(seconds=change.due_after))
        return due_after(row, timedelta(seconds=change.due_after), event, self._now)

    def _with_authority(self, row: AssignmentRow, event: RowEvent) -> dict[str, object]:
        outage = outage_of(self._connection, row.host_uuid, row.profile_uuid, self._now)
        # Deliveries of one that is out are held back: it is due when the breaker lets it out.
        # Where that is not open there were too few failures to tell, or a trial is under way.
        is_out = is_open(self._connection, row.ca_name)
        due_at = self._now if is_out else self._now + outage.pause
        return {"due_at": due_at, "detail": outage.detail(event.detail)}

    def _limited(self, host_uuid: str, pause: timedelta) -> datetime:
        last = _LAST_DELIVERY.scalar(self._connection, of_host=host_uuid)
        due_at = self._now if last is None else max(self._now, last + pause)
        _DELIVER_AGAIN.change(self._connection, of_host=host_uuid, due_at=due_at)
        return due_at

    def _alarm(self, row: AssignmentRow, event: RowEvent) -> None:
        subject = f"{row.host_uuid}/{row.profile_uuid}"
        self._writes.activities.append(Activity(self._now, _ACTOR, event.event.value, subject))
