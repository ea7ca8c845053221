"""
The daily look at devices that nobody has heard of for a day though commands wait for them.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from scepd.ports import PushStore
from scepd.services.clock import utc_now

_DAY = timedelta(days=1)

_log = Logger()


class PushSweep:
    """
    Goes through the enrollments with waiting commands once a day, piece by piece, and wishes the
    pushes that nobody wishes any more. Every process may do so: none wishes what another has.

    :param batch: enrollments that one piece looks at.
    :param wake: told when pushes were wished.
    """

    def __init__(
        self, store: PushStore, clock: IReactorTime, batch: int, wake: Callable[[], object]
    ) -> None:
        self._store = store
        self._clock = clock
        self._batch = batch
        self._wake = wake
        self._after = ""
        self._begun: datetime | None = None

    async def run(self) -> None:
        """
        Look at one piece.

        :raises StorageUnavailable: it could not be looked at; the next run looks at it.
        """
        now = utc_now(self._clock)
        if not self._after and self._begun is not None and now < self._begun + _DAY:
            return
        swept = await self._store.sweep_pushes(now, now - _DAY, self._after, self._batch)
        if not self._after:
            self._begun = now
        self._after = swept.last or ""
        if swept.wished:
            _log.info("Wished {count} pushes to silent devices", count=swept.wished)
            self._wake()
