"""
What waits to be sent to devices, in the database: commands, and wishes to push.

These run inside a caller's unit of work.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

from sqlalchemy import (
    ColumnElement,
    Connection,
    bindparam,
    delete,
    insert,
    literal,
    select,
    update,
)

from scepd.model import QueuedCommand, WishState
from scepd.storage.chunks import chunks
from scepd.storage.columns import UTCDateTime
from scepd.storage.tables import command, enrollment, push

_WAITS = command.c.finished_at.is_(None)


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
        connection.execute(insert(command), values)


def cancel_commands(connection: Connection, uuids: Iterable[str], now: datetime) -> None:
    """
    Take those of some commands out of the queue that have no final result.
    """
    values = [{"cancelled_uuid": uuid} for uuid in uuids]
    if values:
        change = (
            update(command)
            .where(command.c.uuid == bindparam("cancelled_uuid"), _WAITS)
            .values(status="cancelled", finished_at=now, body=None)
        )
        connection.execute(change, values)


def cancel_queue(connection: Connection, enrollment_id: str, now: datetime) -> None:
    """
    Take all commands of an enrollment out of the queue that have no final result.
    """
    connection.execute(
        update(command)
        .where(command.c.enrollment_id == enrollment_id, _WAITS)
        .values(status="cancelled", finished_at=now, body=None)
    )


def anything_waits(connection: Connection, enrollment_id: str) -> bool:
    """
    Whether a command of that enrollment has no final result.
    """
    one = select(command.c.uuid).where(command.c.enrollment_id == enrollment_id, _WAITS).limit(1)
    return connection.scalar(one) is not None


def wish_pushes(
    connection: Connection, enrollment_ids: Collection[str], due_at: datetime, repeats: int = 0
) -> None:
    """
    Wish that those of some enrollments are pushed at ``due_at`` that can be; a wish that was there
    is renewed, and an answer to the push before it changes nothing any more.

    :param repeats: the place in the series where it begins.
    """
    state = WishState.DUE.value
    for ids in chunks(sorted(set(enrollment_ids))):
        can_be = can_be_pushed(ids)
        renewed = {
            "due_at": due_at,
            "apns_id": None,
            "attempts": 0,
            "repeats": repeats,
            "state": state,
        }
        reachable = select(enrollment.c.id).where(can_be)
        connection.execute(update(push).where(push.c.enrollment_id.in_(reachable)).values(renewed))
        wished = select(push.c.enrollment_id).where(push.c.enrollment_id == enrollment.c.id)
        values = (
            literal(due_at, UTCDateTime),
            literal(0),
            literal(""),
            literal(repeats),
            literal(state),
        )
        new = select(enrollment.c.id, *values).where(can_be, ~wished.exists())
        names = ["enrollment_id", "due_at", "attempts", "last_reason", "repeats", "state"]
        connection.execute(insert(push).from_select(names, new))


def drop_pushes(connection: Connection, enrollment_ids: Collection[str]) -> None:
    """
    Forget the wishes to push some enrollments.
    """
    for ids in chunks(sorted(set(enrollment_ids))):
        connection.execute(delete(push).where(push.c.enrollment_id.in_(ids)))


def drop_idle_pushes(connection: Connection, enrollment_ids: Collection[str]) -> None:
    """
    Forget the wishes to push those of some enrollments for which no command waits.
    """
    for ids in chunks(sorted(set(enrollment_ids))):
        waiting = select(command.c.uuid).where(
            command.c.enrollment_id == push.c.enrollment_id, _WAITS
        )
        idle = delete(push).where(push.c.enrollment_id.in_(ids), ~waiting.exists())
        connection.execute(idle)


def can_be_pushed(ids: Sequence[str]) -> ColumnElement[bool]:
    """
    The condition for those of some enrollments that can be pushed.
    """
    columns = enrollment.c
    return columns.id.in_(ids) & columns.enabled.is_(True) & columns.push.is_not(None)
