"""
What an event leaves in the columns of an assignment; pure.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import Row

from scepd.model import QueuedCommand, RowEvent, RowVersion
from scepd.profiles.certificate_renewal import OverdueRule, retry_at
from scepd.profiles.lifecycle import (
    Attempts,
    Command,
    Detail,
    Event,
    Operation,
    Status,
    Transition,
)
from scepd.storage.prepared import PreparedRow

_LEAST_RENEWAL_WAIT = timedelta(minutes=1)
FORGETTING = (Event.ENROLLED_ANEW, Event.USER_CHANNEL_ENDED)
"""
After these nothing is left of what the device, or its user, had.
"""
_FAR = datetime.max.replace(tzinfo=UTC)

_MISSES = (Event.PROFILE_MISSED_PAST_GRACE, Event.CERTIFICATE_MISSED_PAST_GRACE)
_UNPROVED: dict[str, object] = {"acknowledged_at": None, "listed_at": None}

AssignmentRow = Row[tuple[object, ...]] | PreparedRow
"""
A row of host_profile.
"""


def version_of(row: AssignmentRow) -> RowVersion:
    """
    What tells that an assignment has changed since it was read.
    """
    return RowVersion(
        row.operation,
        row.status,
        row.due_at,
        row.command_uuid,
        row.delivered_at,
        row.acknowledged_at,
        row.content_sha256,
        row.enrollment_id,
    )


def event_columns(row: AssignmentRow, change: Transition, event: RowEvent) -> dict[str, object]:
    """
    The columns that the table itself speaks of, but for the time when it is due.
    """
    return {
        "operation": change.operation.value,
        "status": change.status.value,
        "detail": _detail(row, change, event),
        "attempts": _attempts(row, change),
    }


def delivery_columns(
    row: AssignmentRow,
    change: Transition,
    event: Event,
    command: QueuedCommand | None,
    now: datetime,
) -> dict[str, object]:
    """
    The columns that tell of the current command. A row that is pending anew has none, so that an
    inventory can't prove a delivery which is still to come.
    """
    columns: dict[str, object] = {
        "command_uuid": row.command_uuid,
        "delivered_at": row.delivered_at,
        "acknowledged_at": row.acknowledged_at,
        "listed_at": row.listed_at,
        "offered": row.offered,
    }
    is_anew = change.command is Command.CANCELLED and change.status is Status.PENDING
    if is_anew or change.command is Command.QUEUED:
        columns |= {"command_uuid": None, "delivered_at": None} | _UNPROVED
    if event in _MISSES:
        # Else the list of what is left would prove what another list has just missed. Where it has
        # failed, the acknowledgement stays for a proof to come.
        columns |= _UNPROVED if change.status is Status.PENDING else {"listed_at": None}
    if command is not None and change.command is Command.QUEUED:
        columns["command_uuid"] = command.uuid
    if event is Event.HANDED_OVER:
        columns |= {"delivered_at": now, "acknowledged_at": None, "offered": True}
    elif event is Event.ACKNOWLEDGED:
        columns["acknowledged_at"] = now
    elif event is Event.INVENTORY_PROVED:
        # The acknowledgement was lost: without a time the profile could go missing unseen.
        columns["acknowledged_at"] = row.acknowledged_at or now
    elif event in FORGETTING:
        columns["offered"] = False
    return columns


def renewal_columns(
    row: AssignmentRow, event: Event, now: datetime, overdue: OverdueRule
) -> dict[str, object]:
    """
    The columns that bring a renewal, or tell that one is overdue: an older certificate must not
    bring one of a certificate that can't be told, and what a device had before it enrolled anew,
    or a user who is gone, counts no more.

    :param overdue: tells how soon what was delivered must be seen.
    """
    if event in FORGETTING:
        return {"renew_at": None, "expires_at": None, "overdue_at": None, "alarm": ""}
    columns: dict[str, object] = {
        "renew_at": row.renew_at,
        "expires_at": row.expires_at,
        "overdue_at": row.overdue_at,
        "alarm": row.alarm,
    }
    if event is Event.CERTIFICATE_NOT_IDENTIFIED:
        columns |= {"renew_at": None, "expires_at": None}
    is_install = row.operation == Operation.INSTALL.value and row.ca_name is not None
    if is_install and event in (Event.ACKNOWLEDGED, Event.CERTIFICATE_NOT_IDENTIFIED):
        columns["overdue_at"] = min(row.overdue_at or _FAR, now + overdue.unseen)
    return columns


def due_after(row: AssignmentRow, wait: timedelta, event: Event, now: datetime) -> datetime:
    """
    When an assignment is due after a failure: a renewal once more before its certificate expires.
    """
    if event is not Event.ERROR_WHILE_CERTIFIED:
        return now + wait
    return retry_at(now, wait, row.expires_at, _LEAST_RENEWAL_WAIT)


def _detail(row: AssignmentRow, change: Transition, event: RowEvent) -> object:
    if change.detail is Detail.KEPT:
        return row.detail
    if change.detail is Detail.CLEARED:
        return ""
    if change.detail is Detail.GIVEN:
        return event.detail
    # What the table says, and why.
    return f"{change.detail}: {event.detail}" if event.detail else change.detail


def _attempts(row: AssignmentRow, change: Transition) -> int:
    before: int = row.attempts
    if change.attempts is Attempts.RESET:
        return 0
    return before + 1 if change.attempts is Attempts.INCREMENTED else before
