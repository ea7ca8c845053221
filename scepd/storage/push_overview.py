"""
What operators see of pushes, in the database.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection, Row, Select, case, func, select

from scepd.model import PushState, PushSummary, WishState
from scepd.storage.tables import enrollment, push

_COLUMNS = push.c
_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)
_PARKED = (
    select(_COLUMNS.last_reason, func.count().label("number"))
    .where(_COLUMNS.state == WishState.PARKED.value)
    .group_by(_COLUMNS.last_reason)
)


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
    Count the wishes, looking at each once.
    """
    rows = connection.execute(_counts(now)).all()
    due = [row for row in rows if row.is_due]
    later = [row for row in rows if row.is_due is not None and not row.is_due]
    states = {WishState(row.state): row.number for row in later}
    claimed = states.pop(WishState.CLAIMED, 0)
    is_parked = any(row.state == WishState.PARKED for row in rows)
    parked = connection.execute(_PARKED).all() if is_parked else []
    return PushSummary(
        due=sum(row.number for row in due),
        claimed=claimed,
        waiting=sum(states.values()),
        states=states,
        parked={row.last_reason: row.number for row in parked},
        oldest_due=min((row.first_due for row in due), default=None),
        accepted_hour=sum(row.accepted_hour for row in rows),
        accepted_day=sum(row.accepted_day for row in rows),
    )


def _counts(now: datetime) -> Select[tuple[object, ...]]:
    """
    The numbers by state, and by whether it is due: null when it has no time.
    """
    pushed_at = _COLUMNS.pushed_at
    is_due = case((_COLUMNS.due_at <= now, 1), (_COLUMNS.due_at.is_not(None), 0))
    return select(
        _COLUMNS.state,
        is_due.label("is_due"),
        func.count().label("number"),
        func.min(_COLUMNS.due_at).label("first_due"),
        func.count(case((pushed_at >= now - _HOUR, 1))).label("accepted_hour"),
        func.count(case((pushed_at >= now - _DAY, 1))).label("accepted_day"),
        # By its name: PostgreSQL does not see that two expressions with parameters are the same.
    ).group_by(_COLUMNS.state, "is_due")


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
