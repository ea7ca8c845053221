"""
The renewal of certificates: what is due by the time that an inventory set is delivered again.
"""

from __future__ import annotations

from dataclasses import dataclass

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from scepd.ports import VerificationStore
from scepd.services.clock import utc_now
from scepd.services.leases import HeldLease, Leases

_log = Logger()


@dataclass(frozen=True, slots=True)
class RenewalRunSettings:
    """
    How renewals are begun.

    :param batch: at most so many in one transaction.
    :param most: at most so many in one run; the soonest expiry comes first.
    """

    batch: int = 500
    most: int = 10_000


class Renewal:
    """
    Makes assignments whose certificate has little time left due again.
    """

    def __init__(
        self,
        store: VerificationStore,
        leases: Leases,
        clock: IReactorTime,
        settings: RenewalRunSettings | None = None,
    ) -> None:
        self._store = store
        self._leases = leases
        self._clock = clock
        self._settings = settings or RenewalRunSettings()

    async def run(self) -> None:
        """
        Begin all renewals that are due, under the lease ``renewal``.

        :raises StorageUnavailable: the rest comes with the next run.
        """
        await self._leases.run("renewal", self._renew)

    async def _renew(self, held: HeldLease) -> None:
        begun = 0
        while begun < self._settings.most:
            lease = await held.prolong()
            limit = min(self._settings.batch, self._settings.most - begun)
            events = await self._store.renew_due(utc_now(self._clock), limit, lease)
            for event in events:
                _log.info(
                    "The certificate of profile {profile} on host {host} is to be renewed",
                    host=event.host_uuid,
                    profile=event.profile_uuid,
                )
            begun += len(events)
            if len(events) < limit:
                return
