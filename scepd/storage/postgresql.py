"""
The database server: one thread that writes, one that reads, each with a connection of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection
from sqlalchemy.engine import URL

from scepd.errors import StorageUnavailable
from scepd.storage.driver import DriverSettings
from scepd.storage.postgresql_engines import BEGIN_READING, threads_engine, upgrading_engine
from scepd.storage.postgresql_transactions import SerializableCommit, ServerConnection
from scepd.storage.transactions import Reading
from scepd.storage.units import PendingUnit, ThreadedReactor
from scepd.storage.upgrade import upgrade_database
from scepd.storage.worker import Worker

T = TypeVar("T")


class PostgreSQLDriver:
    """
    A database of a PostgreSQL server, which other processes may use at the same time.
    """

    glances = False

    def __init__(self, url: URL, reactor: ThreadedReactor, settings: DriverSettings) -> None:
        upgrading = upgrading_engine(url, settings.busy_seconds)
        try:
            upgrade_database(upgrading)
        finally:
            upgrading.dispose()
        commit = SerializableCommit(
            threads_engine(url, settings.busy_seconds), settings.batch_seconds
        )
        reading = Reading(
            ServerConnection(threads_engine(url, settings.busy_seconds), BEGIN_READING)
        )
        limit, on_batch = settings.queue_limit, settings.on_batch
        self._writer = Worker("storage-write", commit, reactor, limit, on_batch)
        self._reader = Worker("storage-read", reading, reactor, limit, _unreported)
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
        Nothing: the reactor never waits for a network.

        :raises StorageUnavailable: always.
        """
        raise StorageUnavailable("a server is not looked at from the reactor's thread")

    async def stop(self) -> None:
        """
        Finish what waits, take nothing more, close the connections.
        """
        written, read = self._writer.stop(), self._reader.stop()
        await read
        await written


def _unreported(units: int, seconds: float) -> None:
    """
    Reads are not batches.
    """
