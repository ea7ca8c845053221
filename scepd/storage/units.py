"""
One unit of work on its way from the reactor to a database thread and back.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar, cast

from sqlalchemy import Connection
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.python.failure import Failure

from scepd.errors import StorageUnavailable

T = TypeVar("T")


class ThreadedReactor(Protocol):
    """
    What storage needs of the reactor: timers, and a way back from a thread.
    """

    def callLater(self, delay: float, call: Callable[[], object], /) -> IDelayedCall:
        """
        Call after ``delay`` seconds.
        """

    def callFromThread(self, call: Callable[[], object], /) -> object:
        """
        Call soon, in the reactor's thread.
        """


class PendingUnit(Protocol):
    """
    A unit as a database thread sees it, whatever it returns.
    """

    @property
    def durable(self) -> bool:
        """
        Whether what it changes has to outlast a power cut.
        """

    @property
    def locks(self) -> bool:
        """
        Whether it locks each row that it decides by, so that it may run beside others.
        """

    def begin(self) -> bool:
        """
        Claim it for the thread; false: its waiter has given up, and it must not run.
        """

    def attempt(self, connection: Connection) -> Exception | None:
        """
        Run it and keep what comes of it; the answer is the error that it raised, if any.
        """

    def lose(self, sentence: str) -> None:
        """
        Whatever it returned or raised: answer it with StorageUnavailable instead.
        """

    def answer(self) -> None:
        """
        Give its waiter what came of it; only in the reactor's thread.
        """


class Unit(Generic[T]):
    """
    A :class:`PendingUnit` whose ``answered`` fires in the reactor's thread.

    :param work: what to do with the connection; it touches nothing but the database.
    :param locks: whether it locks each row that it decides by.
    :param seconds: until its waiter gets StorageUnavailable. When it had not begun by then, it
        never runs; when it had, it may have been stored all the same.
    """

    def __init__(
        self,
        work: Callable[[Connection], T],
        reactor: ThreadedReactor,
        seconds: float,
        *,
        durable: bool = True,
        locks: bool = False,
    ) -> None:
        self.durable = durable
        self.locks = locks
        self.answered: Deferred[T] = Deferred(self._cancelled)
        self._work = work
        # A lock that is never released is the one test-and-set that two threads can race for.
        self._claim = threading.Lock()
        self._result: T | None = None
        self._error: Exception | None = None
        self._ran = False
        self._over = False
        self._timer = reactor.callLater(seconds, self._expired)
        self._seconds = seconds

    def begin(self) -> bool:
        """
        Claim it for the thread; false: its waiter has given up, and it must not run.
        """
        return self._claim.acquire(blocking=False)

    def attempt(self, connection: Connection) -> Exception | None:
        """
        Run it and keep what comes of it; the answer is the error that it raised, if any.
        """
        try:
            result = self._work(connection)
        except Exception as error:  # noqa: BLE001 - it belongs to the waiter, not to this thread
            self._error = error
            return error
        # The attempt before, of which nothing is left, may have failed.
        self._result, self._ran, self._error = result, True, None
        return None

    def lose(self, sentence: str) -> None:
        """
        Whatever it returned or raised: answer it with StorageUnavailable instead.
        """
        self._claim.acquire(blocking=False)
        self._error = StorageUnavailable(sentence)

    def answer(self) -> None:
        """
        Give its waiter what came of it, unless it was answered before.
        """
        if not self._settle():
            return
        if self._ran and self._error is None:
            self.answered.callback(cast("T", self._result))
            return
        error = self._error or StorageUnavailable("the database did not answer")
        self.answered.errback(Failure(error))

    def _settle(self) -> bool:
        if self._over:
            return False
        self._over = True
        if self._timer.active():
            self._timer.cancel()
        return True

    def _expired(self) -> None:
        self._claim.acquire(blocking=False)
        if self._settle():
            text = f"the database did not answer within {self._seconds:g} s"
            self.answered.errback(Failure(StorageUnavailable(text)))

    def _cancelled(self, answered: Deferred[T]) -> None:
        self._claim.acquire(blocking=False)
        if self._settle():
            answered.errback(Failure(CancelledError()))
