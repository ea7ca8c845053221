"""
The gauges of certificates, counted once in a while and not for each scrape.
"""

from __future__ import annotations

from twisted.internet.interfaces import IReactorTime

from scepd.metrics import Metrics
from scepd.ports import RenewalStore
from scepd.services.clock import utc_now


class CertificateCounting:
    """
    Counts for the metrics. Every process does, as each is scraped by itself.
    """

    def __init__(self, store: RenewalStore, clock: IReactorTime, metrics: Metrics) -> None:
        self._store = store
        self._clock = clock
        self._metrics = metrics

    async def run(self) -> None:
        """
        Count.

        :raises StorageUnavailable: the gauges stay as they are.
        """
        counts = await self._store.certificate_counts(utc_now(self._clock))
        for days, number in counts.expiring.items():
            self._metrics.certificates_expiring.labels(str(days)).set(number)
        self._metrics.certificates_expired.set(counts.expired)
        self._metrics.renewals_overdue.set(counts.overdue)
