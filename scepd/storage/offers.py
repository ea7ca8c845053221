"""
How often commands were offered and not answered, in the database.

These run inside a caller's unit of work.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, Integer, and_, bindparam, case, func, or_, select, update

from scepd.model import OfferRule
from scepd.storage import tables
from scepd.storage.columns import UTCDateTime
from scepd.storage.prepared import Prepared

NOT_NOW = "NotNow"
"""
The status of a command that the device can't carry out at the moment.
"""
_COLUMNS = tables.command.c
OFFER_COLUMNS = (
    _COLUMNS.offers,
    _COLUMNS.offered_since,
    _COLUMNS.setbacks,
    _COLUMNS.setback_at,
)
"""
What makes :class:`~scepd.model.Offers`, in order.
"""
NOT_OFFERED: dict[str, object] = {
    "offers": 0,
    "offered_since": None,
    "setbacks": 0,
    "setback_at": None,
}
"""
The values of a command that was answered, though not finally.
"""
_NOW = bindparam("of_now", type_=UTCDateTime)
_IS_SET_BACK = and_(
    _COLUMNS.offers + 1 >= bindparam("patience", type_=Integer),
    or_(
        _COLUMNS.setback_at.is_(None),
        _COLUMNS.setback_at <= bindparam("counted_before", type_=UTCDateTime),
    ),
)
_OFFER = Prepared(
    update(tables.command)
    .where(_COLUMNS.uuid == bindparam("of_command"), _COLUMNS.finished_at.is_(None))
    .values(
        status="offered",
        offered_at=_NOW,
        offers=_COLUMNS.offers + 1,
        offered_since=func.coalesce(_COLUMNS.offered_since, _NOW),
        setbacks=_COLUMNS.setbacks + case((_IS_SET_BACK, 1), else_=0),
        setback_at=case((_IS_SET_BACK, _NOW), else_=_COLUMNS.setback_at),
    )
)
_ENROLLMENT = (
    select(_COLUMNS.enrollment_id)
    .where(_COLUMNS.uuid == bindparam("of_command"))
    .correlate(None)
    .scalar_subquery()
)
_FORGET_NOT_NOW = Prepared(
    update(tables.command)
    .where(
        _COLUMNS.enrollment_id == _ENROLLMENT,
        _COLUMNS.finished_at.is_(None),
        _COLUMNS.status == NOT_NOW,
    )
    .values(status="queued")
)


def offer(connection: Connection, command_uuid: str, now: datetime, rule: OfferRule) -> bool:
    """
    Mark a command as offered, once more, and set it back when it was too often.

    :returns: False when it has its final result; then nothing happened.
    """
    changed = _OFFER.change(
        connection,
        of_command=command_uuid,
        of_now=now,
        patience=rule.patience,
        counted_before=now - rule.interval,
    )
    return changed > 0


def forget_not_now(connection: Connection, command_uuid: str) -> None:
    """
    Let what the enrollment of a command answered NotNow wait as if it had not: the device is idle
    again, and this one, which it is handed first, must not keep back the others by another NotNow.
    """
    _FORGET_NOT_NOW.change(connection, of_command=command_uuid)
