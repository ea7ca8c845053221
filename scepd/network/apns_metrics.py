"""
What the way to Apple's push service tells whoever counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from enum import Enum
from typing import Protocol


class ReconnectCause(Enum):
    """
    Why another connection is dialled; the value is a metric label.
    """

    GO_AWAY = "goaway"
    LOST = "lost"
    NO_ANSWER = "no-answer"
    """
    Pushes or PINGs were not answered.
    """
    ASKED = "asked"
    """
    An answer asked for it, such as Shutdown.
    """
    STREAMS_SPENT = "streams-spent"
    LIFETIME = "lifetime"
    CREDENTIAL = "credential"
    LOAD = "load"
    """
    Pushes waited although nothing was wrong: one more, not another.
    """


class APNsMetrics(Protocol):
    """
    Counters. Each is called at most a few times per turn of the reactor, not per push.
    """

    def pushes_ended(self, status: int | None, reason: str, count: int) -> None:
        """
        So many pushes have got an answer.

        :param status: Apple's; None: what became of them is unknown.
        :param reason: Apple's word, empty for 200; ``lost`` or ``timed-out`` without an answer.
        """

    def push_seconds(self, seconds: Sequence[float]) -> None:
        """
        How long pushes took, each from being sent to its answer.
        """

    def reconnecting(self, cause: ReconnectCause) -> None:
        """
        A connection, other than the first, is dialled.
        """


class NoMetrics:
    """
    An APNsMetrics that counts nothing.
    """

    def pushes_ended(self, status: int | None, reason: str, count: int) -> None:
        """
        As the protocol says.
        """

    def push_seconds(self, seconds: Sequence[float]) -> None:
        """
        As the protocol says.
        """

    def reconnecting(self, cause: ReconnectCause) -> None:
        """
        As the protocol says.
        """


class Tally:
    """
    What one turn of the reactor brought.

    :ivar seconds: from being sent to the answer, one per answered push.
    """

    def __init__(self, metrics: APNsMetrics) -> None:
        self._metrics = metrics
        self._ended: Counter[tuple[int | None, str]] = Counter()
        self.seconds: list[float] = []

    def ended(self, status: int | None, reason: str, count: int = 1) -> None:
        """
        So many pushes came to this end.
        """
        self._ended[status, reason] += count

    def tell(self) -> None:
        """
        The turn is over.
        """
        if self._ended:
            for (status, reason), count in self._ended.items():
                self._metrics.pushes_ended(status, reason, count)
            self._ended.clear()
        if self.seconds:
            seconds, self.seconds = self.seconds, []
            self._metrics.push_seconds(seconds)
