"""
What waits to be sent to devices, in the database: commands, and wishes to push.

These run inside a caller's unit of work.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    and_,
    bindparam,
    delete,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy.sql.expression import ClauseElement

from scepd.model import QueuedCommand, WishState
from scepd.storage.chunks import chunks
from scepd.storage.columns import UTCDateTime
from scepd.storage.prepared import Prepared, PreparedForSome
from scepd.storage.tables import command, enrollment, push

_WAITS = command.c.finished_at.is_(None)
_CANCELLED = {
    "status": "cancelled",
    "finished_at": bindparam("now", type_=UTCDateTime),
    "body": None,
}
_QUEUE = Prepared(
    insert(command).inline(),
    [
        *("uuid", "enrollment_id", "host_uuid", "request_type", "profile_uuid", "body"),
        *("priority", "status", "detail", "created_at", "not_now_count"),
    ],
)
_CANCEL = Prepared(
    update(command).where(command.c.uuid == bindparam("of_command"), _WAITS).values(_CANCELLED)
)
_CANCEL_ALL = Prepared(
    update(command)
    .where(command.c.enrollment_id == bindparam("of_enrollment"), _WAITS)
    .values(_CANCELLED)
)
_ANYTHING = Prepared(
    select(command.c.uuid)
    .where(command.c.enrollment_id == bindparam("of_enrollment"), _WAITS)
    .limit(1)
)
CAN_BE_PUSHED = and_(enrollment.c.enabled.is_(True), enrollment.c.push.is_not(None))
"""
The condition for the enrollments that can be pushed.
"""
_DUE = bindparam("due", type_=UTCDateTime)
_PLACE = bindparam("place", type_=push.c.repeats.type)


def _renewing(ids: Sequence[BindParameter[Any]]) -> ClauseElement:
    reachable = select(enrollment.c.id).where(enrollment.c.id.in_(ids), CAN_BE_PUSHED)
    return (
        update(push)
        .where(push.c.enrollment_id.in_(reachable))
        .values(due_at=_DUE, apns_id=None, attempts=0, repeats=_PLACE, state=WishState.DUE.value)
    )


def _wishing(ids: Sequence[BindParameter[Any]]) -> ClauseElement:
    wished = select(push.c.enrollment_id).where(push.c.enrollment_id == enrollment.c.id)
    values: dict[str, ColumnElement[Any]] = {
        "enrollment_id": enrollment.c.id,
        "due_at": _DUE,
        "attempts": literal(0),
        "repeats": _PLACE,
        "state": literal(WishState.DUE.value),
        "last_reason": literal(""),
    }
    new = select(*values.values()).where(enrollment.c.id.in_(ids), CAN_BE_PUSHED, ~wished.exists())
    return insert(push).from_select(list(values), new)


_RENEW_WISHES = PreparedForSome(_renewing)
_WISH = PreparedForSome(_wishing)
_DROP = PreparedForSome(lambda ids: delete(push).where(push.c.enrollment_id.in_(ids)))
_DROP_IDLE = PreparedForSome(
    lambda ids: delete(push).where(
        push.c.enrollment_id.in_(ids),
        ~select(command.c.uuid)
        .where(command.c.enrollment_id == push.c.enrollment_id, _WAITS)
        .exists(),
    )
)


def insert_commands(connection: Connection, commands: Iterable[tuple[QueuedCommand, str]]) -> None:
    """
    Queue commands, each with the uuid of its host.
    """
    values = [
        {
            "uuid": one.uuid,
            "enrollment_id": one.enrollment_id,
            "host_uuid": host_uuid,
            "request_type": one.request_type,
            "profile_uuid": one.profile_uuid,
            "body": one.body,
            "priority": one.priority,
            "status": "queued",
            "detail": "",
            "created_at": one.created_at,
            "not_now_count": 0,
        }
        for one, host_uuid in commands
    ]
    if values:
        _QUEUE.change_each(connection, values)


def cancel_commands(connection: Connection, uuids: Iterable[str], now: datetime) -> None:
    """
    Take those of some commands out of the queue that have no final result.
    """
    values = [{"of_command": uuid, "now": now} for uuid in uuids]
    if values:
        _CANCEL.change_each(connection, values)


def cancel_queue(connection: Connection, enrollment_id: str, now: datetime) -> None:
    """
    Take all commands of an enrollment out of the queue that have no final result.
    """
    _CANCEL_ALL.change(connection, of_enrollment=enrollment_id, now=now)


def anything_waits(connection: Connection, enrollment_id: str) -> bool:
    """
    Whether a command of that enrollment has no final result.
    """
    return _ANYTHING.first(connection, of_enrollment=enrollment_id) is not None


def wish_pushes(
    connection: Connection, enrollment_ids: Collection[str], due_at: datetime, repeats: int = 0
) -> None:
    """
    Wish that those of some enrollments are pushed at ``due_at`` that can be; a wish that was there
    is renewed, and an answer to the push before it changes nothing any more.

    :param repeats: the place in the series where it begins.
    """
    for ids in chunks(sorted(set(enrollment_ids))):
        _RENEW_WISHES.change(connection, ids, due=due_at, place=repeats)
        _WISH.change(connection, ids, due=due_at, place=repeats)


def drop_pushes(connection: Connection, enrollment_ids: Collection[str]) -> None:
    """
    Forget the wishes to push some enrollments.
    """
    for ids in chunks(sorted(set(enrollment_ids))):
        _DROP.change(connection, ids)


def drop_idle_pushes(connection: Connection, enrollment_ids: Collection[str]) -> None:
    """
    Forget the wishes to push those of some enrollments for which no command waits.
    """
    for ids in chunks(sorted(set(enrollment_ids))):
        _DROP_IDLE.change(connection, ids)
