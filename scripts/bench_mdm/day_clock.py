"""
A clock that a whole daemon runs by, with threads for nothing but its database.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any

from twisted.internet.task import Clock
from twisted.python.failure import Failure

_PATIENCE = 60.0


class DayClock(Clock):
    """
    A reactor's clock and threads; time passes only by :meth:`run_until`.

    :ivar busy: how many units of work are with the database's threads.
    """

    def __init__(self) -> None:
        super().__init__()
        self.busy = 0
        self._from_threads: SimpleQueue[Callable[[], object]] = SimpleQueue()

    def callFromThread(self, call: Callable[..., object], *args: Any, **options: Any) -> None:
        """
        Call in the next :meth:`settle`.
        """
        self._from_threads.put(partial(call, *args, **options))

    def getThreadPool(self) -> DayClock:
        """
        The pool of threads, which has none.
        """
        return self

    def callInThreadWithCallback(
        self, tell: Callable[[bool, object], object], work: Callable[..., object], *args: Any
    ) -> None:
        """
        Work at once.
        """
        try:
            result = work(*args)
        except Exception:  # noqa: BLE001 - it belongs to the one who waits
            tell(False, Failure())
        else:
            tell(True, result)

    def settle(self) -> None:
        """
        Do all that can be done without time passing.
        """
        while self._do_one():
            pass

    def run_until(self, end: float) -> None:
        """
        Let time pass, from one delayed call to the next.
        """
        self.settle()
        while self.calls and self.calls[0].getTime() <= end:
            self.advance(max(0.0, self.calls[0].getTime() - self.seconds()))
            self.settle()
        self.advance(max(0.0, end - self.seconds()))

    def _do_one(self) -> bool:
        try:
            self._from_threads.get_nowait()()
        except Empty:
            pass
        else:
            return True
        if self.calls and self.calls[0].getTime() <= self.seconds():
            self.advance(0)
            return True
        if self.busy:
            # Nothing can go on before a thread has answered.
            self._from_threads.get(timeout=_PATIENCE)()
            return True
        return False
