"""
Tells the log once a day that the push certificate is about to expire.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from scepd.apns.expiry import expiry_complaint
from scepd.services.clock import utc_now
from scepd.services.periodic import Periodic

_LOOK = 3600.0
_DAY = 86_400.0

_log = Logger()


class ExpiryReminder:
    """
    Looks once an hour, so that another certificate is noticed.

    :param not_after: gives when the certificate in use expires; None: there is none, or never.
    :param random: gives a number from 0 up to 1.
    """

    def __init__(
        self,
        clock: IReactorTime,
        not_after: Callable[[], datetime | None],
        random: Callable[[], float],
    ) -> None:
        self._clock = clock
        self._not_after = not_after
        self._told_at = float("-inf")
        self._periodic = Periodic(
            clock, "looking at the push certificate's expiry", _LOOK, self._look, random
        )

    def start(self) -> None:
        """
        Begin to look.
        """
        self._periodic.start()

    async def stop(self) -> None:
        """
        Look no more.
        """
        await self._periodic.stop()

    def forget(self) -> None:
        """
        There is another certificate: what is wrong with it is news.
        """
        self._told_at = float("-inf")
        self._periodic.wake()

    async def _look(self) -> None:
        now = self._clock.seconds()
        complaint = expiry_complaint(self._not_after(), utc_now(self._clock))
        if complaint and now - self._told_at >= _DAY:
            self._told_at = now
            _log.error("Soon no device can be pushed to: {complaint}", complaint=complaint)
