"""
What the tests of pools and dials begin with.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import UpstreamError, UpstreamFault
from scepd.network.dial import Dial
from scepd.network.http_connection import HTTPConnection
from scepd.network.limits import UpstreamLimits
from scepd.network.upstream_pool import UpstreamPool
from scepd.ports import UpstreamTarget
from tests.network.doubles import LIMITS, TARGET, MemoryNetwork, Socket


class Waiter:
    """
    A Dialler.
    """

    def __init__(self) -> None:
        self.connection: HTTPConnection | None = None
        self.errors: list[UpstreamError] = []

    def connected(self, connection: HTTPConnection) -> None:
        """
        Keep it.
        """
        self.connection = connection

    def not_connected(self, error: UpstreamError) -> None:
        """
        Keep it.
        """
        self.errors.append(error)


class PoolTestCase(SynchronousTestCase):
    """
    A pool on a network in memory.
    """

    def setUp(self) -> None:
        """
        An empty pool.
        """
        self.network = MemoryNetwork()
        self.reactor = self.network.reactor
        self.waiter = Waiter()
        self.pool = self.make_pool()

    def make_pool(
        self, target: UpstreamTarget = TARGET, limits: UpstreamLimits = LIMITS
    ) -> UpstreamPool:
        """
        A pool of another target or with other limits.
        """
        return UpstreamPool(self.reactor, target, limits)

    def dial(self, pool: UpstreamPool | None = None) -> Dial:
        """
        Begin to dial.
        """
        dial = (pool or self.pool).dial(self.waiter)
        dial.begin()
        return dial

    def connect(self) -> tuple[HTTPConnection, Socket]:
        """
        A new connection, just out of an exchange.
        """
        self.dial()
        socket = self.network.accept()
        assert self.waiter.connection is not None
        return self.waiter.connection, socket

    def assert_failed(self, fault: UpstreamFault, sentence: str) -> None:
        """
        The waiter got exactly this error, and nothing is left of the dial.
        """
        self.assertEqual([error.fault for error in self.waiter.errors], [fault])
        self.assertEqual(self.waiter.errors[0].sentence, sentence)
        self.assertIsNone(self.waiter.connection)
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.assertTrue(self.pool.empty)
