"""
Finds out whether the other end of a quiet connection is still there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IDelayedCall

from scepd.network.apns_limits import APNsLimits

PAYLOAD = b"scepd-up"
"""
The eight octets of our PINGs.
"""


class Keepalive:
    """
    One PING after a time of silence, or when asked to; without its answer the connection is dead.

    :param clock: provides IReactorTime.
    :param ping: sends a PING.
    :param dead: is called at most once.
    """

    def __init__(
        self,
        clock: Any,
        limits: APNsLimits,
        ping: Callable[[], None],
        dead: Callable[[], None],
    ) -> None:
        self._clock = clock
        self._limits = limits
        self._ping = ping
        self._dead = dead
        self._asked = False
        self._timer: IDelayedCall | None = None
        self._heard_at = 0.0

    def start(self) -> None:
        """
        Begin to listen.
        """
        self._rest()

    def heard(self) -> None:
        """
        Something came in.
        """
        self._heard_at = self._clock.seconds()

    def probe(self) -> None:
        """
        Ask now.
        """
        if self._timer is not None and not self._asked:
            self._ask()

    def acknowledged(self, payload: bytes) -> None:
        """
        The answer to a PING came.
        """
        if self._asked and payload == PAYLOAD:
            self._rest()

    def stop(self) -> None:
        """
        The connection is gone.
        """
        self._disarm()

    def _rest(self) -> None:
        self._asked = False
        self._heard_at = self._clock.seconds()
        self._arm(self._limits.ping_after, self._look)

    def _look(self) -> None:
        left = self._heard_at + self._limits.ping_after - self._clock.seconds()
        if left > 0:
            self._arm(left, self._look)
        else:
            self._ask()

    def _ask(self) -> None:
        self._asked = True
        self._arm(self._limits.ping_timeout, self._give_up)
        self._ping()

    def _give_up(self) -> None:
        self._timer = None
        self._dead()

    def _arm(self, seconds: float, then: Callable[[], None]) -> None:
        self._disarm()
        self._timer = self._clock.callLater(seconds, then)

    def _disarm(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()
