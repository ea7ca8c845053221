"""
Where pushes to a simulated device would go.
"""

from __future__ import annotations

import secrets
import uuid
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class PushToken:
    """
    A push token and its magic.

    :param token: 32 octets.
    :param magic: PushMagic.
    """

    token: bytes = field(repr=False)
    magic: str = field(repr=False)

    @classmethod
    def make(cls) -> PushToken:
        """
        Make up a fresh one.

        :returns: a token that nobody else has.
        """
        return cls(secrets.token_bytes(32), str(uuid.uuid4()).upper())
