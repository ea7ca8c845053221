"""
What goes by a user channel: profiles of User scope, on Macs; other devices know no users.

These run inside a caller's unit of work.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, ScalarSelect, and_, literal, select

from scepd.storage.enrollments import USER_KINDS
from scepd.storage.tables import enrollment, host, profile

USER_SCOPE = "User"
"""
The scope of a profile, and of an assignment that goes by a user channel.
"""
SYSTEM_SCOPE = "System"
"""
That of all others.
"""
_MACOS = "macos"


def is_for_user(host_uuid: ColumnElement[str]) -> ColumnElement[bool]:
    """
    The condition for a row of ``profile`` to go by a user channel of that host.
    """
    is_mac = select(host.c.uuid).where(host.c.uuid == host_uuid, host.c.platform == _MACOS)
    return and_(profile.c.scope == USER_SCOPE, is_mac.exists())


def newest_channel(host_uuid: ColumnElement[str]) -> ScalarSelect[str]:
    """
    The id of the host's user channel that was enabled last, inside a statement; NULL: none is.
    """
    one = enrollment.alias()
    return (
        select(one.c.id)
        .where(one.c.host_uuid == host_uuid, one.c.kind.in_(USER_KINDS), one.c.enabled.is_(True))
        .order_by(one.c.enrolled_at.desc(), one.c.id)
        .limit(1)
        .scalar_subquery()
    )


def newest_channel_of(connection: Connection, host_uuid: str) -> str | None:
    """
    The same for one host; None: none is enabled.
    """
    some = select(enrollment.c.id, enrollment.c.enrolled_at).where(
        enrollment.c.host_uuid == host_uuid,
        enrollment.c.kind.in_(USER_KINDS),
        enrollment.c.enabled.is_(True),
    )
    by_id = sorted(connection.execute(some).all(), key=lambda row: row.id)
    newest = max(by_id, key=lambda row: row.enrolled_at, default=None)
    return None if newest is None else str(newest.id)


def is_user_profile(connection: Connection, host_uuid: str, profile_uuid: str) -> bool:
    """
    Whether that profile goes by a user channel of that host.
    """
    one = select(profile.c.uuid).where(
        profile.c.uuid == profile_uuid, is_for_user(literal(host_uuid))
    )
    return connection.scalar(one) is not None
