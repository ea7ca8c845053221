"""
What the renewal stores.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

from scepd.model import (
    CertificateCounts,
    CertificateQuery,
    Lease,
    OverdueCase,
    RowEvent,
    WatchedCertificate,
)


class RenewalStore(Protocol):
    """
    The certificates of enrolled hosts, from when one is seen until a newer one is.
    """

    async def due_renewals(
        self, now: datetime, again_after: tuple[timedelta, timedelta], limit: int
    ) -> Sequence[tuple[str, str]]:
        """
        Host and profile of at most ``limit`` assignments whose certificate should be renewed by
        now, the soonest expiry first: verified ones, those whose certificate was seen though their
        profile was not, and those that failed meanwhile but have a
        certificate that is still good.

        :param again_after: how long failed ones are left alone in the last time before expiry, and
            before that; the last time is as long as the latter.
        """

    async def renew(
        self, keys: Sequence[tuple[str, str]], now: datetime, lease: Lease
    ) -> Sequence[RowEvent]:
        """
        RENEWAL_DUE happens to those of these assignments whose certificate should still be renewed.
        The last is due now, and each a microsecond before the one behind it, so that the processor,
        which takes the longest due first, keeps their order.

        :returns: the events that happened.
        :raises Conflict: the lease has passed to another owner.
        """

    async def overdue_cases(self, now: datetime, limit: int) -> Sequence[OverdueCase]:
        """
        At most ``limit`` certificates that are overdue, or have expired, and of which that was not
        told.
        """

    async def tell_cases(
        self, cases: Sequence[OverdueCase], now: datetime, lease: Lease
    ) -> Sequence[OverdueCase]:
        """
        Store an activity for each case that is still one, and that it was told.

        :returns: those that were.
        :raises Conflict: the lease has passed to another owner.
        """

    async def watched(self, query: CertificateQuery) -> Sequence[WatchedCertificate]:
        """
        A page of the certificates in a state: the longest overdue first, else the soonest expiry.
        """

    async def certificate_counts(self, now: datetime) -> CertificateCounts:
        """
        How many certificates stand where.
        """
