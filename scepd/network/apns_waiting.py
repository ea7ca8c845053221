"""
The pushes that wait for a connection.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred

from scepd.apns.notification import Notification
from scepd.apns.outcome import PushOutcome
from scepd.network.apns_deadlines import Deadlines


class PendingPush:
    """
    A push on its way to its outcome.

    :param attempt: how often it was sent before.
    :ivar refusals: how often a server refused it without looking at it.
    """

    def __init__(self, notification: Notification, attempt: int = 0) -> None:
        self.notification = notification
        self.attempt = attempt
        self.refusals = 0
        self._outcome: Deferred[PushOutcome] = Deferred()

    @property
    def settled(self) -> bool:
        """
        Whether its outcome is known, or nobody waits for it any more.
        """
        return self._outcome.called

    @property
    def outcome(self) -> Deferred[PushOutcome]:
        """
        Fires with the outcome; may be cancelled.
        """
        return self._outcome

    def settle(self, outcome: PushOutcome) -> None:
        """
        Tell whoever waits; the first outcome counts.
        """
        if not self._outcome.called:
            self._outcome.callback(outcome)


class WaitingPushes:
    """
    A queue in the order of arrival; refused pushes come first.

    :param expired: is called with pushes that waited too long; they are not in it any more.
    """

    def __init__(
        self, clock: Any, seconds: float, expired: Callable[[list[PendingPush]], None]
    ) -> None:
        self._expired = expired
        self._deadlines = Deadlines[PendingPush](clock, seconds, self._expire)
        self._refused: OrderedDict[PendingPush, None] = OrderedDict()
        self._fresh: OrderedDict[PendingPush, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._refused) + len(self._fresh)

    def add(self, push: PendingPush) -> None:
        """
        Put it at the end.
        """
        self._fresh[push] = None
        self._deadlines.add(push)

    def add_refused(self, push: PendingPush) -> None:
        """
        Put it before all that were never sent.
        """
        self._refused[push] = None
        self._deadlines.add(push)

    def first(self) -> PendingPush | None:
        """
        The next one, which stays in it.
        """
        lane = self._refused or self._fresh
        return next(iter(lane), None)

    def remove(self, push: PendingPush) -> None:
        """
        Take it out.
        """
        self._refused.pop(push, None)
        self._fresh.pop(push, None)
        self._deadlines.remove(push)

    def take_all(self) -> list[PendingPush]:
        """
        Empty it.
        """
        pushes = [*self._refused, *self._fresh]
        self._refused.clear()
        self._fresh.clear()
        self._deadlines.clear()
        return pushes

    def _expire(self, pushes: list[PendingPush]) -> None:
        for push in pushes:
            self._refused.pop(push, None)
            self._fresh.pop(push, None)
        self._expired(pushes)
