"""
Ids that are made of randomness.
"""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

_OCTETS = 16
_AT_ONCE = 256


class RandomIds:
    """
    Makes UUIDs (RFC 9562 version 4). Their octets are fetched for many at a time, as asking the
    system for a few takes much longer than all the rest.

    :param random: gives that many unpredictable octets.
    """

    def __init__(self, random: Callable[[int], bytes]) -> None:
        self._random = random
        self._waiting: list[bytes] = []

    def __call__(self) -> str:
        """
        Make another one; in any thread.
        """
        return str(UUID(bytes=self._take(), version=4))

    def _take(self) -> bytes:
        while True:
            try:
                return self._waiting.pop()
            except IndexError:
                octets = self._random(_OCTETS * _AT_ONCE)
                starts = range(0, len(octets), _OCTETS)
                self._waiting += [octets[at : at + _OCTETS] for at in starts]
