"""
Wishes that would wait for ever: those of a refused push certificate, and of silent devices.

These run inside a caller's unit of work.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, or_, select, update

from scepd.model import WishState
from scepd.storage.chunks import chunks
from scepd.storage.tables import command, enrollment, push


@dataclass(frozen=True, slots=True)
class Swept:
    """
    :param last: the enrollment that the sweep came to; None: there are no more.
    :param silent: those for which a push has to be wished.
    """

    last: str | None
    silent: Sequence[str]


def resume(connection: Connection, now: datetime, limit: int) -> int:
    """
    Make at most ``limit`` suspended wishes due; how many there were.
    """
    some = (
        select(push.c.enrollment_id)
        .where(push.c.state == WishState.SUSPENDED.value)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    # Not as a subquery: PostgreSQL could look several times for its rows, and find too many.
    ids = connection.scalars(some).all()
    for piece in chunks(ids):
        resumed = update(push).where(push.c.enrollment_id.in_(piece))
        connection.execute(resumed.values(state=WishState.DUE.value, due_at=now, attempts=0))
    return len(ids)


def swept(connection: Connection, silent_since: datetime, after: str, limit: int) -> Swept:
    """
    Those of the next ``limit`` enrollments with waiting commands that were silent since then, and
    have no wish that comes due.
    """
    waiting = (
        select(command.c.enrollment_id)
        .where(command.c.finished_at.is_(None), command.c.enrollment_id > after)
        .distinct()
        .order_by(command.c.enrollment_id)
        .limit(limit)
        .subquery()
    )
    looked_at = (
        select(waiting.c.enrollment_id, _is_forgotten(silent_since).label("is_forgotten"))
        .join(enrollment, enrollment.c.id == waiting.c.enrollment_id)
        .outerjoin(push, push.c.enrollment_id == waiting.c.enrollment_id)
        .order_by(waiting.c.enrollment_id)
    )
    rows = connection.execute(looked_at).all()
    last = rows[-1].enrollment_id if len(rows) == limit else None
    return Swept(last, [row.enrollment_id for row in rows if row.is_forgotten])


def _is_forgotten(silent_since: datetime) -> ColumnElement[bool]:
    seen = enrollment.c.last_seen
    return and_(
        enrollment.c.enabled.is_(True),
        enrollment.c.push.is_not(None),
        or_(seen.is_(None), seen < silent_since),
        or_(
            push.c.enrollment_id.is_(None),
            and_(push.c.due_at.is_(None), push.c.state != WishState.PARKED.value),
        ),
    )
