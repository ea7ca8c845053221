"""
Pushes that were claimed together, on their way.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from scepd.apns.outcome import OutcomeKind, PushOutcome
from scepd.errors import TemporaryError
from scepd.model import WishedPush

_LOST = PushOutcome(OutcomeKind.RETRY, reason="no answer in time")

_log = Logger()


class PushFlight:
    """
    Waits for the outcomes, all with one deadline.

    :param seconds: until those that are left are given up.
    :param landed: told of each outcome; None: a fault of ours, and nothing is known.
    """

    def __init__(
        self,
        clock: IReactorTime,
        seconds: float,
        landed: Callable[[WishedPush, PushOutcome | None], object],
    ) -> None:
        self._clock = clock
        self._seconds = seconds
        self._landed = landed
        self._open: dict[str, Deferred[PushOutcome]] = {}
        self._timer: IDelayedCall | None = None

    def add(self, wish: WishedPush, outcome: Deferred[PushOutcome]) -> None:
        """
        A push is on its way.
        """
        self._open[wish.enrollment_id] = outcome
        outcome.addCallbacks(
            self._answered, self._failed, callbackArgs=(wish,), errbackArgs=(wish,)
        )

    def depart(self) -> None:
        """
        No more are added.
        """
        if self._open:
            self._timer = self._clock.callLater(self._seconds, self._expired)

    def _answered(self, outcome: PushOutcome, wish: WishedPush) -> None:
        self._close(wish)
        self._landed(wish, outcome)

    def _failed(self, failure: Failure, wish: WishedPush) -> None:
        self._close(wish)
        if failure.check(CancelledError, TemporaryError):
            self._landed(wish, _LOST)
        else:
            _log.failure("A push failed", failure)
            self._landed(wish, None)

    def _close(self, wish: WishedPush) -> None:
        self._open.pop(wish.enrollment_id, None)
        if not self._open and self._timer is not None:
            if self._timer.active():
                self._timer.cancel()
            self._timer = None

    def _expired(self) -> None:
        for outcome in list(self._open.values()):
            outcome.cancel()
