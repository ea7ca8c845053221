"""
Tests that hold a database's threads: gates, and a clock for the deadlines.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from sqlalchemy import Connection, func, insert, select
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.task import Clock

from scepd.storage.tables import activity
from scepd.storage.units import ThreadedReactor
from tests.storage import records

_GATE_SECONDS = 15.0


class ClockedReactor:
    """
    The real reactor's way back from threads, with a clock that tests turn.
    """

    def __init__(self, reactor: ThreadedReactor) -> None:
        self.clock = Clock()
        self._reactor = reactor

    def callLater(self, delay: float, call: Callable[[], object], /) -> IDelayedCall:
        """
        Call when the clock was turned that far; without delay, at the end of the turn.
        """
        if not delay:
            return self._reactor.callLater(0, call)
        return self.clock.callLater(delay, call)

    def callFromThread(self, call: Callable[[], object], /) -> object:
        """
        Call soon, in the reactor's thread.
        """
        return self._reactor.callFromThread(call)


class Gate:
    """
    A unit that holds its thread until :meth:`open`; ``entered`` fires when it does.
    """

    def __init__(self, reactor: ThreadedReactor) -> None:
        self.entered: Deferred[None] = Deferred()
        self._reactor = reactor
        self._opened = threading.Event()

    def __call__(self, connection: Connection) -> None:
        """
        Hold the thread.
        """
        self._reactor.callFromThread(lambda: self.entered.callback(None))
        if not self._opened.wait(_GATE_SECONDS):
            raise AssertionError("nobody opened the gate")

    def open(self) -> None:
        """
        Let the thread go on.
        """
        self._opened.set()


def add_row(connection: Connection) -> None:
    """
    A unit: one row more.
    """
    done = records.activity()
    connection.execute(
        insert(activity).values(
            at=done.at, actor=done.actor, action=done.action, subject=done.subject
        )
    )


def count_rows(connection: Connection) -> int:
    """
    A query: how many rows there are.
    """
    return connection.scalar(select(func.count()).select_from(activity)) or 0
