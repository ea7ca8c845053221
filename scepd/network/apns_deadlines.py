"""
Many deadlines of the same length, with one timer.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar

from twisted.internet.interfaces import IDelayedCall

K = TypeVar("K", bound=Hashable)


class Deadlines(Generic[K]):
    """
    Keys that expire so many seconds after they were added.

    :param clock: provides IReactorTime.
    :param expired: is called with all keys whose time has come; they are not in it any more.
    """

    def __init__(self, clock: Any, seconds: float, expired: Callable[[list[K]], None]) -> None:
        self._clock = clock
        self._seconds = seconds
        self._expired = expired
        # Ordered by deadline, as each is equally far away; its front is found without a scan.
        self._times: OrderedDict[K, float] = OrderedDict()
        self._timer: IDelayedCall | None = None

    def add(self, key: K) -> None:
        """
        Begin a key's time.
        """
        self._times[key] = self._clock.seconds() + self._seconds
        if self._timer is None:
            self._timer = self._clock.callLater(self._seconds, self._fire)

    def remove(self, key: K) -> None:
        """
        The key needs no deadline any more, if it ever had one.
        """
        self._times.pop(key, None)
        if not self._times:
            self._disarm()

    def clear(self) -> None:
        """
        No key needs one any more.
        """
        self._times.clear()
        self._disarm()

    def _fire(self) -> None:
        self._timer = None
        now, due = self._clock.seconds(), []
        while self._times:
            key, when = next(iter(self._times.items()))
            if when > now:
                self._timer = self._clock.callLater(when - now, self._fire)
                break
            del self._times[key]
            due.append(key)
        if due:
            self._expired(due)

    def _disarm(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
