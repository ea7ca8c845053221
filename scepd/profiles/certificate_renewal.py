"""
When a certificate is due for renewal, when a renewal is tried again, and when it is overdue.
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
    :param jitter: the part of the lead by which hosts differ from that, on average in either
        direction, at most 0.5: so that a fleet that was enrolled in one day is not renewed in one
        hour.
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
            the jitter; never after it has expired, but for one that has expired when it is first
            seen: that is due at once.
        """
        begin = max(not_before, first_seen)
        validity = not_after - begin
        if validity <= timedelta(0):
            return begin
        lead = self.lead if validity > self.lead else validity / 2
        # A validity hardly longer than the lead must not be due at its very beginning; there all of
        # the spread comes later, as a fleet needs its whole width.
        early = min(lead, validity - lead) * self.jitter
        width = 2 * self.jitter * lead
        return not_after - lead - early + width * _place(host_uuid, certificate_sha1)

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


@dataclass(frozen=True, slots=True)
class OverdueRule:
    """
    When operators are told that a certificate is not where it should be.

    :param after: so long after a renewal was due it is overdue.
    :param unseen: so long after the device acknowledged a delivery its certificate must have been
        seen.
    """

    after: timedelta = timedelta(days=3)
    unseen: timedelta = timedelta(hours=4)

    def overdue_at(self, renew_at: datetime, not_after: datetime) -> datetime:
        """
        Tell when a renewal that is not done is overdue.

        :param renew_at: when it is due; aware.
        :param not_after: when the certificate expires; aware.
        :returns: after half of what was left when it was due, at the latest.
        """
        left = max(not_after - renew_at, timedelta(0))
        return renew_at + min(self.after, left / 2)


def retry_at(
    now: datetime, wait: timedelta, not_after: datetime | None, least: timedelta
) -> datetime:
    """
    Tell when a renewal that failed is tried again: before the certificate expires, if there is time
    for it.

    :param now: aware.
    :param wait: how long to wait where there is time.
    :param not_after: when the certificate expires; None: not known.
    :param least: never wait less, unless ``wait`` is less.
    :returns: after ``wait``, or half of what is left when that is less.
    """
    if not_after is None or not_after <= now:
        return now + wait
    return now + min(wait, max((not_after - now) / 2, least))


def _place(host_uuid: str, certificate_sha1: str) -> float:
    """
    A number from 0 to 1 that looks random and is always the same for a host and certificate.
    """
    text = f"{host_uuid}\n{certificate_sha1}".lower()
    number = int.from_bytes(hashlib.sha256(text.encode("utf-8", "replace")).digest()[:8], "big")
    return number / (1 << 64)
