"""
A thread that serves units in the order in which they came.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from queue import Empty, SimpleQueue
from typing import Protocol

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from scepd.storage.units import PendingUnit, ThreadedReactor

_log = Logger()

OnBatch = Callable[[int, float], object]
"""
Told, in the reactor's thread, of each batch: how many units, how many seconds.
"""


class Server(Protocol):
    """
    What a worker does with the units; all of it runs in the worker's thread.
    """

    @property
    def batch_limit(self) -> int:
        """
        How many units it takes at a time.
        """

    @property
    def gathering_seconds(self) -> float:
        """
        How long it waits for more units after a batch of several: a sign that more will come.
        """

    def serve(self, units: Sequence[PendingUnit]) -> int:
        """
        Run units from the first one on and decide what each of them is answered.

        :returns: how many are through, at least one; the rest are handed in again.
        """

    def close(self) -> None:
        """
        Let go of the database.
        """


class Worker:
    """
    The thread, its bounded queue, and the way of the answers back to the reactor.

    :param queue_limit: how many units may wait.
    """

    def __init__(
        self,
        name: str,
        server: Server,
        reactor: ThreadedReactor,
        queue_limit: int,
        on_batch: OnBatch,
    ) -> None:
        self._server = server
        self._reactor = reactor
        self._queue_limit = queue_limit
        self._on_batch = on_batch
        self._queue: SimpleQueue[list[PendingUnit] | None] = SimpleQueue()
        self._turn: list[PendingUnit] = []
        # Each is changed in one thread only: the reactor's, and this one's.
        self._submitted = self._taken = 0
        self._closed = False
        self._gathers = False
        self._ended: Deferred[None] = Deferred()
        # Units are answered after COMMIT, so a process that ends in mid-batch loses nothing that
        # was promised.
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """
        Start the thread.
        """
        self._thread.start()

    def submit(self, unit: PendingUnit) -> None:
        """
        Put a unit at the end of the queue, or answer it at once when none is taken.

        The thread gets all of one turn of the reactor together: they share a commit, and the
        threads take turns less often.
        """
        if self._closed:
            self._refuse(unit, "the database is closed")
        elif self._submitted - self._taken >= self._queue_limit:
            self._refuse(unit, f"{self._queue_limit} units of work wait for the database already")
        else:
            self._submitted += 1
            if not self._turn:
                self._reactor.callLater(0, self._end_turn)
            self._turn.append(unit)

    def stop(self) -> Deferred[None]:
        """
        Take no more units; fires when those that wait are answered and the database is closed.
        """
        if not self._closed:
            self._closed = True
            self._end_turn()
            self._queue.put(None)
        return self._ended

    def _end_turn(self) -> None:
        units, self._turn = self._turn, []
        if units:
            self._queue.put(units)

    def _refuse(self, unit: PendingUnit, sentence: str) -> None:
        unit.lose(sentence)
        unit.answer()

    def _run(self) -> None:
        units: list[PendingUnit] = []
        open_ended = True
        while open_ended or units:
            if open_ended:
                open_ended = self._fill(units, wait=not units)
            if open_ended and self._gathers:
                # A commit costs more than a unit: when many ask at once, they share it.
                time.sleep(self._server.gathering_seconds)
                open_ended = self._fill(units, wait=False)
            if units:
                units = self._serve(units)
        self._close()
        self._reactor.callFromThread(self._finished)

    def _fill(self, units: list[PendingUnit], *, wait: bool) -> bool:
        """
        Add what waits, up to a batch and the rest of a turn. False: it was the last.

        :param wait: whether to wait for the first one.
        """
        while len(units) < self._server.batch_limit:
            try:
                more = self._queue.get(block=wait and not units)
            except Empty:
                return True
            if more is None:
                return False
            self._taken += len(more)
            units += more
        return True

    def _serve(self, units: list[PendingUnit]) -> list[PendingUnit]:
        begun = time.monotonic()
        batch = units[: self._server.batch_limit]
        try:
            count = self._server.serve(batch)
        except Exception:  # noqa: BLE001 - a thread that ended would answer nobody any more
            self._report("A batch of units failed")
            count = len(batch)
            for unit in batch:
                unit.lose("the database thread failed")
        seconds = time.monotonic() - begun
        # What is left over is reason enough to go on at once.
        self._gathers = count > 1 and count == len(units)
        self._reactor.callFromThread(partial(self._answer, units[:count], seconds))
        return units[count:]

    def _answer(self, units: Sequence[PendingUnit], seconds: float) -> None:
        try:
            self._on_batch(len(units), seconds)
        finally:
            # Whatever becomes of the count, the units are answered.
            for unit in units:
                unit.answer()

    def _close(self) -> None:
        try:
            self._server.close()
        except Exception:  # noqa: BLE001 - who waits for the end must hear of it
            self._report("The database was not closed well")

    def _finished(self) -> None:
        self._thread.join()
        self._ended.callback(None)

    def _report(self, text: str) -> None:
        log = partial(_log.failure, "{text}", Failure(), text=text)
        self._reactor.callFromThread(log)
