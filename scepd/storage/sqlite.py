"""
The embedded database: one thread that writes, one that reads.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection

from scepd.storage.driver import DriverSettings
from scepd.storage.engines import (
    BEGIN_READING,
    create_database_file,
    reading_engine,
    writing_engine,
)
from scepd.storage.transactions import Glancing, GroupCommit, KeptConnection, Reading
from scepd.storage.units import PendingUnit, ThreadedReactor
from scepd.storage.upgrade import upgrade_database
from scepd.storage.worker import Worker

T = TypeVar("T")
# Seconds that the reactor may wait for a lock, which readers meet only when the log is recovered.
_NO_PATIENCE = 0.05


class SQLiteDriver:
    """
    A SQLite file in WAL mode with synchronous=FULL: what was answered survives a power cut.
    """

    glances = True

    def __init__(self, path: Path, reactor: ThreadedReactor, settings: DriverSettings) -> None:
        create_database_file(path)
        writing = writing_engine(path, settings.busy_seconds)
        try:
            upgrade_database(writing)
        finally:
            # The writer's thread opens a connection of its own.
            writing.dispose()
        reading = Reading(
            KeptConnection(reading_engine(path, settings.busy_seconds), BEGIN_READING)
        )
        commit = GroupCommit(writing, settings.batch_seconds)
        limit, on_batch = settings.queue_limit, settings.on_batch
        self._writer = Worker("storage-write", commit, reactor, limit, on_batch)
        self._reader = Worker("storage-read", reading, reactor, limit, _unreported)
        self._glancing = Glancing(reading_engine(path, _NO_PATIENCE))
        self._writer.start()
        self._reader.start()

    def write(self, unit: PendingUnit) -> None:
        """
        Run a unit that changes data, and answer it after its commit.
        """
        self._writer.submit(unit)

    def read(self, unit: PendingUnit) -> None:
        """
        Run a unit that only reads.
        """
        self._reader.submit(unit)

    def glance(self, query: Callable[[Connection], T]) -> T:
        """
        Look at one row, at once: a thread's two hand-overs take ten times as long. Nobody waits for
        a writer here, as the log keeps what readers see.
        """
        return self._glancing.look(query)

    async def stop(self) -> None:
        """
        Finish what waits, take nothing more, close the file.
        """
        self._glancing.close()
        written, read = self._writer.stop(), self._reader.stop()
        await read
        await written


def _unreported(units: int, seconds: float) -> None:
    """
    Reads are not batches.
    """
