"""
What operators did, in the database.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, insert, select

from scepd.model import Activity
from scepd.storage.database import Database
from scepd.storage.prepared import Prepared
from scepd.storage.tables import activity

_INSERT = Prepared(insert(activity).inline(), ["at", "actor", "action", "subject"])


class SQLActivityStore:
    """
    Implements :class:`~scepd.ports.ActivityStore`.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def activities(
        self, *, before_id: int | None = None, limit: int = 100
    ) -> Sequence[tuple[int, Activity]]:
        """
        At most ``limit`` (id, activity), newest first, below ``before_id``.
        """
        page = select(activity).order_by(activity.c.id.desc()).limit(limit)
        if before_id is not None:
            page = page.where(activity.c.id < before_id)

        def query(connection: Connection) -> list[tuple[int, Activity]]:
            return [
                (row.id, Activity(row.at, row.actor, row.action, row.subject))
                for row in connection.execute(page)
            ]

        return await self._database.read(query)


def insert_activity(connection: Connection, done: Activity) -> None:
    """
    Store an activity, in the transaction of the change that it tells of.
    """
    insert_activities(connection, [done])


def insert_activities(connection: Connection, several: Iterable[Activity]) -> None:
    """
    The same for several.
    """
    values = [
        {"at": one.at, "actor": one.actor, "action": one.action, "subject": one.subject}
        for one in several
    ]
    if values:
        _INSERT.change_each(connection, values)
