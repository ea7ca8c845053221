"""
How long the threads of a database in this process work.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import Connection

from scepd.metrics import Metrics
from scepd.storage.database import Database

T = TypeVar("T")


class DatabaseTime:
    """
    Adds up the time of queries and of batches of writes, from when it is made.

    :ivar reading: seconds in queries, without their transactions' begin and end.
    :param on_busy: told of each unit that begins (1) and ends (-1) to wait for a thread.
    :ivar units: how many units were written.
    """

    def __init__(
        self,
        database: Database,
        metrics: Metrics,
        on_busy: Callable[[int], None] = lambda change: None,
    ) -> None:
        self.reading = 0.0
        self.units = 0
        self._metrics = metrics
        read, write, glance = database.read, database.write, database.glance

        async def timed(query: Callable[[Connection], T], **options: Any) -> T:
            on_busy(1)
            try:
                return await read(self._measured(query), **options)
            finally:
                on_busy(-1)

        async def counted(unit: Callable[[Connection], T], **options: Any) -> T:
            self.units += 1
            on_busy(1)
            try:
                return await write(unit, **options)
            finally:
                on_busy(-1)

        def looked(query: Callable[[Connection], T]) -> T:
            return glance(self._measured(query))

        # A database has no place for this, as only the bench looks.
        vars(database).update(read=timed, write=counted, glance=looked)

    @property
    def writing(self) -> float:
        """
        Seconds in batches of writes, commits and their sync included.
        """
        name = "scepd_database_batch_seconds_sum"
        return self._metrics.registry.get_sample_value(name) or 0.0

    def _measured(self, query: Callable[[Connection], T]) -> Callable[[Connection], T]:
        def run(connection: Connection) -> T:
            began = time.perf_counter()
            try:
                return query(connection)
            finally:
                self.reading += time.perf_counter() - began

        return run
