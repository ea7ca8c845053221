"""
Which host should have which profile, in the database.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from sqlalchemy import Connection, and_, insert, select, update

from scepd.errors import NotFound
from scepd.model import EnrollmentWindow, HostProfile
from scepd.storage.clock import utc_now
from scepd.storage.database import Database
from scepd.storage.first_assignments import device_enrolled_at, enabled_device
from scepd.storage.row_columns import AssignmentRow
from scepd.storage.rows import is_of
from scepd.storage.tables import enrollment_window, host, host_profile, profile
from scepd.storage.user_scope import SYSTEM_SCOPE, USER_SCOPE, is_user_profile, newest_channel_of
from scepd.storage.windows import close_windows, insert_window


class SQLAssignmentStore:
    """
    Implements :class:`~scepd.ports.AssignmentStore`.

    :param now: the time that each change is marked with.
    """

    def __init__(self, database: Database, now: Callable[[], datetime] = utc_now) -> None:
        self._database = database
        self._now = now

    async def assign(self, assignment: HostProfile) -> None:
        """
        Store an assignment, in place of one of the same host and profile.

        :raises NotFound: the host or the profile does not exist.
        """
        now = self._now()
        await self._database.write(lambda connection: _assign(connection, assignment, now))

    async def assignment(self, host_uuid: str, profile_uuid: str) -> HostProfile | None:
        """
        The assignment of that profile to that host, or None.
        """
        one = select(host_profile).where(is_of(host_uuid, profile_uuid))

        def query(connection: Connection) -> HostProfile | None:
            row = connection.execute(one).first()
            return None if row is None else assignment_record(row)

        return await self._database.read(query)

    async def assignments_of_profile(
        self, profile_uuid: str, *, after: str = "", limit: int = 100
    ) -> Sequence[HostProfile]:
        """
        At most ``limit`` assignments of a profile by host uuid, from the first greater than
        ``after``.
        """
        page = (
            select(host_profile)
            .where(host_profile.c.profile_uuid == profile_uuid, host_profile.c.host_uuid > after)
            .order_by(host_profile.c.host_uuid)
            .limit(limit)
        )

        def query(connection: Connection) -> list[HostProfile]:
            return [assignment_record(row) for row in connection.execute(page)]

        return await self._database.read(query)

    async def assignments_of_host(self, host_uuid: str) -> Sequence[HostProfile]:
        """
        All assignments of a host, by profile identifier.
        """
        some = select(host_profile).where(host_profile.c.host_uuid == host_uuid)

        def query(connection: Connection) -> list[HostProfile]:
            found = [assignment_record(row) for row in connection.execute(some)]
            return sorted(found, key=lambda one: (one.profile_identifier, one.profile_uuid))

        return await self._database.read(query)

    async def explain(self, host_uuid: str, profile_uuid: str, detail: str) -> None:
        """
        Set the detail of an assignment; nothing happens when there is none.
        """
        change = (
            update(host_profile)
            .where(is_of(host_uuid, profile_uuid))
            .values(detail=detail, changed_at=self._now())
        )

        def unit(connection: Connection) -> None:
            connection.execute(change)

        await self._database.write(unit)

    async def open_window(self, window: EnrollmentWindow) -> None:
        """
        Store a fresh open window and close every other one of the same host and profile.
        """
        same = and_(
            enrollment_window.c.host_uuid == window.host_uuid,
            enrollment_window.c.profile_uuid == window.profile_uuid,
        )

        def unit(connection: Connection) -> None:
            close_windows(connection, same)
            insert_window(connection, window)

        await self._database.write(unit)


def _assign(connection: Connection, new: HostProfile, now: datetime) -> None:
    uuids = select(host.c.uuid).where(host.c.uuid == new.host_uuid)
    if connection.scalar(uuids) is None:
        raise NotFound(f"there is no host {new.host_uuid!r}")
    known = select(profile.c.sha256, profile.c.identifier)
    found = connection.execute(known.where(profile.c.uuid == new.profile_uuid)).first()
    if found is None:
        raise NotFound(f"there is no profile {new.profile_uuid!r}")
    for_user = is_user_profile(connection, new.host_uuid, new.profile_uuid)
    way = newest_channel_of if for_user else enabled_device
    values = _values(new) | {
        "enrolled_at": device_enrolled_at(connection, new.host_uuid),
        "content_sha256": found.sha256,
        "profile_identifier": new.profile_identifier or found.identifier,
        "enrollment_id": way(connection, new.host_uuid),
        "scope": USER_SCOPE if for_user else SYSTEM_SCOPE,
        "changed_at": now,
    }
    if new.delivered_at is not None:
        values["offered"] = True
    same = is_of(new.host_uuid, new.profile_uuid)
    if not connection.execute(update(host_profile).where(same).values(values)).rowcount:
        connection.execute(insert(host_profile).values(values))


def _values(assignment: HostProfile) -> dict[str, object]:
    return {
        "host_uuid": assignment.host_uuid,
        "profile_uuid": assignment.profile_uuid,
        "operation": assignment.operation,
        "status": assignment.status,
        "ca_name": assignment.ca_name,
        "detail": assignment.detail,
        "due_at": assignment.due_at,
        "attempts": assignment.attempts,
        "command_uuid": assignment.command_uuid,
        "delivered_at": assignment.delivered_at,
        "acknowledged_at": assignment.acknowledged_at,
    }


def assignment_record(row: AssignmentRow) -> HostProfile:
    """
    The record of a row of host_profile.
    """
    return HostProfile(
        row.host_uuid,
        row.profile_uuid,
        row.operation,
        row.status,
        row.ca_name,
        row.detail,
        row.due_at,
        row.profile_identifier,
        row.attempts,
        row.command_uuid,
        row.delivered_at,
        row.acknowledged_at,
        row.scope,
    )
