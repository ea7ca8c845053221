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
    :ivar units: how many units were written.
    """

    def __init__(self, database: Database, metrics: Metrics) -> None:
        self.reading = 0.0
        self.units = 0
        self._metrics = metrics
        read = database.read

        async def timed(query: Callable[[Connection], T], **options: Any) -> T:
            return await read(self._measured(query), **options)

        # A database has no place for this, as only the bench looks.
        setattr(database, "read", timed)  # noqa: B010

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
