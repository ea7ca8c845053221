"""
The circuit breakers of certificate authorities, shared by all processes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from scepd.model import Breaker


class BreakerStore(Protocol):
    """
    The breakers that are not closed, and those of certificate authorities that failed lately.
    """

    async def breakers(self) -> Sequence[Breaker]:
        """
        All of them, by the name of their certificate authority; those that are fresh are left out.
        """

    async def change(
        self, ca_name: str, change: Callable[[Breaker], Breaker]
    ) -> tuple[Breaker, Breaker]:
        """
        Change a breaker as it is stored, in one transaction.

        :param change: makes the new one of the old one, without side effects.
        :returns: the old one and the new one.
        """
