"""
When enrollments were last seen: gathered in memory, written in batches.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from twisted.internet.interfaces import IReactorTime

from scepd.ports import CheckInStore

_BATCH = 500
_MOST_WAITING = 100_000
# Seconds, between those that are written with one time.
_SPAN = 60.0


class LastSeen:
    """
    Remembers who was there until :meth:`flush`, at most 100,000 of them.
    """

    def __init__(self, store: CheckInStore, clock: IReactorTime) -> None:
        self._store = store
        self._clock = clock
        # Seconds by the clock: a poll has no use for more.
        self._waiting: dict[str, float] = {}

    def saw(self, enrollment_id: str) -> None:
        """
        An enrollment is there now.
        """
        if enrollment_id in self._waiting or len(self._waiting) < _MOST_WAITING:
            self._waiting[enrollment_id] = self._clock.seconds()

    async def flush(self) -> None:
        """
        Write what is waiting; what can't be written goes on waiting.

        :raises StorageUnavailable: some of it was not written.
        """
        # What comes in meanwhile waits for the next time: else this could go on for ever.
        for batch in _batches(self._waiting):
            await self._write(batch)

    async def _write(self, batch: list[str]) -> None:
        times = [self._waiting[one] for one in batch if one in self._waiting]
        if not times:
            return
        # All of a batch get the time of the one that was there last: they differ by seconds.
        at = max(times)
        await self._store.saw(batch, datetime.fromtimestamp(at, UTC))
        for enrollment_id in batch:
            # Another flush may have been faster.
            if self._waiting.get(enrollment_id, at) <= at:
                self._waiting.pop(enrollment_id, None)


def _batches(waiting: Mapping[str, float]) -> list[list[str]]:
    """
    Those of about the same time, at most 500 together. Usually all are; after an outage of the
    database some have waited for as long as it took.
    """
    batches: list[list[str]] = []
    began = 0.0
    for enrollment_id, at in sorted(waiting.items(), key=lambda item: item[1]):
        if not batches or len(batches[-1]) == _BATCH or at - began > _SPAN:
            batches.append([])
            began = at
        batches[-1].append(enrollment_id)
    return batches
