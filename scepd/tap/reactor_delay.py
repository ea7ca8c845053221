"""
Measures how late the reactor is.
"""

from __future__ import annotations

from typing import Any

from twisted.application.service import Service
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from scepd.metrics import Metrics

_log = Logger()
_INTERVAL = 0.1


class ReactorDelay(Service):
    """
    Calls itself every 100 ms and observes how much later it was called.
    """

    def __init__(self, clock: Any, metrics: Metrics) -> None:
        self._clock = clock
        self._metrics = metrics
        self._looping = LoopingCall(self._measure)
        self._looping.clock = clock

    def startService(self) -> None:
        """
        Begin to measure.
        """
        super().startService()
        self._last = self._clock.seconds()
        self._looping.start(_INTERVAL, now=False).addErrback(
            lambda failure: _log.failure("The reactor is not watched any more", failure)
        )

    def stopService(self) -> None:
        """
        Measure no more.
        """
        super().stopService()
        if self._looping.running:
            self._looping.stop()

    def _measure(self) -> None:
        now = self._clock.seconds()
        self._metrics.reactor_delay.observe(max(0.0, now - self._last - _INTERVAL))
        self._last = now
