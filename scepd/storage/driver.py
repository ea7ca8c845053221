"""
What a kind of database has to bring to stand behind :class:`~scepd.storage.database.Database`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from scepd.storage.units import PendingUnit
from scepd.storage.worker import OnBatch


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
        Whether :meth:`glance` does it.
        """

    def write(self, unit: PendingUnit) -> None:
        """
        Run a unit that changes data, and answer it after its commit.
        """

    def read(self, unit: PendingUnit) -> None:
        """
        Run a unit that only reads.
        """

    def glance(self, unit: PendingUnit) -> bool:
        """
        Run a unit that looks at one row by its key before this returns, where that takes
        microseconds.

        :returns: False: it takes longer here, and nothing was done.
        """

    async def stop(self) -> None:
        """
        Finish what waits, take nothing more, close the database.
        """
