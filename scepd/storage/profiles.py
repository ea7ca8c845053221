"""
The configuration profiles that operators uploaded, in the database.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy import Connection, RowMapping, Select, delete, func, insert, literal_column, select

from scepd.errors import Conflict, NotFound
from scepd.model import EMBEDDED_CA, Activity, Profile
from scepd.profiles.lifecycle import Event, Operation, RetrySettings
from scepd.storage import tables
from scepd.storage.activities import insert_activity
from scepd.storage.certificate_authorities import missing_certificate_authorities
from scepd.storage.database import Database
from scepd.storage.first_assignments import assign_targets
from scepd.storage.row_columns import AssignmentRow
from scepd.storage.rows import apply_to_rows
from scepd.storage.tables import (
    enrollment_window,
    host_profile,
    profile,
    profile_certificate_authority,
)
from scepd.storage.windows import close_windows


class SQLProfileStore:
    """
    Implements :class:`~scepd.ports.ProfileStore`.

    :param settings: how failures are tried again.
    """

    def __init__(self, database: Database, settings: RetrySettings | None = None) -> None:
        self._database = database
        self._settings = settings or RetrySettings()

    async def add_profile(self, profile: Profile, activity: Activity) -> None:
        """
        Store a new one, and assign it to every host with an enabled device enrollment that it
        targets, due now: at the activity's time.

        :raises Conflict: its identifier (or uuid) is taken, or still being removed from a host; or
            one of its certificate authorities is gone.
        """

        def unit(connection: Connection) -> None:
            _refuse_taken(connection, profile)
            _refuse_missing(connection, profile)
            _insert(connection, profile)
            assign_targets(connection, tables.profile.c.uuid == profile.uuid, activity.at)
            insert_activity(connection, activity)

        await self._database.write(unit)

    async def profile(self, uuid: str) -> Profile | None:
        """
        The one of that uuid, or None.
        """
        one = select(profile).where(profile.c.uuid == uuid)
        found = await self._database.read(lambda connection: _records(connection, one))
        return found[0] if found else None

    async def profiles(self, *, after: str = "", limit: int = 100) -> Sequence[Profile]:
        """
        At most ``limit`` of them by identifier, from the first greater than ``after``.
        """
        identifier = profile.c.identifier
        page = select(profile).where(identifier > after).order_by(identifier).limit(limit)
        return await self._database.read(lambda connection: _records(connection, page))

    async def remove_profile(self, uuid: str, activity: Activity) -> None:
        """
        Remove it; windows of it are closed. UNASSIGNED happens to its assignments (or
        UNASSIGNED_UNOFFERED, where no device was ever handed it), so that devices lose it too.

        :raises NotFound: there is none of that uuid.
        """
        names = profile_certificate_authority
        some = host_profile.c.profile_uuid == uuid

        def unit(connection: Connection) -> None:
            connection.execute(delete(names).where(names.c.profile_uuid == uuid))
            if not connection.execute(delete(profile).where(profile.c.uuid == uuid)).rowcount:
                raise NotFound(f"there is no profile {uuid!r}")
            close_windows(connection, enrollment_window.c.profile_uuid == uuid)
            apply_to_rows(connection, some, _unassigned, activity.at, self._settings)
            insert_activity(connection, activity)

        await self._database.write(unit)


def _unassigned(row: AssignmentRow) -> Event:
    return Event.UNASSIGNED if row.offered else Event.UNASSIGNED_UNOFFERED


def _refuse_taken(connection: Connection, new: Profile) -> None:
    taken = select(profile.c.identifier).where(
        (profile.c.identifier == new.identifier) | (profile.c.uuid == new.uuid)
    )
    if connection.execute(taken).first() is not None:
        raise Conflict(f"there is a profile {new.identifier!r} already")
    # A device can't tell two profiles of one identifier apart: the old one's removal would take
    # the new one away.
    leaving = select(func.count()).where(
        host_profile.c.profile_identifier == new.identifier,
        # Spelled out, so that the index of removals serves.
        host_profile.c.operation == literal_column(f"'{Operation.REMOVE.value}'"),
        host_profile.c.enrollment_id.is_not(None),
    )
    count = connection.scalar(leaving)
    if count:
        raise Conflict(
            f"a former profile {new.identifier!r} is still being removed from {count} host(s)"
        )


def _refuse_missing(connection: Connection, new: Profile) -> None:
    names = [name for name in new.ca_names if name != EMBEDDED_CA]
    missing = missing_certificate_authorities(connection, names)
    if missing:
        raise Conflict(f"there is no certificate authority {', '.join(map(repr, missing))}")


def _insert(connection: Connection, new: Profile) -> None:
    connection.execute(
        insert(profile).values(
            uuid=new.uuid,
            identifier=new.identifier,
            display_name=new.display_name,
            content=new.content,
            sha256=new.sha256,
            scope=new.scope,
            target_label=new.target_label,
            created_at=new.created_at,
        )
    )
    names = [
        {"profile_uuid": new.uuid, "position": position, "ca_name": name}
        for position, name in enumerate(new.ca_names)
    ]
    if names:
        connection.execute(insert(profile_certificate_authority), names)


def _records(connection: Connection, some: Select[tuple[object, ...]]) -> list[Profile]:
    rows = connection.execute(some).mappings().all()
    names = _ca_names(connection, [row["uuid"] for row in rows])
    return [_record(row, names[row["uuid"]]) for row in rows]


def _ca_names(connection: Connection, uuids: Sequence[str]) -> dict[str, list[str]]:
    table = profile_certificate_authority
    some = select(table).where(table.c.profile_uuid.in_(uuids)).order_by(table.c.position)
    names: dict[str, list[str]] = defaultdict(list)
    for row in connection.execute(some):
        names[row.profile_uuid].append(row.ca_name)
    return names


def _record(row: RowMapping, ca_names: Sequence[str]) -> Profile:
    return Profile(ca_names=tuple(ca_names), **row)
