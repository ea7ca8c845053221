"""
At most so many exchanges with a certificate authority at a time; the rest wait in order.
"""

from __future__ import annotations

from collections import deque

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime

from scepd.errors import QueueTimeout
from scepd.metrics import Metrics, gauge


class Slots:
    """
    The slots of all certificate authorities in this process.
    """

    def __init__(self, clock: IReactorTime, metrics: Metrics) -> None:
        self._clock = clock
        self._metrics = metrics
        self._taken: dict[str, int] = {}
        self._waiting: dict[str, deque[Deferred[None]]] = {}
        # How many slots there are for those who wait, as the last one of them said.
        self._most: dict[str, int] = {}
        self._serving: set[str] = set()

    def take_free(self, ca_name: str, *, most: int) -> bool:
        """
        Take one of the ``most`` slots, if one is free and nobody waits for it; whether it did.
        """
        if self._waiting.get(ca_name) or self._taken.get(ca_name, 0) >= most:
            return False
        self._count(ca_name, 1)
        return True

    async def take(self, ca_name: str, *, most: int, timeout: float) -> None:
        """
        Return when one of the ``most`` slots of a certificate authority is the caller's, who must
        :meth:`give_back`; those who wait get theirs in the order in which they came, and lose their
        place when they are cancelled. When ``most`` is another than before, that goes for those who
        wait already, too.

        :raises QueueTimeout: none was free within ``timeout`` seconds.
        """
        if self.take_free(ca_name, most=most):
            return
        turn: Deferred[None] = Deferred()
        self._waiting.setdefault(ca_name, deque()).append(turn)
        self._most[ca_name] = most
        self._show_waiting(ca_name)
        self._serve(ca_name)
        deadline = self._clock.callLater(timeout, turn.cancel)
        try:
            await turn
        except CancelledError:
            self._leave(ca_name, turn)
            if deadline.active():
                raise
            raise QueueTimeout(
                f"all {most} slots of {ca_name} stayed in use for {timeout:g} s"
            ) from None
        finally:
            if deadline.active():
                deadline.cancel()

    def give_back(self, ca_name: str) -> None:
        """
        A slot is free again.
        """
        self._count(ca_name, -1)
        self._serve(ca_name)

    def _serve(self, ca_name: str) -> None:
        if ca_name in self._serving:
            # Who is served may give back at once; one call within the other for each of a long line
            # would be too deep.
            return
        self._serving.add(ca_name)
        try:
            while (queue := self._waiting.get(ca_name)) and self._has_free(ca_name):
                turn = queue.popleft()
                self._show_waiting(ca_name)
                # It is taken before anybody else can see that it is free.
                self._count(ca_name, 1)
                turn.callback(None)
        finally:
            self._serving.discard(ca_name)

    def _has_free(self, ca_name: str) -> bool:
        return self._taken.get(ca_name, 0) < self._most[ca_name]

    def _leave(self, ca_name: str, turn: Deferred[None]) -> None:
        self._waiting[ca_name].remove(turn)
        self._show_waiting(ca_name)

    def _count(self, ca_name: str, change: int) -> None:
        taken = self._taken.get(ca_name, 0) + change
        if taken:
            self._taken[ca_name] = taken
        else:
            del self._taken[ca_name]
        gauge(self._metrics.slots_in_use, ca_name).set(taken)

    def _show_waiting(self, ca_name: str) -> None:
        queue = self._waiting[ca_name]
        gauge(self._metrics.slots_waiting, ca_name).set(len(queue))
        if not queue:
            del self._waiting[ca_name], self._most[ca_name]
