"""
The timers of one connection's life.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IDelayedCall


class StateTimers:
    """
    The deadline of the state that a connection is in, and its age.

    :param clock: provides IReactorTime.
    :param abort: is called with a complaint when a state lasts too long.
    """

    def __init__(self, clock: Any, abort: Callable[[str], object]) -> None:
        self._clock = clock
        self._abort = abort
        self._deadline: IDelayedCall | None = None
        self._age: IDelayedCall | None = None

    def enter(self, seconds: float | None, complaint: str) -> None:
        """
        A state begins, and with it its deadline; the last one's is off.

        :param seconds: None: it may last.
        """
        _cancel(self._deadline)
        self._deadline = None
        if seconds is not None:
            self._deadline = self._clock.callLater(seconds, self._abort, complaint)

    def age_after(self, seconds: float, aged: Callable[[], object]) -> None:
        """
        Call back after a life of so many seconds.
        """
        self.stop_ageing()
        self._age = self._clock.callLater(seconds, aged)

    def stop_ageing(self) -> None:
        """
        It is not to grow old any more.
        """
        _cancel(self._age)
        self._age = None


def _cancel(call: IDelayedCall | None) -> None:
    if call is not None and call.active():
        call.cancel()
