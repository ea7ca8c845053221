"""
Ways to the double that differ with the certificate, and counters that remember.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IStreamClientEndpoint
from twisted.internet.task import Clock
from zope.interface import implementer

from scepd.apns.credentials import PushCredentials
from scepd.network.apns_metrics import ReconnectCause
from tests.support.apns_memory import MemoryRoute


class ScriptedRoute(MemoryRoute):
    """
    A MemoryRoute, where a certificate may have a mode of its own.

    :ivar modes: by certificate; ``bad`` is one more, in which the server leaves as soon as it has
        seen the certificate: after its SETTINGS, as with TLS 1.3.
    :ivar delay: seconds until each attempt begins.
    """

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.modes: dict[bytes, str] = {}
        self.delay = 0.0

    def endpoint(self, credentials: PushCredentials) -> IStreamClientEndpoint:
        """
        What connects.
        """
        mode = self.modes.get(credentials.certificates[0])
        inner = super().endpoint(credentials)
        return _ScriptedEndpoint(self, inner, mode, self.delay)


@implementer(IStreamClientEndpoint)
class _ScriptedEndpoint:
    def __init__(
        self, route: ScriptedRoute, inner: IStreamClientEndpoint, mode: str | None, delay: float
    ) -> None:
        self._route = route
        self._clock: Clock = route.clock
        self._inner = inner
        self._mode = mode
        self._delay = delay

    def connect(self, protocolFactory: Any) -> Deferred[Any]:
        if not self._delay:
            return self._connect(protocolFactory)
        connected: Deferred[Any] = Deferred(lambda _: waiting.cancel())
        waiting: IDelayedCall = self._clock.callLater(
            self._delay, lambda: self._connect(protocolFactory).chainDeferred(connected)
        )
        return connected

    def _connect(self, factory: Any) -> Deferred[Any]:
        usual = self._route.mode
        if self._mode is not None:
            self._route.mode = "up" if self._mode == "bad" else self._mode
        connecting = self._inner.connect(factory)
        self._route.mode = usual
        if self._mode == "bad":
            self._clock.callLater(0.5, self._route.clients[-1].peer.abortConnection)
        return connecting


class RecordedMetrics:
    """
    An APNsMetrics.

    :ivar ended: how many pushes, by status and reason.
    :ivar seconds: how long each took.
    :ivar causes: of reconnections, in order.
    :ivar calls: how often something was counted.
    """

    def __init__(self) -> None:
        self.ended: Counter[tuple[int | None, str]] = Counter()
        self.seconds: list[float] = []
        self.causes: list[ReconnectCause] = []
        self.calls = 0

    def pushes_ended(self, status: int | None, reason: str, count: int) -> None:
        """
        As the protocol says.
        """
        self.calls += 1
        self.ended[status, reason] += count

    def push_seconds(self, seconds: Sequence[float]) -> None:
        """
        As the protocol says.
        """
        self.calls += 1
        self.seconds += seconds

    def reconnecting(self, cause: ReconnectCause) -> None:
        """
        As the protocol says.
        """
        self.calls += 1
        self.causes.append(cause)
