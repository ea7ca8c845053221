"""
Profiles that were removed, while devices still have to lose them.

A device knows a profile by its identifier alone: the removal of a former profile would take one of
the same identifier away. So that one takes the former's place, row by row.

These run inside a caller's unit of work.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, Connection, delete, func, insert, select

from scepd.errors import Conflict
from scepd.model import Profile
from scepd.storage.tables import former_profile, host_profile


def keep_former(
    connection: Connection, uuid: str, identifier: str, scope: str, removed_at: datetime
) -> None:
    """
    Remember a profile that is removed.
    """
    values = {"uuid": uuid, "identifier": identifier, "scope": scope, "removed_at": removed_at}
    connection.execute(insert(former_profile).values(values))


def take_former(connection: Connection, new: Profile) -> str | None:
    """
    Forget the former profiles of an identifier, as there is a new one.

    :returns: the uuid of the one that hosts still have to lose, for the new one to take; None when
        there is no such.
    :raises Conflict: that one has another scope: on a device it is another profile.
    """
    columns = former_profile.c
    found = select(columns.uuid, columns.scope).where(columns.identifier == new.identifier)
    taken: str | None = None
    for row in connection.execute(found).all():
        if row.scope != new.scope:
            _refuse_enrolled(connection, row.uuid, row.scope, new)
        elif _count_rows(connection, row.uuid):
            taken = row.uuid
    connection.execute(delete(former_profile).where(columns.identifier == new.identifier))
    return taken


def _refuse_enrolled(connection: Connection, uuid: str, scope: str, new: Profile) -> None:
    """
    Hosts that are gone for good are not waited for.
    """
    count = _count_rows(connection, uuid, host_profile.c.enrollment_id.is_not(None))
    if count:
        raise Conflict(
            f"a former profile {new.identifier!r} of scope {scope} is still being removed "
            f"from {count} host(s); one of scope {new.scope} can follow when it is gone"
        )


def _count_rows(connection: Connection, uuid: str, *more: ColumnElement[bool]) -> int:
    some = select(func.count()).where(host_profile.c.profile_uuid == uuid, *more)
    return connection.scalar(some) or 0
