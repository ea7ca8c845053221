"""
The one-time challenges of deliveries.
"""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from scepd.model import ChallengeUse, DeliveryChallenge


class DeliveryChallengeStore(Protocol):
    """
    The challenges that were handed over with profiles, and what they were allowed for.
    """

    async def delivery_challenge(self, sha256: str) -> DeliveryChallenge | None:
        """
        The challenge with that SHA-256, or None.
        """

    async def use_challenge(self, use: ChallengeUse, now: datetime) -> None:
        """
        Bind a challenge to a request, in one transaction with the look at all that forbids it. The
        same request may use it again.

        :raises Conflict: it is unknown, or of another certificate authority; its enrollment window
            is closed or past its deadline; or it was used for another request.
        """
