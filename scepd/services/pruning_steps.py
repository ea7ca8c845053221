"""
Old records are forgotten in small steps, which other work waits for no longer than for one of its
own.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from scepd.model import Lease, Pruned
from scepd.services.leases import HeldLease

Prune = Callable[[datetime, int, Lease], Awaitable[Pruned]]
"""
One step: looks at so many records, at most, that are older than a time, under a lease.
"""


@dataclass(frozen=True, slots=True)
class PruningPace:
    """
    How fast records are forgotten.

    :param batch: at most so many in one transaction.
    :param most: at most so many in one run.
    """

    batch: int = 200
    most: int = 20_000


async def prune_in_steps(
    prune: Prune, before: datetime, pace: PruningPace, held: HeldLease
) -> tuple[int, bool]:
    """
    Forget what is older than ``before``, until there is nothing more or the run has its share.

    :returns: how many records are gone, and whether there may be more.
    :raises LeaseLost: another process does it now.
    :raises Conflict: likewise.
    :raises StorageUnavailable: the rest comes with the next run.
    """
    seen = forgotten = 0
    while seen < pace.most:
        limit = min(pace.batch, pace.most - seen)
        step = await prune(before, limit, await held.prolong())
        seen += step.seen
        forgotten += step.forgotten
        if step.seen < limit:
            return forgotten, False
    return forgotten, True
