"""
The pushes that wait for a connection.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from itertools import chain
from typing import Any

from twisted.internet.defer import Deferred

from scepd.apns.notification import Notification
from scepd.apns.outcome import PushOutcome
from scepd.network.apns_deadlines import Deadlines
from scepd.network.apns_push import QUEUED, PendingPush


class WaitingPushes:
    """
    A queue in the order of arrival, with at most one push per device; refused pushes come first.

    All are for one topic, so that their token names them.

    :param expired: is called with pushes that waited too long; they are not in it any more.
    """

    def __init__(
        self, clock: Any, seconds: float, expired: Callable[[list[PendingPush]], object]
    ) -> None:
        self._clock = clock
        self._expired = expired
        self._withdraw = self.remove
        self._deadlines = Deadlines(clock, seconds, self._expire)
        # Each is in the order of ``since``. A dict would be searched for its first entry, again and
        # again, past all that were removed before it; an OrderedDict knows it.
        self._refused: OrderedDict[bytes, PendingPush] = OrderedDict()
        self._fresh: OrderedDict[bytes, PendingPush] = OrderedDict()

    def __len__(self) -> int:
        return len(self._refused) + len(self._fresh)

    @property
    def since(self) -> float | None:
        """
        Since when the next one waits (the reactor's seconds); None: there is none.
        """
        push = self.first()
        return None if push is None else push.since

    def find(self, token: bytes) -> PendingPush | None:
        """
        The push that waits for a device, if there is one.
        """
        return self._fresh.get(token) or self._refused.get(token)

    def add(self, notification: Notification, attempt: int) -> Deferred[PushOutcome]:
        """
        Put a push at its end.
        """
        push = PendingPush(notification, attempt, self._clock.seconds(), self._withdraw)
        self._fresh[notification.token] = push
        self._deadlines.watch()
        return push.outcome

    def add_refused(self, push: PendingPush) -> None:
        """
        Put it before all that were never sent; one to the same device becomes one with it.
        """
        token = push.notification.token
        older, newer = self._refused.get(token), self._fresh.pop(token, None)
        if newer is not None:
            push.absorb(newer)
        if older is not None:
            older.absorb(push)
            return
        push.state = QUEUED
        push.since = self._clock.seconds()
        self._refused[token] = push
        self._deadlines.watch()

    def first(self) -> PendingPush | None:
        """
        The next one, which stays in it.
        """
        for push in (self._refused or self._fresh).values():
            return push
        return None

    def remove(self, push: PendingPush) -> None:
        """
        Take it out.
        """
        token = push.notification.token
        if self._fresh.get(token) is push:
            del self._fresh[token]
        elif self._refused.get(token) is push:
            del self._refused[token]

    def take_all(self) -> list[PendingPush]:
        """
        Empty it.
        """
        pushes = [*self._refused.values(), *self._fresh.values()]
        self._refused.clear()
        self._fresh.clear()
        self._deadlines.stop()
        return pushes

    def _expire(self, begun: float) -> float | None:
        due = []
        for lane in (self._refused, self._fresh):
            while lane and (push := next(iter(lane.values()))).since <= begun:
                del lane[push.notification.token]
                due.append(push)
        if due:
            self._expired(due)
        return self._oldest()

    def _oldest(self) -> float | None:
        fronts = chain(*(list(lane.values())[:1] for lane in (self._refused, self._fresh)))
        return min((push.since for push in fronts), default=None)
