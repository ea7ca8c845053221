"""
The renewal of certificates: what is due is delivered again, and what did not come is told.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from scepd.model import Alarm, OverdueCase
from scepd.ports import RenewalStore
from scepd.services.clock import utc_now
from scepd.services.leases import HeldLease, Leases

_MICROSECOND = timedelta(microseconds=1)

_log = Logger()


@dataclass(frozen=True, slots=True)
class RenewalRunSettings:
    """
    How renewals are begun.

    :param batch: at most so many in one transaction, which other work waits for.
    :param most: at most so many in one run; the soonest expiry comes first.
    :param again_after: how long a renewal that failed for good is left alone before it is tried
        again: in the last time before expiry, and before that; the last time is as long as the
        latter.
    """

    batch: int = 200
    most: int = 10_000
    again_after: tuple[timedelta, timedelta] = (timedelta(hours=1), timedelta(hours=24))


class Renewal:
    """
    Makes assignments whose certificate has little time left due again, and tells operators, once
    each, of those that are overdue or have expired.
    """

    def __init__(
        self,
        store: RenewalStore,
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
        Begin all renewals that are due, and tell what is overdue, under the lease ``renewal``.

        :raises StorageUnavailable: the rest comes with the next run.
        """
        await self._leases.run("renewal", self._run)

    async def _run(self, held: HeldLease) -> None:
        await self._renew(held)
        await self._tell(held)

    async def _renew(self, held: HeldLease) -> None:
        settings, now = self._settings, utc_now(self._clock)
        keys = await self._store.due_renewals(now, settings.again_after, settings.most)
        for begun in range(0, len(keys), settings.batch):
            lease = await held.prolong()
            some = keys[begun : begun + settings.batch]
            # Those of the batches behind it are due later.
            moment = now - (len(keys) - begun - len(some)) * _MICROSECOND
            events = await self._store.renew(some, moment, lease)
            for event in events:
                _log.info(
                    "The certificate of profile {profile} on host {host} is to be renewed",
                    host=event.host_uuid,
                    profile=event.profile_uuid,
                )

    async def _tell(self, held: HeldLease) -> None:
        settings, now = self._settings, utc_now(self._clock)
        cases = await self._store.overdue_cases(now, settings.most)
        for told in range(0, len(cases), settings.batch):
            lease = await held.prolong()
            some = cases[told : told + settings.batch]
            for case in await self._store.tell_cases(some, now, lease):
                _log_case(case)


def _log_case(case: OverdueCase) -> None:
    sentence = "The renewal of the certificate of profile {profile} on host {host} is overdue"
    if case.alarm is Alarm.EXPIRED:
        sentence = "The certificate of profile {profile} on host {host} has expired"
    elif case.is_unseen:
        sentence = "The certificate of profile {profile} was never seen on host {host}"
    _log.warn(
        sentence + "{reason}",
        host=case.host_uuid,
        profile=case.profile_uuid,
        reason=f": {case.detail}" if case.detail else "",
    )
