"""
When the identity of a device is renewed, and when a renewal that failed is tried again.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from scepd.profiles.certificate_renewal import RenewalRule

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class IdentitySchedule:
    """
    The rule of certificates, for identities.

    :param rule: how early they are renewed.
    :param first_wait: after the first failure; each further one doubles it, up to a day.
    :param look_after: how long an identity is left alone at most, so that a change of the rule
        reaches every one.
    """

    rule: RenewalRule
    first_wait: timedelta = timedelta(hours=1)
    look_after: timedelta = timedelta(days=7)

    def due_at(
        self,
        issued_at: datetime,
        not_after: datetime,
        issuer_replaced_at: datetime | None,
        host_uuid: str,
        certificate_sha256: str,
    ) -> datetime:
        """
        Tell when an identity is renewed.

        Of an authority that has rolled over all identities are renewed within the rule's lead after
        it, spread over that time.

        :param issuer_replaced_at: since when its authority issues with another certificate; None:
            it does not.
        """
        due = self.rule.due_at(issued_at, not_after, issued_at, host_uuid, certificate_sha256)
        if issuer_replaced_at is None:
            return due
        place = _place(host_uuid, certificate_sha256)
        return min(due, issuer_replaced_at + self.rule.lead * place)

    def again_at(self, failures: int, not_after: datetime, now: datetime) -> datetime:
        """
        Tell when a renewal is tried again.

        :param failures: in a row, the last one included.
        :returns: before the identity expires, where one wait is left until then.
        """
        doubled: timedelta = self.first_wait * 2 ** min(max(failures, 1) - 1, 20)
        wait = min(doubled, _DAY)
        return now + max(self.first_wait, min(wait, (not_after - now) / 2))


def _place(host_uuid: str, certificate_sha256: str) -> float:
    """
    A number from 0 up to 1 that looks random and is always the same for a host and identity.
    """
    text = f"{host_uuid}\n{certificate_sha256}\nissuer".lower()
    digest = hashlib.sha256(text.encode("utf-8", "replace")).digest()
    return int.from_bytes(digest[:8], "big") / (1 << 64)
