"""
When a certificate is due for renewal.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class RenewalRule:
    """
    How early certificates are renewed.

    :param lead: so much of a long validity is left when a renewal is due.
    :param jitter: the part of the lead by which hosts differ, at most, in either direction: so
        that a fleet that was enrolled in one day is not renewed in one hour.
    """

    lead: timedelta = timedelta(days=30)
    jitter: float = 0.1

    def due_at(
        self,
        not_before: datetime,
        not_after: datetime,
        first_seen: datetime,
        host_uuid: str,
        certificate_sha1: str,
    ) -> datetime:
        """
        Tell when a certificate is to be renewed; the same input always gives the same time.

        The validity counts from the later of NotBefore and first seen: else an authority that
        back-dates far would have its certificates renewed as soon as they are made.

        :param not_before: aware.
        :param not_after: aware.
        :param first_seen: when an inventory first showed it; aware.
        :param host_uuid: the host; its case counts for nothing.
        :param certificate_sha1: hexadecimal digits; their case counts for nothing.
        :returns: when ``lead`` is left of a longer validity, or half of a shorter one, give or take
            the jitter; the later of NotBefore and first seen when it has expired by then.
        """
        begin = max(not_before, first_seen)
        validity = not_after - begin
        if validity <= timedelta(0):
            return begin
        lead = self.lead if validity > self.lead else validity / 2
        # A validity hardly longer than the lead must not be due at its very beginning.
        spread = min(lead, validity - lead) * self.jitter
        return not_after - lead + spread * _deviation(host_uuid, certificate_sha1)

    def is_due(
        self,
        now: datetime,
        not_before: datetime,
        not_after: datetime,
        first_seen: datetime,
        host_uuid: str,
        certificate_sha1: str,
    ) -> bool:
        """
        Tell whether a certificate is to be renewed by now.

        :param now: aware.
        :param not_before: and all that follow: see ``due_at``.
        :returns: whether its time has come.
        """
        return now >= self.due_at(not_before, not_after, first_seen, host_uuid, certificate_sha1)


def _deviation(host_uuid: str, certificate_sha1: str) -> float:
    """
    A number from -1 to 1 that looks random and is always the same for a host and certificate.
    """
    text = f"{host_uuid}\n{certificate_sha1}".lower()
    number = int.from_bytes(hashlib.sha256(text.encode("utf-8", "replace")).digest()[:8], "big")
    return number / (1 << 63) - 1
