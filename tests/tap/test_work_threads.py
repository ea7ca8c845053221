"""
Tests for the threads of short work.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue

from twisted.trial.unittest import SynchronousTestCase

from scepd.tap.work_threads import WorkThreads

_PATIENCE = 10


class FakeReactor:
    """
    Keeps what comes back from threads until the test takes it.
    """

    def __init__(self) -> None:
        self.calls: SimpleQueue[Callable[[], object]] = SimpleQueue()

    def callFromThread(self, call: Callable[[], object], /) -> None:
        """
        Keep it.
        """
        self.calls.put(call)

    def next(self) -> None:
        """
        Do the next one.
        """
        self.calls.get(timeout=_PATIENCE)()


class Panic(BaseException):
    """
    What the Rust part of ``cryptography`` raises when it fails is no Exception either.
    """


class WorkThreadsTests(SynchronousTestCase):
    """
    Tests of one thread.
    """

    def setUp(self) -> None:
        """
        Begin.
        """
        self.reactor = FakeReactor()
        self.threads = WorkThreads(self.reactor, "test", 1)
        self.addCleanup(self.threads.stop)

    def test_work(self) -> None:
        """
        What work returns or raises comes back, in order.
        """
        done, failed = self.threads(lambda: 7), self.threads(lambda: 1 // 0)
        self.assertNoResult(done)
        self.reactor.next()
        self.assertEqual(self.successResultOf(done), 7)
        self.reactor.next()
        self.failureResultOf(failed, ZeroDivisionError)

    def test_panic(self) -> None:
        """
        Whatever work raises, its waiter hears of it, and the thread goes on.
        """

        def panic() -> None:
            raise Panic

        failed, done = self.threads(panic), self.threads(lambda: 7)
        self.reactor.next()
        self.failureResultOf(failed, Panic)
        self.reactor.next()
        self.assertEqual(self.successResultOf(done), 7)

    def test_early(self) -> None:
        """
        What completes something goes before what waits.
        """
        held, order = threading.Event(), list[str]()
        self.threads(lambda: held.wait(_PATIENCE))
        self.threads(lambda: order.append("begun"))
        self.threads.early(lambda: order.append("completed"))
        held.set()
        for _ in range(3):
            self.reactor.next()
        self.assertEqual(order, ["completed", "begun"])
