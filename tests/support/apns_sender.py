"""
A sender of pushes that does with outcomes what the service does, and remembers them.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from twisted.internet.defer import Deferred

from scepd.apns.notification import Notification
from scepd.apns.outcome import OutcomeKind, PushOutcome
from scepd.network.apns_client import APNsClient

_AGAIN = frozenset((OutcomeKind.RETRY, OutcomeKind.SUSPENDED))


def as_deferred(result: Deferred[Any] | Coroutine[Any, Any, Any]) -> Deferred[Any]:
    """
    What a client's method gives, to be waited for.
    """
    return result if isinstance(result, Deferred) else Deferred.fromCoroutine(result)


class Sender:
    """
    Pushes until each push is done, or will never be.

    :param clock: provides IReactorTime.
    :param hurry: what ``retry_after`` is multiplied by.
    :ivar outcomes: by apns-id, each time it was pushed; None: not known yet.
    :ivar left: pushes that are not finished.
    :ivar slowest: seconds that one took to its outcome, at most.
    """

    def __init__(self, clock: Any, client: APNsClient, hurry: float = 1.0) -> None:
        self.outcomes: dict[str, list[PushOutcome | None]] = {}
        self.left = 0
        self.slowest = 0.0
        self._clock = clock
        self._client = client
        self._hurry = hurry
        self._waiting: list[Deferred[None]] = []

    def push(self, notification: Notification) -> None:
        """
        Push, and push again as long as the outcome says so.
        """
        self.left += 1
        self.outcomes.setdefault(notification.apns_id, [])
        self._push(notification, 0)

    def finished(self) -> Deferred[None]:
        """
        Fire when nothing is left.
        """
        waiter: Deferred[None] = Deferred()
        self._waiting.append(waiter)
        self._look()
        return waiter

    def last(self, notification: Notification) -> PushOutcome | None:
        """
        The newest outcome of a push.
        """
        return self.outcomes[notification.apns_id][-1]

    def _push(self, notification: Notification, attempt: int) -> None:
        told = self.outcomes[notification.apns_id]
        told.append(None)
        begun = self._clock.seconds()

        def take(outcome: PushOutcome) -> None:
            told[-1] = outcome
            self.slowest = max(self.slowest, self._clock.seconds() - begun)
            if outcome.kind in _AGAIN:
                wait = max(outcome.retry_after, 1.0) * self._hurry
                self._clock.callLater(wait, self._push, notification, attempt + 1)
            else:
                self.left -= 1
                self._look()

        as_deferred(self._client.push(notification, attempt=attempt)).addCallback(take)

    def _look(self) -> None:
        if not self.left:
            waiting, self._waiting = self._waiting, []
            for waiter in waiting:
                waiter.callback(None)
