"""
Tests for :mod:`scepd.network.upstream_pool`.
"""

from __future__ import annotations

from scepd.errors import UpstreamFault
from tests.network.doubles import Receiver, Socket
from tests.network.pool_cases import PoolTestCase


class UpstreamPoolTests(PoolTestCase):
    """
    Tests for UpstreamPool.
    """

    def test_keeps(self) -> None:
        """
        A connection that is given back serves the next exchange, the last one first.
        """
        (first, _), (second, _) = self.connect(), self.connect()
        self.pool.give_back(first)
        self.pool.give_back(second)
        self.assertIs(self.pool.take_idle(), second)
        self.assertIs(self.pool.take_idle(), first)
        self.assertIsNone(self.pool.take_idle())
        self.assertFalse(self.pool.empty)

    def test_bounded(self) -> None:
        """
        No more connections are kept than the limit says.
        """
        sockets = []
        for _ in range(3):
            connection, socket = self.connect()
            sockets.append((connection, socket))
        for connection, _ in sockets:
            self.pool.give_back(connection)
        self.assertEqual([s.disconnecting for _, s in sockets], [False, False, True])

    def test_expires(self) -> None:
        """
        An idle connection is closed in time, and is out of reach at that very moment.
        """
        connection, socket = self.connect()
        self.pool.give_back(connection)
        # The expiry fires, but the connection's end is not reported yet.
        self.reactor.rightNow += 30
        self.reactor.calls[0].func(*self.reactor.calls.pop(0).args)
        self.assertTrue(socket.disconnecting)
        self.assertIsNone(self.pool.take_idle())
        self.reactor.advance(0)
        self.assertTrue(self.pool.empty)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_lost_while_idle(self) -> None:
        """
        A connection that the server closes is forgotten.
        """
        connection, socket = self.connect()
        self.pool.give_back(connection)
        socket.lose()
        self.assertIsNone(self.pool.take_idle())
        self.assertTrue(self.pool.empty)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_spoilt_while_idle(self) -> None:
        """
        A connection on which the server spoke unasked, or that is about to close, is not taken
        though its end is not reported yet.
        """
        for spoil in (lambda s: s.receive(b"HTTP/1.1 408 x\r\n\r\n"), Socket.loseConnection):
            connection, socket = self.connect()
            self.pool.give_back(connection)
            spoil(socket)
            self.assertIsNone(self.pool.take_idle())
            self.reactor.advance(0)
            self.assertTrue(self.pool.empty)

    def test_only_fresh(self) -> None:
        """
        One that must be fresh is not one that was idle for long, which stays for others.
        """
        connection, _ = self.connect()
        self.pool.give_back(connection)
        self.reactor.advance(15.5)
        self.assertIsNone(self.pool.take_idle(within=15))
        self.assertIs(self.pool.take_idle(), connection)

    def test_resumes(self) -> None:
        """
        A connection whose exchange ended while it was paused reads again, to notice its end.
        """
        connection, socket = self.connect()
        connection.pause_response()
        self.pool.give_back(connection)
        self.assertEqual(socket.producerState, "producing")

    def test_not_reusable(self) -> None:
        """
        A connection that the server wants to close is closed when it is given back.
        """
        connection, socket = self.connect()
        connection.attend(Receiver())
        socket.receive(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        self.pool.give_back(connection)
        self.assertTrue(socket.disconnecting)
        self.reactor.advance(0)
        self.assertTrue(self.pool.empty)

    def test_close(self) -> None:
        """
        A pool that closes ends idle connections, running exchanges and dials, and leaves no timer.
        """
        (idle, idle_socket), (busy, busy_socket) = self.connect(), self.connect()
        receiver = Receiver()
        busy.attend(receiver)
        self.pool.give_back(idle)
        self.dial()
        self.pool.close()
        self.reactor.advance(0)
        self.assertTrue(idle_socket.disconnecting and busy_socket.disconnecting)
        self.assertEqual(receiver.events, [("broken", UpstreamFault.CLOSED, False)])
        self.assertEqual([str(error) for error in self.waiter.errors], ["scepd is stopping"])
        self.assertTrue(self.pool.empty)
        self.assertEqual(self.reactor.getDelayedCalls(), [])
