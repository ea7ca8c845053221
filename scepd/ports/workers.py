"""
Threads.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

T = TypeVar("T")


class Workers(Protocol):
    """
    Threads for work that would hold the reactor for more than a millisecond.
    """

    def __call__(self, work: Callable[[], T], /) -> Awaitable[T]:
        """
        Run ``work`` in a thread and wait for what it returns or raises.
        """
