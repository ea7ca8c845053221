"""
When Apple's push service gets one connection more, or one less.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IDelayedCall

from scepd.network.apns_limits import APNsLimits


class PoolSize:
    """
    Looks so seldom that connections are never opened and closed in quick succession.

    :param clock: provides IReactorTime.
    :param grow: is called when there was no room for pushes a while ago.
    :param shrink: is called when a connection may have been idle for long.
    """

    def __init__(
        self,
        clock: Any,
        limits: APNsLimits,
        grow: Callable[[], object],
        shrink: Callable[[], object],
    ) -> None:
        self._clock = clock
        self._limits = limits
        self._grow = grow
        self._shrink = shrink
        self._growing: IDelayedCall | None = None
        self._shrinking: IDelayedCall | None = None

    def no_room(self) -> None:
        """
        Pushes wait, and no connection takes them.
        """
        if self._growing is None:
            self._growing = self._clock.callLater(self._limits.grow_after, self._look_to_grow)

    def several(self) -> None:
        """
        There is more than one connection.
        """
        if self._shrinking is None:
            self._shrinking = self._clock.callLater(self._limits.idle_after, self._look_to_shrink)

    def stop(self) -> None:
        """
        Look no more.
        """
        for timer in (self._growing, self._shrinking):
            if timer is not None:
                timer.cancel()
        self._growing = self._shrinking = None

    def _look_to_grow(self) -> None:
        self._growing = None
        self._grow()

    def _look_to_shrink(self) -> None:
        self._shrinking = None
        self._shrink()
