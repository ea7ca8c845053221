"""
An in-memory fake of the one-time challenges of deliveries.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime

from scepd.errors import Conflict, StorageUnavailable
from scepd.model import ChallengeUse, DeliveryChallenge


@dataclass
class FakeDeliveryChallenges:
    """
    A DeliveryChallengeStore whose windows last as long as the challenges say.

    :param by_sha256: the challenges.
    :param closed: ids of windows that are closed.
    :param broken: whether every call raises StorageUnavailable.
    """

    by_sha256: dict[str, DeliveryChallenge] = field(default_factory=dict)
    closed: set[str] = field(default_factory=set)
    broken: bool = False

    async def delivery_challenge(self, sha256: str) -> DeliveryChallenge | None:
        """
        As the port says.
        """
        self._check()
        return self.by_sha256.get(sha256)

    async def use_challenge(self, use: ChallengeUse, now: datetime) -> None:
        """
        As the port says.
        """
        self._check()
        challenge = self.by_sha256.get(use.sha256)
        if challenge is None or challenge.ca_name != use.ca_name:
            raise Conflict("the challenge is not known here")
        if challenge.window_id in self.closed or now > challenge.deadline:
            raise Conflict("the enrollment window of the challenge is closed")
        if challenge.csr_sha256 not in (None, use.csr_sha256):
            raise Conflict("the challenge was used for another request")
        self.by_sha256[use.sha256] = replace(challenge, csr_sha256=use.csr_sha256)

    def _check(self) -> None:
        if self.broken:
            raise StorageUnavailable("the database is full")
