"""
What a kind of database has to bring to stand behind :class:`~scepd.storage.database.Database`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from sqlalchemy import Connection

from scepd.storage.units import PendingUnit
from scepd.storage.worker import OnBatch

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class DriverSettings:
    """
    The limits of a database's driver.

    :param queue_limit: how many units may wait.
    :param busy_seconds: how long another process may hold the database.
    :param batch_seconds: how long a batch of writes may take before its commit.
    :param on_batch: told of each committed or failed batch of writes.
    """

    queue_limit: int
    busy_seconds: float
    batch_seconds: float
    on_batch: OnBatch


class Driver(Protocol):
    """
    A database that is open.
    """

    @property
    def glances(self) -> bool:
        """
        Whether a look at one row by its key takes microseconds, so that :meth:`glance` takes one.
        """

    def write(self, unit: PendingUnit) -> None:
        """
        Run a unit that changes data, and answer it after its commit.
        """

    def read(self, unit: PendingUnit) -> None:
        """
        Run a unit that only reads.
        """

    def glance(self, query: Callable[[Connection], T]) -> T:
        """
        Run a query that looks at one row by its key, in the reactor's thread.

        :returns: what it returned.
        :raises StorageUnavailable: the database could not be read.
        """

    async def stop(self) -> None:
        """
        Finish what waits, take nothing more, close the database.
        """
