"""
Deliveries that operators want tried again, in the database.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, and_, func, literal_column, select

from scepd.errors import Conflict, NotFound
from scepd.model import Activity, ResendPace, RowEvent
from scepd.profiles.lifecycle import Event, RetrySettings, Status
from scepd.storage.activities import insert_activity
from scepd.storage.database import Database
from scepd.storage.rows import RowChanges
from scepd.storage.tables import host_profile

_COLUMNS = host_profile.c


class SQLResendStore:
    """
    Implements :class:`~scepd.ports.ResendStore`.

    :param settings: how failures are tried again.
    """

    def __init__(self, database: Database, settings: RetrySettings | None = None) -> None:
        self._database = database
        self._settings = settings or RetrySettings()

    async def resend(self, host_uuid: str, profile_uuid: str, activity: Activity) -> None:
        """
        RESENT happens to an assignment: it is due at the time of the activity.

        :raises NotFound: the host neither has, nor should have, that profile.
        :raises Conflict: the host is not enrolled, or has no user channel; the text says which.
        """

        def unit(connection: Connection) -> None:
            changes = RowChanges(connection, activity.at, self._settings)
            row = changes.row(host_uuid, profile_uuid)
            if row is None:
                raise NotFound("the host neither has nor should have that profile")
            if row.enrollment_id is None:
                raise Conflict(row.detail or "the host is not enrolled")
            changes.change(row, RowEvent(host_uuid, profile_uuid, Event.RESENT))
            changes.write()
            insert_activity(connection, activity)

        await self._database.write(unit)

    async def resend_failed(
        self, profile_uuid: str, pace: ResendPace, limit: int, activity: Activity | None
    ) -> int:
        """
        RESENT happens to at most ``limit`` failed assignments of a profile to enrolled hosts, by
        host uuid; each is due as ``pace`` tells.

        :param activity: recorded in the same transaction, when there is one.
        :returns: how many there were.
        """
        page = (
            select(host_profile)
            .where(_has_failed(profile_uuid))
            .order_by(_COLUMNS.host_uuid)
            .limit(limit)
            .with_for_update()
        )

        def unit(connection: Connection) -> int:
            changes = RowChanges(connection, pace.first_due, self._settings)
            rows = connection.execute(page).all()
            for index, row in enumerate(rows):
                resent = RowEvent(row.host_uuid, row.profile_uuid, Event.RESENT)
                changes.change(row, resent, due_at=pace.due_at(index))
            changes.write()
            if activity is not None:
                insert_activity(connection, activity)
            return len(rows)

        return await self._database.write(unit, locks=True)

    async def count_failed(self, profile_uuid: str) -> int:
        """
        How many assignments of a profile to enrolled hosts have failed.
        """
        number = select(func.count()).select_from(host_profile).where(_has_failed(profile_uuid))
        return await self._database.read(lambda connection: connection.scalar(number) or 0)


def _has_failed(profile_uuid: str) -> ColumnElement[bool]:
    return and_(
        _COLUMNS.profile_uuid == profile_uuid,
        # Spelled out, so that an index of failures serves.
        _COLUMNS.status == literal_column(f"'{Status.FAILED.value}'"),
        _COLUMNS.enrollment_id.is_not(None),
    )
