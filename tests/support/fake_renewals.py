"""
A RenewalStore in memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from scepd.model import (
    CertificateCounts,
    CertificateQuery,
    Lease,
    OverdueCase,
    RowEvent,
    WatchedCertificate,
)
from scepd.profiles.lifecycle import Event
from tests.support.breakable import Breakable


@dataclass
class FakeRenewals(Breakable):
    """
    A RenewalStore.

    :param due: what is due, in order.
    :param cases: what is to be told.
    :param renewed: the keys, the time and the lease of each call of :meth:`renew`.
    :param told: the cases and the lease of each call of :meth:`tell_cases`.
    :param page: what :meth:`watched` answers, up to the limit.
    :param queries: what it was asked.
    """

    due: list[tuple[str, str]] = field(default_factory=list)
    cases: list[OverdueCase] = field(default_factory=list)
    renewed: list[tuple[Sequence[tuple[str, str]], datetime, Lease]] = field(default_factory=list)
    told: list[tuple[Sequence[OverdueCase], Lease]] = field(default_factory=list)
    page: list[WatchedCertificate] = field(default_factory=list)
    queries: list[CertificateQuery] = field(default_factory=list)
    counts: CertificateCounts = CertificateCounts({7: 0, 14: 0, 30: 0}, 0, 0)  # noqa: RUF009

    async def due_renewals(
        self, now: datetime, again_after: tuple[timedelta, timedelta], limit: int
    ) -> Sequence[tuple[str, str]]:
        """
        The first ones that are due.
        """
        self._check()
        return self.due[:limit]

    async def renew(
        self, keys: Sequence[tuple[str, str]], now: datetime, lease: Lease
    ) -> Sequence[RowEvent]:
        """
        All of them.
        """
        self._check()
        self.renewed.append((keys, now, lease))
        return [RowEvent(host, profile, Event.RENEWAL_DUE) for host, profile in keys]

    async def overdue_cases(self, now: datetime, limit: int) -> Sequence[OverdueCase]:
        """
        The first ones.
        """
        self._check()
        return self.cases[:limit]

    async def tell_cases(
        self, cases: Sequence[OverdueCase], now: datetime, lease: Lease
    ) -> Sequence[OverdueCase]:
        """
        All of them.
        """
        self._check()
        self.told.append((cases, lease))
        return cases

    async def watched(self, query: CertificateQuery) -> Sequence[WatchedCertificate]:
        """
        The page, whatever is asked.
        """
        self._check()
        self.queries.append(query)
        return self.page[: query.limit]

    async def certificate_counts(self, now: datetime) -> CertificateCounts:
        """
        The counts.
        """
        self._check()
        return self.counts
