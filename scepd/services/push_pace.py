"""
How fast pushes are begun.
"""

from __future__ import annotations

from twisted.internet.interfaces import IReactorTime

# What is begun at one time is what may be begun in so many seconds.
_GRAIN_SECONDS = 0.05


class PushPace:
    """
    At most so many per second, in portions that are small beside a second's.

    :param batch: a portion is no larger.
    """

    def __init__(self, clock: IReactorTime, per_second: float, batch: int) -> None:
        self._clock = clock
        self._per_second = per_second
        self.portion = max(1, min(batch, int(per_second * _GRAIN_SECONDS)))
        self._saved = float(self.portion)
        self._counted_at = clock.seconds()

    def wait_for(self, count: int) -> float:
        """
        Seconds until ``count`` may be begun; they are no more than a portion.
        """
        now = self._clock.seconds()
        # A pause is made up for by one portion more, and not by all that it left out.
        earned = max(0.0, now - self._counted_at) * self._per_second
        self._saved = min(2.0 * self.portion, self._saved + earned)
        self._counted_at = now
        missing = count - self._saved
        # What adds up to a whole one may miss it by a rounding.
        return missing / self._per_second if missing > 1e-6 else 0.0

    def began(self, count: int) -> None:
        """
        So many were begun.
        """
        self._saved -= count
