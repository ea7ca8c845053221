"""
Assignments take the way of a user channel, or lose it.

One profile of a host goes by one user channel: by that which was enabled last when it took its way,
and by that one for as long as it is enabled.

These run inside a caller's unit of work.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, func, literal, select, update

from scepd.profiles.lifecycle import Event, RetrySettings
from scepd.storage.enrollments import USER_KINDS, disable
from scepd.storage.outbox import cancel_queue
from scepd.storage.rows import apply_to_rows
from scepd.storage.tables import enrollment, host_profile, profile
from scepd.storage.user_scope import USER_SCOPE, is_for_user, newest_channel_of

_COLUMNS = host_profile.c


def deliver_by_device(
    connection: Connection,
    host_uuid: str,
    enrollment_id: str | None,
    now: datetime,
    settings: RetrySettings,
) -> None:
    """
    Let a host's assignments go by its device's enrollment, but for those of its user; None: they
    are nobody's work.
    """
    of_host = _COLUMNS.host_uuid == host_uuid
    connection.execute(update(host_profile).where(of_host).values(enrollment_id=enrollment_id))
    if enrollment_id is not None:
        deliver_by_channel(connection, host_uuid, now, settings)


def deliver_by_channel(
    connection: Connection, host_uuid: str, now: datetime, settings: RetrySettings
) -> None:
    """
    Let those assignments of a host that are for its user go by its newest user channel, unless they
    go by one already: USER_CHANNEL_APPEARED happens to them, or USER_CHANNEL_MISSED.
    """
    _find_users(connection, host_uuid)
    id = newest_channel_of(connection, host_uuid)
    channels = select(enrollment.c.id).where(
        enrollment.c.host_uuid == host_uuid, enrollment.c.kind.in_(USER_KINDS)
    )
    some = and_(
        _COLUMNS.host_uuid == host_uuid,
        _COLUMNS.scope == USER_SCOPE,
        func.coalesce(_COLUMNS.enrollment_id, "").not_in(channels),
    )
    event = Event.USER_CHANNEL_MISSED if id is None else Event.USER_CHANNEL_APPEARED
    apply_to_rows(connection, some, lambda row: event, now, settings)
    connection.execute(update(host_profile).where(some).values(enrollment_id=id))


def end_channels(connection: Connection, some: ColumnElement[bool], now: datetime) -> None:
    """
    End some user channels: their commands are cancelled, and so are their wishes to be pushed.
    """
    for id in connection.scalars(select(enrollment.c.id).where(some)).all():
        cancel_queue(connection, id, now)
    disable(connection, some, now)


def end_channel(
    connection: Connection, id: str, host_uuid: str, now: datetime, settings: RetrySettings
) -> None:
    """
    End one user channel of a host that stays: USER_CHANNEL_ENDED happens to the assignments that
    went by it, and they take the next newest one, if there is one. One that has ended before
    changes nothing: nothing went by it since.
    """
    open_one = select(enrollment.c.id).where(enrollment.c.id == id, enrollment.c.enabled.is_(True))
    if connection.scalar(open_one) is None:
        return
    went = _COLUMNS.enrollment_id == id
    ended = and_(_COLUMNS.host_uuid == host_uuid, went)
    apply_to_rows(connection, ended, lambda row: Event.USER_CHANNEL_ENDED, now, settings)
    end_channels(connection, enrollment.c.id == id, now)
    connection.execute(update(host_profile).where(ended).values(enrollment_id=None))
    deliver_by_channel(connection, host_uuid, now, settings)


def _find_users(connection: Connection, host_uuid: str) -> None:
    """
    Mark what is for the host's user and was not told so: what the host is may have become known
    after the assignment. What the device may have had stays with the device.
    """
    of_user = select(profile.c.uuid).where(
        profile.c.uuid == _COLUMNS.profile_uuid, is_for_user(literal(host_uuid))
    )
    connection.execute(
        update(host_profile)
        .where(
            _COLUMNS.host_uuid == host_uuid,
            _COLUMNS.scope != USER_SCOPE,
            _COLUMNS.offered.is_(False),
            of_user.correlate(host_profile).exists(),
        )
        .values(scope=USER_SCOPE)
    )
