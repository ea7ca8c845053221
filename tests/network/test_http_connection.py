"""
Tests for :mod:`scepd.network.http_connection`.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.error import ConnectionLost
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import UpstreamFault
from scepd.network.http_connection import HTTPConnection
from tests.network.doubles import Receiver, Socket

OK_2 = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab"
WHOLE = [("started", 200), ("received", b"ab"), ("finished",)]


class Owner:
    """
    A ConnectionOwner that counts.
    """

    def __init__(self) -> None:
        self.ready = 0
        self.ended = 0

    def connection_ready(self, connection: HTTPConnection) -> None:
        """
        Count it.
        """
        self.ready += 1

    def connection_ended(self, connection: HTTPConnection, reason: Failure) -> None:
        """
        Count it.
        """
        self.ended += 1


class HTTPConnectionTests(SynchronousTestCase):
    """
    Tests for HTTPConnection.
    """

    def setUp(self) -> None:
        """
        A connection that is established and has a receiver.
        """
        self.reactor = MemoryReactorClock()
        self.connect()

    def connect(self) -> None:
        """
        Make it another.
        """
        self.owner = Owner()
        self.connection = HTTPConnection(self.owner, secure=False)
        self.socket = Socket(self.reactor)
        self.socket.protocol = self.connection
        self.connection.makeConnection(self.socket)
        self.receiver = Receiver()
        self.connection.attend(self.receiver)

    def test_response(self) -> None:
        """
        A whole response is told in order, and leaves the connection usable for the next.
        """
        self.assertEqual(self.owner.ready, 1)
        self.socket.receive(OK_2)
        self.assertEqual(self.receiver.events, WHOLE)
        self.assertTrue(self.connection.usable)
        again = Receiver()
        self.connection.attend(again)
        self.socket.receive(OK_2)
        self.assertEqual(again.events, WHOLE)
        self.assertEqual(self.receiver.events, WHOLE)

    def test_small_buffers(self) -> None:
        """
        The transport reads and buffers 16 kB at a time.
        """
        self.assertEqual(getattr(self.socket, "bufferSize", None), 16384)

    def test_close_in_the_middle(self) -> None:
        """
        A receiver that closes while it is told something hears nothing more, neither of the same
        read nor of the connection's end.
        """
        for moment, names in (
            ("started", ["started"]),
            ("received", ["started", "received"]),
            ("finished", ["started", "received", "finished"]),
        ):
            self.connect()
            self.receiver.reactions[moment] = self.connection.close
            self.socket.receive(OK_2 + OK_2)
            self.reactor.advance(0)
            self.assertEqual(self.receiver.names(), names)
            self.assertFalse(self.connection.usable)
            self.assertEqual(self.owner.ended, 1)

    def test_next_exchange_from_within(self) -> None:
        """
        An exchange that begins while the last one hears of its end gets none of the bytes that
        came with that.
        """
        second = Receiver()
        usable: list[bool] = []

        def begin() -> None:
            usable.append(self.connection.usable)
            self.connection.attend(second)

        self.receiver.reactions["finished"] = begin
        self.socket.receive(OK_2 + OK_2.replace(b"ab", b"XX"))
        self.assertEqual(second.events, [])
        # And the surplus was known in time to refuse it.
        self.assertEqual(usable, [False])

    def test_unasked(self) -> None:
        """
        A connection on which the server speaks unasked is closed.
        """
        self.socket.receive(OK_2)
        self.socket.receive(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
        self.assertTrue(self.socket.disconnecting)
        self.assertFalse(self.connection.usable)
        self.socket.protocol.dataReceived(b"more")
        self.reactor.advance(0)
        self.assertEqual(self.owner.ended, 1)

    def test_nonsense(self) -> None:
        """
        What is not HTTP breaks the response and closes the connection, once.
        """
        self.socket.receive(b"220 mail.example ESMTP\r\n")
        self.reactor.advance(0)
        self.assertEqual(self.receiver.events, [("broken", UpstreamFault.BODY, True)])
        self.assertTrue(self.socket.disconnecting)
        self.assertEqual(self.owner.ended, 1)

    def test_until_end(self) -> None:
        """
        A body without length is complete when the server closes, and not when the connection is
        cut.
        """
        for error, last in (
            (None, ("finished",)),
            (ConnectionLost(), ("broken", UpstreamFault.CLOSED, True)),
        ):
            self.connect()
            self.socket.receive(b"HTTP/1.0 200 OK\r\n\r\nab")
            self.socket.lose(error)
            self.assertEqual(self.receiver.events, [*WHOLE[:2], last])
            self.assertFalse(self.connection.usable)

    def test_lost_unanswered(self) -> None:
        """
        A connection that ends before any byte came says that nothing was answered.
        """
        self.socket.lose()
        self.assertEqual(self.receiver.events, [("broken", UpstreamFault.CLOSED, False)])
        self.assertEqual(self.owner.ended, 1)

    def test_after_the_end(self) -> None:
        """
        A connection that is gone takes calls and does nothing.
        """
        self.socket.lose()
        self.connection.write(b"a")
        self.connection.pause_response()
        self.connection.resume_response()
        self.connection.close()
        self.connection.break_off("scepd is stopping")
        self.connection.pauseProducing()
        self.connection.resumeProducing()
        self.connection.stopProducing()
        self.assertEqual(self.socket.take(), b"")
        self.assertEqual(self.receiver.names(), ["broken"])

    def test_break_off(self) -> None:
        """
        A connection that is broken off tells its receiver, once.
        """
        self.connection.break_off("scepd is stopping")
        self.reactor.advance(0)
        self.assertEqual(self.receiver.events, [("broken", UpstreamFault.CLOSED, False)])

    def test_back_pressure(self) -> None:
        """
        The transport's pace is passed on, and a paused response stops the transport's reading.
        """
        self.socket.producer.pauseProducing()
        self.socket.producer.resumeProducing()
        self.assertEqual(self.receiver.names(), ["pause", "resume"])
        self.connection.pause_response()
        self.assertEqual(self.socket.producerState, "paused")
        self.connection.resume_response()
        self.assertEqual(self.socket.producerState, "producing")

    def test_dying_transport(self) -> None:
        """
        A connection whose transport is about to close takes no other request.
        """
        self.socket.receive(OK_2)
        self.socket.loseConnection()
        self.assertFalse(self.connection.usable)

    def test_memory(self) -> None:
        """
        After a response, connection and parser hold no reference to each other or to the receiver.
        """
        self.socket.receive(OK_2)
        held = [value for value in vars(self.connection).values() if value is self.receiver]
        self.assertEqual(held, [])
        self.assertIsNone(vars(self.connection)["_reader"])

    @given(st.lists(st.binary(min_size=1, max_size=60), max_size=5), st.booleans())
    def test_garbage(self, garbage: list[bytes], begun: bool) -> None:
        """
        No bytes raise anything, and the receiver hears of exactly one end.
        """
        self.connect()
        if begun:
            self.socket.receive(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for data in garbage:
            self.socket.receive(data)
        self.socket.lose()
        self.reactor.advance(0)
        ends = [name for name in self.receiver.names() if name in ("finished", "broken")]
        self.assertEqual(len(ends), 1)
        self.assertEqual(self.owner.ended, 1)
