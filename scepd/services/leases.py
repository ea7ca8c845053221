"""
Periodic work that only one process does at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from twisted.logger import Logger

from scepd.errors import Conflict, StorageUnavailable
from scepd.model import Lease
from scepd.ports import LeaseStore

_log = Logger()


class LeaseLost(Exception):
    """
    Another process does the work now: there is nothing to do here.
    """


class HeldLease:
    """
    A lease that this process has, as long as it prolongs it in time.

    :param lease: as it was taken last.
    """

    def __init__(self, store: LeaseStore, lease: Lease, seconds: float) -> None:
        self.lease = lease
        self._store = store
        self._seconds = seconds

    async def prolong(self) -> Lease:
        """
        Keep it for another while.

        :raises LeaseLost: another owner has it, or had it meanwhile.
        """
        lease = await self._store.take_lease(self.lease.name, self.lease.owner, self._seconds)
        if lease is None or lease.epoch != self.lease.epoch:
            raise LeaseLost
        return lease


class Leases:
    """
    Takes leases for one run of periodic work, and gives them back after it.

    How often the work is done, and how much each time, holds for all processes together: where that
    counts, the process that did it keeps the lease until the next run, and others wait no longer
    than that if it ends meanwhile. Elsewhere it keeps nobody waiting.

    :param owner: names this process, and no other.
    :param seconds: after which a lease that was not prolonged ends by itself.
    """

    def __init__(self, store: LeaseStore, owner: str, seconds: float = 60.0) -> None:
        self._store = store
        self._owner = owner
        self._seconds = seconds
        self._kept: dict[str, Lease] = {}

    async def run(
        self,
        name: str,
        work: Callable[[HeldLease], Coroutine[Any, Any, None]],
        *,
        keep: float = 0.0,
    ) -> None:
        """
        Do ``work`` under the lease ``name``; nothing is done while another process has it, and
        the rest of the work is left to whoever takes it away.

        :param keep: for so many seconds after the work no other process does it.
        """
        lease = await self._store.take_lease(name, self._owner, self._seconds)
        if lease is None:
            _log.debug("Another process has the lease {name}", name=name)
            return
        try:
            await work(HeldLease(self._store, lease, self._seconds))
        except (LeaseLost, Conflict):
            _log.info("Another process took the lease {name}", name=name)
            return
        finally:
            await self._store.give_lease_back(lease, keep)
            if keep:
                self._kept[name] = lease

    async def let_go(self) -> None:
        """
        Keep no lease any longer: this process ends.
        """
        kept, self._kept = self._kept, {}
        for lease in kept.values():
            try:
                await self._store.give_lease_back(lease)
            except StorageUnavailable as error:
                _log.warn("The lease {name} ends later: {why}", name=lease.name, why=str(error))
