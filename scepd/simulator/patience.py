"""
How long a client waits for a certificate that an authority does not give at once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta


@dataclass(frozen=True, slots=True)
class Patience:
    """
    When to poll, and for how long; whatever ends first ends it.

    :param interval: seconds between two polls.
    :param limit: the number of polls.
    :param seconds: from the first poll on.
    :param first: seconds before the first poll; Apple's clients do not wait with that one.
    """

    interval: float = 10.0
    limit: int = 3
    seconds: float = 3600.0
    first: float = 0.0


NO_PATIENCE = Patience(limit=0)
"""
That of a client that never polls.
"""


@dataclass(frozen=True, slots=True)
class Waiting:
    """
    The clock that a client waits by.

    :param now: the time; aware.
    :param sleep: waits for so many seconds.
    """

    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    sleep: Callable[[float], None] = time.sleep

    def polls(self, patience: Patience) -> Iterator[int]:
        """
        Wait before each poll, until patience ends.

        :param patience: how long to wait.
        :returns: the number of each poll, from 1 on, when it is time for it. A first one without a
            wait is always one, as no clock stands still until it is asked again.
        """
        deadline = self.now() + timedelta(seconds=patience.seconds)
        pause = patience.first
        for number in range(1, patience.limit + 1):
            is_at_once = number == 1 and not pause
            if not is_at_once and self.now() + timedelta(seconds=pause) > deadline:
                return
            self.sleep(pause)
            yield number
            pause = patience.interval
