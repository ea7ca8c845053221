"""
A clock for stories of very many delayed calls.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable

from twisted.internet.base import DelayedCall
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.task import Clock


class FixedCall(DelayedCall):
    """
    A call whose time stays: it would not be in its place any more.
    """

    def reset(self, secondsFromNow: float) -> None:
        """
        Refuse.
        """
        raise NotImplementedError

    def delay(self, secondsLater: float) -> None:
        """
        Refuse.
        """
        raise NotImplementedError


class SortedClock(Clock):
    """
    A ``Clock`` that keeps its calls in order, where that of Twisted sorts all of them again before
    each call and after it.
    """

    def callLater(
        self, delay: float, callable: Callable[..., object], *args: object, **kw: object
    ) -> IDelayedCall:
        """
        Call behind those that are due at the same time.
        """
        due = self.seconds() + delay
        call = FixedCall(due, callable, args, kw, self.calls.remove, lambda call: None)
        insort(self.calls, call, key=DelayedCall.getTime)
        return call

    def _sortCalls(self) -> None:
        """
        Nothing: they are in order.
        """
