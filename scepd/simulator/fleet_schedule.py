"""
Work that is done at its time, by a bounded number of threads.
"""

from __future__ import annotations

import heapq
import itertools
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from threading import Condition, Thread
from typing import Literal, Protocol, TypeAlias

Work: TypeAlias = Callable[[], None]
"""
A piece of work; it raises nothing.
"""
Lane: TypeAlias = Literal["devices", "agents", "slow"]
"""
Whose work it is: each has threads of its own, so that none waits for another's.
"""


class WorkAtItsTime(Protocol):
    """
    What a fleet needs of a schedule.
    """

    def after(self, seconds: float, work: Work, lane: Lane = "devices") -> None:
        """
        Do something later.
        """

    def end(self) -> None:
        """
        Begin nothing any more, and wait for what runs.
        """


class Schedule:
    """
    A list of times and work.

    :param threads: of each lane.
    """

    def __init__(self, threads: Mapping[Lane, int]) -> None:
        self._pools = {lane: ThreadPoolExecutor(count) for lane, count in threads.items()}
        self._due: list[tuple[float, int, Work, Lane]] = []
        self._numbers = itertools.count()
        self._changed = Condition()
        self._ended = False
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()

    def after(self, seconds: float, work: Work, lane: Lane = "devices") -> None:
        """
        Do something later; after the end, do nothing.

        :param seconds: from now.
        :param work: to be done.
        :param lane: whose work it is.
        """
        with self._changed:
            at = time.monotonic() + seconds
            heapq.heappush(self._due, (at, next(self._numbers), work, lane))
            self._changed.notify()

    def end(self) -> None:
        """
        Begin nothing any more, and wait for what runs.
        """
        with self._changed:
            self._ended = True
            self._changed.notify()
        self._thread.join()
        for pool in self._pools.values():
            pool.shutdown(cancel_futures=True)

    def _run(self) -> None:
        while (found := self._next()) is not None:
            work, lane = found
            self._pools[lane].submit(work)

    def _next(self) -> tuple[Work, Lane] | None:
        with self._changed:
            while not self._ended:
                wait = self._due[0][0] - time.monotonic() if self._due else None
                if wait is not None and wait <= 0:
                    _, _, work, lane = heapq.heappop(self._due)
                    return work, lane
                self._changed.wait(wait)
            return None
