"""
The topics that devices enrolled with, in the database.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, func, select

from scepd.storage.database import Database
from scepd.storage.tables import enrollment

_TOPICS = (
    select(enrollment.c.push_topic, func.count().label("number"))
    .where(enrollment.c.enabled.is_(True), enrollment.c.push_topic.is_not(None))
    .group_by(enrollment.c.push_topic)
)


def topics_of_enrollments(connection: Connection) -> dict[str, int]:
    """
    Topic → number of enabled enrollments that can be pushed with it; looks at all enrollments.
    """
    return {row.push_topic: row.number for row in connection.execute(_TOPICS)}


class SQLPushTopics:
    """
    Implements :class:`~scepd.ports.PushTopics`.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def push_topics(self) -> Mapping[str, int]:
        """
        Topic → number of enabled enrollments that can be pushed with it.
        """
        return await self._database.read(topics_of_enrollments)
