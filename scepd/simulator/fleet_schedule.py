"""
Work that is done at its time, by a bounded number of threads.
"""

from __future__ import annotations

import heapq
import itertools
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Condition, Thread
from typing import Protocol, TypeAlias

Work: TypeAlias = Callable[[], None]
"""
A piece of work; it raises nothing.
"""


class WorkAtItsTime(Protocol):
    """
    What a fleet needs of a schedule.
    """

    def after(self, seconds: float, work: Work, *, patient: bool = False) -> None:
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

    :param threads: that work.
    :param patient_threads: for work that mostly sleeps, so that it keeps no other from its thread.
    """

    def __init__(self, threads: int, patient_threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads)
        self._patient_pool = ThreadPoolExecutor(patient_threads)
        self._due: list[tuple[float, int, Work, bool]] = []
        self._numbers = itertools.count()
        self._changed = Condition()
        self._ended = False
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()

    def after(self, seconds: float, work: Work, *, patient: bool = False) -> None:
        """
        Do something later; after the end, do nothing.

        :param seconds: from now.
        :param work: to be done.
        :param patient: whether it mostly sleeps.
        """
        with self._changed:
            at = time.monotonic() + seconds
            heapq.heappush(self._due, (at, next(self._numbers), work, patient))
            self._changed.notify()

    def end(self) -> None:
        """
        Begin nothing any more, and wait for what runs.
        """
        with self._changed:
            self._ended = True
            self._changed.notify()
        self._thread.join()
        for pool in (self._pool, self._patient_pool):
            pool.shutdown(cancel_futures=True)

    def _run(self) -> None:
        while (found := self._next()) is not None:
            work, patient = found
            (self._patient_pool if patient else self._pool).submit(work)

    def _next(self) -> tuple[Work, bool] | None:
        with self._changed:
            while not self._ended:
                wait = self._due[0][0] - time.monotonic() if self._due else None
                if wait is not None and wait <= 0:
                    _, _, work, patient = heapq.heappop(self._due)
                    return work, patient
                self._changed.wait(wait)
            return None
