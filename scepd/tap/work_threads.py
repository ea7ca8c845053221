"""
Threads for work that is short, and so frequent that the reactor's own pool would cost as much.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue
from typing import Protocol, TypeVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

T = TypeVar("T")


class FromThread(Protocol):
    """
    The way back from a thread to the reactor.
    """

    def callFromThread(self, call: Callable[[], object], /) -> object:
        """
        Call soon, in the reactor's thread.
        """


class WorkThreads:
    """
    A few threads that serve one queue (a :class:`scepd.ports.Workers`); they begin with the first
    piece of work.

    :param count: how many threads; as one interpreter runs Python on one processor at a time, a
        second one is enough to keep it busy while the first one signs.
    """

    def __init__(self, reactor: FromThread, name: str, count: int = 2) -> None:
        self._reactor = reactor
        # One signal for each job, and one for each thread at the end; which job, is seen then.
        self._signals: SimpleQueue[bool] = SimpleQueue()
        self._jobs: deque[Callable[[], None]] = deque()
        self._early: deque[Callable[[], None]] = deque()
        # They hold nothing that must be put away: what a device was promised is in the database.
        self._threads = [
            threading.Thread(target=self._run, name=f"{name}-{number}", daemon=True)
            for number in range(count)
        ]
        self._started = False

    def __call__(self, work: Callable[[], T], /) -> Deferred[T]:
        """
        Run ``work`` in a thread and wait for what it returns or raises.
        """
        return self._put(self._jobs, work)

    def early(self, work: Callable[[], T], /) -> Deferred[T]:
        """
        The same, before all work that waits: for what completes something that was begun. Where
        many wait, who is served first then leaves first, and does not wait for the last.
        """
        return self._put(self._early, work)

    def _put(self, jobs: deque[Callable[[], None]], work: Callable[[], T]) -> Deferred[T]:
        if not self._started:
            self._started = True
            for thread in self._threads:
                thread.start()
        done: Deferred[T] = Deferred()
        jobs.append(partial(self._do, work, done))
        self._signals.put(True)
        return done

    def stop(self) -> None:
        """
        End the threads once the work is done that waits for them.
        """
        for _ in self._threads:
            self._signals.put(False)

    def _run(self) -> None:
        while self._signals.get():
            self._take()()

    def _take(self) -> Callable[[], None]:
        try:
            return self._early.popleft()
        except IndexError:
            # For each signal that was taken there is a job, and no thread takes two.
            return self._jobs.popleft()

    def _do(self, work: Callable[[], T], done: Deferred[T]) -> None:
        try:
            result = work()
        except BaseException:  # noqa: BLE001 - it belongs to the waiter, not to this thread
            # A panic in the Rust part of `cryptography` is no Exception.
            self._reactor.callFromThread(partial(done.errback, Failure()))
        else:
            self._reactor.callFromThread(partial(done.callback, result))
