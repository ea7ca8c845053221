"""
Deadlines that rest while it is not the other side's turn.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime


class PausableDeadline:
    """
    Calls once when its seconds are used up; only the time between start and stop is used.

    :param seconds: until the call, the pauses not counted.
    """

    def __init__(self, clock: IReactorTime, seconds: float, call: Callable[[], None]) -> None:
        self._clock = clock
        self._left = seconds
        self._call = call
        self._delayed: IDelayedCall | None = None

    def start(self) -> None:
        """
        Let the time run; nothing happens when it does.
        """
        if self._delayed is None:
            self._delayed = self._clock.callLater(max(0.0, self._left), self._is_over)

    def stop(self) -> None:
        """
        Let the time rest; nothing happens when it does.
        """
        delayed, self._delayed = self._delayed, None
        if delayed is not None:
            self._left = delayed.getTime() - self._clock.seconds()
            delayed.cancel()

    def restart(self, seconds: float) -> None:
        """
        Let another time run.
        """
        self.stop()
        self._left = seconds
        self.start()

    def _is_over(self) -> None:
        self._delayed = None
        self._left = 0.0
        self._call()
