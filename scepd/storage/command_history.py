"""
What devices answered to commands, in the database.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import Connection, delete, select

from scepd.model import CommandAnswer, Lease
from scepd.storage import tables
from scepd.storage.chunks import chunks
from scepd.storage.database import Database
from scepd.storage.leases import refuse_lost

_COLUMNS = tables.command.c


class SQLCommandHistory:
    """
    Implements :class:`~scepd.ports.CommandHistory`.

    :param now: tells whether a lease has ended; None: the database's clock.
    """

    def __init__(self, database: Database, now: Callable[[], datetime] | None = None) -> None:
        self._database = database
        self._now = now

    async def answer(self, host_uuid: str, command_uuid: str) -> CommandAnswer | None:
        """
        The final answer of a host to a command; None: no such command of it, or no answer.
        """
        one = select(_COLUMNS.answer_size, _COLUMNS.answer).where(
            _COLUMNS.uuid == command_uuid,
            _COLUMNS.host_uuid == host_uuid,
            _COLUMNS.answer_size.is_not(None),
        )

        def query(connection: Connection) -> CommandAnswer | None:
            row = connection.execute(one).first()
            return None if row is None else CommandAnswer(row.answer_size, row.answer)

        return await self._database.read(query)

    async def prune(self, before: datetime, limit: int, lease: Lease) -> int:
        """
        Forget at most ``limit`` commands that had their final result before that time, the oldest
        first, with their answers.

        :returns: how many were forgotten.
        :raises Conflict: the lease has passed to another owner.
        """
        old = (
            select(_COLUMNS.uuid)
            .where(_COLUMNS.finished_at < before)
            .order_by(_COLUMNS.finished_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )

        def unit(connection: Connection) -> int:
            refuse_lost(connection, lease, self._now)
            uuids = connection.scalars(old).all()
            for some in chunks(uuids):
                connection.execute(delete(tables.command).where(_COLUMNS.uuid.in_(some)))
            return len(uuids)

        return await self._database.write(unit, locks=True)
