"""
What it means for the wish to push a device that it comes, and answers a command.

These run inside a caller's unit of work.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, bindparam, case, func, or_, select, update

from scepd.apns.retry import Random
from scepd.model import WishState
from scepd.storage.columns import UTCDateTime
from scepd.storage.offers import NOT_NOW
from scepd.storage.outbox import drop_pushes
from scepd.storage.prepared import Prepared
from scepd.storage.push_times import after_not_now, after_progress, of_reachable
from scepd.storage.tables import command, push

_OFFERABLE = case((command.c.status != NOT_NOW, 1))
_LEFT = Prepared(
    select(func.count(), func.count(_OFFERABLE), func.min(command.c.not_now_count)).where(
        command.c.enrollment_id == bindparam("of_enrollment"), command.c.finished_at.is_(None)
    )
)
_DUE = bindparam("due", type_=UTCDateTime)
# Its answer must not undo this, so that it loses its apns-id.
_PUT_OFF = Prepared(
    update(push)
    .where(
        push.c.enrollment_id == bindparam("of_enrollment"),
        push.c.state != WishState.PARKED.value,
        push.c.state != WishState.SUSPENDED.value,
    )
    .values(state=WishState.NOT_NOW.value, due_at=_DUE, apns_id=None, attempts=0)
)
_WAITS_FOR_DEVICE = or_(
    push.c.state == WishState.SENT.value, push.c.state == WishState.UNANSWERED.value
)
_PROGRESS = Prepared(
    update(push)
    .where(push.c.enrollment_id == bindparam("of_enrollment"), _WAITS_FOR_DEVICE)
    .values(repeats=1, due_at=_DUE)
)
_IS_OF_COMMAND = (
    push.c.enrollment_id
    == select(command.c.enrollment_id)
    .where(command.c.uuid == bindparam("of_command"))
    .scalar_subquery()
)
_COMES = Prepared(
    update(push)
    .where(
        _IS_OF_COMMAND,
        _WAITS_FOR_DEVICE,
        push.c.due_at > _DUE,
    )
    .values(due_at=_DUE)
)
_COMES_AFTER_NOT_NOW = Prepared(
    update(push)
    .where(_IS_OF_COMMAND, push.c.state == WishState.NOT_NOW.value)
    .values(state=WishState.SENT.value, repeats=1, due_at=_DUE)
)


def command_offered(
    connection: Connection, command_uuid: str, now: datetime, random: Random
) -> None:
    """
    A device came and was handed a command: should it vanish with it, it is not left alone until the
    next day, as one is that does not come. One that answered NotNow can carry commands out again:
    the series of its pushes begins anew.
    """
    soon = now + after_progress(random)
    _COMES_AFTER_NOT_NOW.change(connection, of_command=command_uuid, due=soon)
    due = now + of_reachable(random)
    _COMES.change(connection, of_command=command_uuid, due=due)


def command_answered(
    connection: Connection, enrollment_id: str, status: str, now: datetime, random: Random
) -> None:
    """
    A device answered a command, which is recorded: when nothing is left its wish is dropped; when
    only what it answered NotNow is left it is asked again later; else, if it finished that command,
    the series of its pushes begins anew.
    """
    left = _LEFT.first(connection, of_enrollment=enrollment_id)
    waiting, offerable, not_now_count = left or (0, 0, 0)
    if not waiting:
        drop_pushes(connection, [enrollment_id])
    elif not offerable:
        assert isinstance(not_now_count, int)
        due = now + after_not_now(not_now_count, random)
        _PUT_OFF.change(connection, of_enrollment=enrollment_id, due=due)
    elif status != NOT_NOW:
        due = now + after_progress(random)
        _PROGRESS.change(connection, of_enrollment=enrollment_id, due=due)
