"""
Changes of profiles that reach their hosts step by step, because there are many.
"""

from __future__ import annotations

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from scepd.ports import ProfileStore
from scepd.services.clock import utc_now
from scepd.services.leases import HeldLease, Leases

_log = Logger()


class ProfileSweeps:
    """
    Brings what an operator changed of profiles to the hosts that the change itself did not reach;
    what a process leaves undone another one goes on with.
    """

    def __init__(self, store: ProfileStore, leases: Leases, clock: IReactorTime) -> None:
        self._store = store
        self._leases = leases
        self._clock = clock

    async def run(self) -> None:
        """
        Finish all changes, under the lease ``profile sweeps``.

        :raises StorageUnavailable: the rest comes with the next run.
        """
        await self._leases.run("profile sweeps", self._run)

    async def _run(self, held: HeldLease) -> None:
        # The changes take turns: a small one does not wait for all of a large one.
        unfinished = list(await self._store.unfinished_sweeps())
        while unfinished:
            await held.prolong()
            unfinished = [uuid for uuid in unfinished if await self._advance(uuid)]

    async def _advance(self, uuid: str) -> bool:
        if await self._store.advance_sweep(uuid, utc_now(self._clock)):
            return True
        _log.info("The change of profile {profile} has reached all its hosts", profile=uuid)
        return False
