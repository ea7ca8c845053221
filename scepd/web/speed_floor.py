"""
The least speed at which a request has to arrive.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IReactorTime

from scepd.web.deadlines import PausableDeadline


class SpeedFloor(PausableDeadline):
    """
    Calls once when, after a first while, less has come than the floor asks for on average; only the
    time between start and stop counts. A chunk costs no more than an addition.

    :param minimum: bytes per second, above 0.
    :param after: seconds that are always granted.
    """

    def __init__(
        self, clock: IReactorTime, minimum: float, after: float, call: Callable[[], None]
    ) -> None:
        super().__init__(clock, after, call)
        self._minimum = minimum
        self._took = 0
        self._granted = after

    def took(self, count: int) -> None:
        """
        So many more bytes came.
        """
        self._took += count

    def _is_over(self) -> None:
        earned = self._took / self._minimum
        if earned <= self._granted:
            super()._is_over()
            return
        more, self._granted = earned - self._granted, earned
        self._delayed = None
        self.restart(more)


class FlooredDeadline(PausableDeadline):
    """
    A deadline beside which a floor of speed runs and rests.
    """

    def __init__(
        self,
        clock: IReactorTime,
        seconds: float,
        call: Callable[[], None],
        floor: SpeedFloor | None,
    ) -> None:
        super().__init__(clock, seconds, call)
        self._floor = floor

    def took(self, count: int) -> None:
        """
        So many more bytes came.
        """
        if self._floor is not None:
            self._floor.took(count)

    def start(self) -> None:
        """
        Let both times run.
        """
        super().start()
        if self._floor is not None:
            self._floor.start()

    def stop(self) -> None:
        """
        Let both times rest.
        """
        super().stop()
        if self._floor is not None:
            self._floor.stop()

    def restart(self, seconds: float) -> None:
        """
        Let another time run; the speed does not matter any more.
        """
        self.stop()
        self._floor = None
        super().restart(seconds)
