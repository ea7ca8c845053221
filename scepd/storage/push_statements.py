"""
The statements that are run for each push, compiled once.

Claims and answers come by the thousand, so that each is one look at an index by due time or by key.
"""

from __future__ import annotations

from sqlalchemy import bindparam, case, exists, null, or_, select, update

from scepd.model import ENROLLMENT_PROFILE, WishState
from scepd.storage.columns import UTCDateTime
from scepd.storage.prepared import Prepared
from scepd.storage.tables import command, enrollment, push

_waits = exists().where(
    command.c.enrollment_id == push.c.enrollment_id, command.c.finished_at.is_(None)
)
_delivers = exists().where(
    command.c.enrollment_id == push.c.enrollment_id,
    command.c.finished_at.is_(None),
    command.c.profile_uuid != ENROLLMENT_PROFILE,
)
_is_it = push.c.enrollment_id == bindparam("of_enrollment")
_is_same_push = _is_it & (push.c.apns_id == bindparam("of_apns_id"))
_DUE = bindparam("due", type_=UTCDateTime)
_ANSWER = {
    "last_status": bindparam("status"),
    "last_reason": bindparam("reason"),
    "answered_at": bindparam("now", type_=UTCDateTime),
}

DUE_PUSHES = Prepared(
    select(
        push.c.enrollment_id,
        push.c.apns_id,
        push.c.attempts,
        push.c.repeats,
        push.c.state,
        push.c.pushed_at,
        enrollment.c.last_seen,
        enrollment.c.push_topic,
        enrollment.c.push_key_id,
        enrollment.c.push,
        _delivers.label("delivers"),
        _waits.label("waits"),
    )
    .join_from(push, enrollment)
    .where(
        push.c.due_at <= bindparam("now", type_=UTCDateTime),
        enrollment.c.enabled.is_(True),
        enrollment.c.push.is_not(None),
    )
    .order_by(push.c.due_at)
    .limit(bindparam("most"))
    .with_for_update(of=push, skip_locked=True)
)
"""
The wishes that are due, the longest first, of those that no other process is claiming.
"""

CLAIM = Prepared(
    update(push)
    .where(_is_it)
    .values(
        apns_id=bindparam("apns_id"),
        due_at=bindparam("until", type_=UTCDateTime),
        state=WishState.CLAIMED.value,
    )
)
"""
Make a wish one process's own.
"""

PUT_OFF = Prepared(update(push).where(_is_it).values(due_at=_DUE))
"""
Give a wish another time, or none.
"""

ACCEPTED = Prepared(
    update(push)
    .where(_is_same_push)
    .values(
        **_ANSWER,
        state=WishState.SENT.value,
        pushed_at=bindparam("pushed_at", type_=UTCDateTime),
        apns_id=null(),
        attempts=0,
        repeats=push.c.repeats + 1,
        due_at=case((or_(push.c.repeats < 0, _waits), _DUE), else_=null()),
    )
)
"""
A push was accepted: it is repeated, as another push, if a command waits, or the device enrolled
just before.
"""

NOT_ACCEPTED = Prepared(
    update(push)
    .where(_is_same_push)
    .values(
        **_ANSWER,
        state=bindparam("state"),
        attempts=push.c.attempts + bindparam("counted"),
        due_at=_DUE,
    )
)
"""
A push was not accepted: the wish goes on waiting, and keeps its apns-id.
"""

FORGET_ADDRESS = Prepared(
    update(enrollment)
    .where(
        enrollment.c.id == bindparam("of_enrollment"),
        enrollment.c.token_updated_at <= bindparam("since", type_=UTCDateTime),
    )
    .values(push_topic=None, push_key_id=None, push=None)
)
"""
Push to a dead token no more, unless a newer one came.
"""

PARK = Prepared(update(push).where(_is_it).values(due_at=None, state=WishState.PARKED.value))
"""
Nothing can be pushed there until a TokenUpdate comes.
"""
