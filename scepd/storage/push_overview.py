"""
What operators see of pushes, in the database.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta

from sqlalchemy import Connection, Row, Select, func, select

from scepd.model import PushState, PushSummary, WishState
from scepd.storage.tables import enrollment, push

_COLUMNS = push.c
_PARKED = (
    select(_COLUMNS.last_reason, func.count().label("number"))
    .where(_COLUMNS.state == WishState.PARKED.value)
    .group_by(_COLUMNS.last_reason)
)
_TIMED = select(_COLUMNS.state, func.count().label("number"), func.min(_COLUMNS.due_at).label("at"))


def pushed_enrollment(connection: Connection, enrollment_id: str) -> PushState | None:
    """
    How pushing to an enrollment went; None: no push was ever wished.
    """
    one = (
        select(push, enrollment.c.push.is_not(None).label("has_address"))
        .join_from(push, enrollment)
        .where(_COLUMNS.enrollment_id == enrollment_id)
    )
    row = connection.execute(one).first()
    return None if row is None else _state(row)


def summary_of_pushes(connection: Connection, now: datetime) -> PushSummary:
    """
    Count the wishes.
    """
    due = connection.execute(_TIMED.where(_COLUMNS.due_at <= now).group_by(_COLUMNS.state)).all()
    later = _numbers(connection, _TIMED.where(_COLUMNS.due_at > now))
    claimed = later.pop(WishState.CLAIMED, 0)
    parked = connection.execute(_PARKED).all()
    return PushSummary(
        due=sum(row.number for row in due),
        claimed=claimed,
        waiting=sum(later.values()),
        states=dict(later),
        parked={row.last_reason: row.number for row in parked},
        oldest_due=min((row.at for row in due), default=None),
        accepted_hour=_accepted(connection, now - timedelta(hours=1)),
        accepted_day=_accepted(connection, now - timedelta(days=1)),
    )


def _numbers(
    connection: Connection, counted: Select[tuple[str, int, datetime]]
) -> Counter[WishState]:
    rows = connection.execute(counted.group_by(_COLUMNS.state))
    return Counter({WishState(row.state): row.number for row in rows})


def _accepted(connection: Connection, since: datetime) -> int:
    young = select(func.count()).select_from(push).where(_COLUMNS.pushed_at >= since)
    return connection.scalar(young) or 0


def _state(row: Row[tuple[object, ...]]) -> PushState:
    return PushState(
        row.enrollment_id,
        row.has_address,
        row.due_at,
        row.attempts,
        row.last_status,
        row.last_reason,
        row.answered_at,
        WishState(row.state),
        row.repeats,
        row.pushed_at,
    )
