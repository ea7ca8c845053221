"""
Commands that had their final result long ago are forgotten, in small steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from scepd.model import Lease, Pruned
from scepd.ports import CommandHistory
from scepd.services.clock import utc_now
from scepd.services.leases import HeldLease, Leases
from scepd.services.pruning_steps import PruningPace, prune_in_steps

_log = Logger()


@dataclass(frozen=True, slots=True)
class PruningSettings:
    """
    What is forgotten, and how fast.

    :param keep: how long a command is kept after its final result.
    :param batch: at most so many in one transaction, which other work waits for.
    :param most: at most so many in one run.
    """

    keep: timedelta = timedelta(days=90)
    batch: int = 200
    most: int = 20_000


class CommandPruning:
    """
    Forgets old commands and the answers to them.
    """

    def __init__(
        self,
        history: CommandHistory,
        leases: Leases,
        clock: IReactorTime,
        settings: PruningSettings | None = None,
    ) -> None:
        self._history = history
        self._leases = leases
        self._clock = clock
        self._settings = settings or PruningSettings()

    async def run(self) -> None:
        """
        Forget what is old by now, under the lease ``command pruning``.

        :raises StorageUnavailable: the rest comes with the next run.
        """
        await self._leases.run("command pruning", self._prune)

    async def _prune(self, held: HeldLease) -> None:
        before = utc_now(self._clock) - self._settings.keep
        pace = PruningPace(self._settings.batch, self._settings.most)
        count, _ = await prune_in_steps(self._step, before, pace, held)
        if count:
            _log.info(
                "Forgot {count} commands finished before {before}", count=count, before=before
            )

    async def _step(self, before: datetime, limit: int, lease: Lease) -> Pruned:
        count = await self._history.prune(before, limit, lease)
        return Pruned(count, count)
