"""
Many deadlines of the same length, with one timer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IDelayedCall

# Sums of times are not exact.
_GRAIN = 1e-6


class Deadlines:
    """
    A timer for things that end so many seconds after they began, which come in that order.

    The timer is not stopped when the last of them is done, so that one which begins and ends within
    a turn of the reactor costs nothing.

    :param clock: provides IReactorTime.
    :param expire: is called with a time; ends what began then or before, and says when the oldest
        of the rest began. None: there is none.
    """

    def __init__(self, clock: Any, seconds: float, expire: Callable[[float], float | None]) -> None:
        self._clock = clock
        self._seconds = seconds
        self._expire = expire
        self._timer: IDelayedCall | None = None

    def watch(self) -> None:
        """
        Something begins now.
        """
        if self._timer is None:
            self._timer = self._clock.callLater(self._seconds, self._fire)

    def stop(self) -> None:
        """
        Nothing is left.
        """
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    def _fire(self) -> None:
        self._timer = None
        oldest = self._expire(self._clock.seconds() - self._seconds + _GRAIN)
        if oldest is not None and self._timer is None:
            left = oldest + self._seconds - self._clock.seconds()
            self._timer = self._clock.callLater(max(0, left), self._fire)
