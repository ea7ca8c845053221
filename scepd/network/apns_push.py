"""
One push on its way to its outcome.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from twisted.internet.defer import Deferred

from scepd.apns.notification import Notification
from scepd.apns.outcome import PushOutcome


class PushState(Enum):
    """
    The life of a push: QUEUED → SENT → one of the others; a push that was surely not processed goes
    from SENT back to QUEUED.
    """

    QUEUED = "queued"
    SENT = "sent"
    ANSWERED = "answered"
    LOST = "lost"
    """
    Its connection ended, or its stream was reset: what became of it is unknown.
    """
    TIMED_OUT = "timed-out"
    """
    No answer came in time: what became of it is unknown.
    """
    UNSENT = "unsent"
    """
    It was given up, and surely not processed.
    """


QUEUED, SENT, ANSWERED = PushState.QUEUED, PushState.SENT, PushState.ANSWERED


class PendingPush:
    """
    What is sent once, and everybody who waits for what becomes of it.

    :param attempt: how often it was sent before.
    :param since: when it came into its state (the reactor's seconds).
    :param withdraw: takes it out of the queue when nobody waits for it any more.
    :ivar refusals: how often a server did not look at it.
    :ivar renewed: whether it was sent again because the provider token had run out.
    """

    __slots__ = (
        "_became",
        "_joined",
        "_outcome",
        "_withdraw",
        "attempt",
        "notification",
        "refusals",
        "renewed",
        "since",
        "state",
    )

    def __init__(
        self,
        notification: Notification,
        attempt: int,
        since: float,
        withdraw: Callable[[PendingPush], object],
    ) -> None:
        self.notification = notification
        self.attempt = attempt
        self.since = since
        self.state = QUEUED
        self.refusals = 0
        self.renewed = False
        self._withdraw = withdraw
        self._became: PendingPush | None = None
        self._joined: list[Deferred[PushOutcome]] | None = None
        self._outcome: Deferred[PushOutcome] = Deferred(self)

    @property
    def settled(self) -> bool:
        """
        Whether its outcome is known, or nobody waits for it any more.
        """
        return all(one.called for one in self._waiters())

    @property
    def waiters(self) -> int:
        """
        How many wait for it, or did.
        """
        return 1 + len(self._joined or ())

    @property
    def outcome(self) -> Deferred[PushOutcome]:
        """
        Fires with the outcome; may be cancelled.
        """
        return self._outcome

    def join(self, notification: Notification, attempt: int) -> Deferred[PushOutcome]:
        """
        One more waits for it. It is the newer notification that is sent: Apple would keep only that
        one, and the device heeds only its newest PushMagic.
        """
        self.notification = notification
        self.attempt = max(self.attempt, attempt)
        joined: Deferred[PushOutcome] = Deferred(self)
        if self._joined is None:
            self._joined = []
        self._joined.append(joined)
        return joined

    def absorb(self, newer: PendingPush) -> None:
        """
        Take over the notification of another push to the same device, and those who wait for it.
        """
        self.notification = newer.notification
        self.attempt = max(self.attempt, newer.attempt)
        self.refusals = max(self.refusals, newer.refusals)
        self._joined = [*(self._joined or ()), *newer._waiters()]
        newer._became = self

    def settle(self, outcome: PushOutcome, state: PushState = ANSWERED) -> None:
        """
        Tell whoever waits; the first outcome counts.
        """
        self.state = state
        if not self._outcome.called:
            self._outcome.callback(outcome)
        if self._joined is not None:
            for waiter in self._joined:
                if not waiter.called:
                    waiter.callback(outcome)

    def __call__(self, waiter: Deferred[PushOutcome]) -> None:
        """
        One of those who wait does so no more. (It is what cancels its Deferreds; a bound method for
        each would be a tenth of all objects that a push takes.)
        """
        if self._became is not None:
            self._became(waiter)
            return
        others = [one for one in self._waiters() if one is not waiter and not one.called]
        if self.state is QUEUED and not others:
            self._withdraw(self)

    def _waiters(self) -> list[Deferred[PushOutcome]]:
        return [self._outcome, *(self._joined or ())]
