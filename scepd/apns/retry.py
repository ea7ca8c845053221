"""
When to try again. Randomness is an argument: a function that returns a number from 0 up to 1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Random = Callable[[], float]


@dataclass(frozen=True, slots=True)
class BackOff:
    """
    An exponential back-off with full jitter.

    :param first: seconds, the longest delay of the first try.
    :param most: seconds, the longest delay of all.
    :param least: seconds that are added to each delay.
    """

    first: float
    most: float
    least: float = 0.0

    def delay(self, attempt: int, random: Random) -> float:
        """
        Seconds to wait before try number ``attempt``, which counts from 0.
        """
        # Exponents are bounded, for 2.0 ** 1024 is an error.
        longest = min(self.most, self.first * 2.0 ** min(attempt, 60))
        return self.least + longest * random()


DIALLING = BackOff(1, 60)
"""
Between connections that came to nothing.
"""

UNKNOWN_FATE = BackOff(4, 60, least=1)
"""
After a push whose answer never came.
"""

SERVER_FAILURE = BackOff(5, 900, least=1)
"""
After answers such as InternalServerError and ServiceUnavailable.
"""

DEVICE_DELAY = BackOff(60, 3600, least=30)
"""
After TooManyRequests for one device.
"""

_WISHES = (30.0, 120.0, 480.0, 1800.0, 7200.0)
_DAILY = 86_400.0
_SPREAD = 0.2


def next_wish(repeats: int, random: Random) -> float:
    """
    When a push that Apple took is wished again, as long as its device stays silent.

    30 s, 2 min, 8 min, 30 min, 2 h, then daily, each give or take 20 %.

    :param repeats: how often it was repeated already.
    :returns: seconds.
    """
    base = _WISHES[repeats] if repeats < len(_WISHES) else _DAILY
    return base * (1 + _SPREAD * (2 * random() - 1))
