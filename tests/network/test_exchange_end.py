"""
Tests for :mod:`scepd.network.exchange`: what is given up, or fails.
"""

from __future__ import annotations

import gc
import weakref
from dataclasses import replace

from scepd.errors import UpstreamFault
from scepd.network.scep_upstream import SCEPUpstream
from tests.network.cases import (
    CAPS,
    CHUNKED,
    OK_2,
    POST,
    TOLD_2,
    UpstreamTestCase,
)
from tests.network.doubles import LIMITS, TARGET, Consumer, Socket


class AbortTests(UpstreamTestCase):
    """
    Tests for exchanges that are given up.
    """

    def test_while_dialling(self) -> None:
        """
        The dial is cancelled, and nothing is heard of it.
        """
        exchange = self.start(POST)
        exchange.abort()
        exchange.abort()
        self.assertTrue(self.reactor.connectors[0].stoppedConnecting)
        exchange.write(b"abcd")
        exchange.finish()
        self.reactor.advance(100)
        self.assertEqual(self.consumer.names(), ["pause"])
        self.assertFalse(exchange.sent_whole)

    def test_from_within(self) -> None:
        """
        A consumer that aborts while it is told something hears nothing more, whatever the same
        read held; the connection is closed.
        """
        for moment in ("resume", "started", "received"):
            self.reset()
            exchange = self.start(CAPS)
            exchange.finish()
            self.consumer.reactions[moment] = exchange.abort
            socket = self.network.accept()
            socket.receive(OK_2)
            self.reactor.advance(100)
            self.assertEqual(self.consumer.names()[-1], moment)
            self.assertTrue(socket.disconnecting)
            self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_when_finished(self) -> None:
        """
        To abort a finished exchange leaves its connection to the next one.
        """
        exchange = self.start(CAPS)
        exchange.finish()
        self.consumer.reactions["finished"] = exchange.abort
        socket = self.network.accept()
        socket.receive(OK_2)
        exchange.abort()
        self.assertFalse(socket.disconnecting)

    def test_before_a_resend(self) -> None:
        """
        A consumer that gives up when it hears that another connection is needed gets none.
        """
        socket = self.keep_connection()
        exchange = self.start(CAPS)
        exchange.finish()
        self.consumer.reactions["pause"] = exchange.abort
        socket.lose()
        self.assertEqual(self.network.dialled, [])
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_frees(self) -> None:
        """
        An exchange that is over holds its consumer no longer.
        """
        exchange = self.start(POST)
        gone = weakref.ref(self.consumer)
        exchange.write(b"ab")
        exchange.abort()
        gc.disable()
        self.addCleanup(gc.enable)
        self.consumer = Consumer()
        self.assertIsNone(gone())
        self.assertEqual(vars(exchange)["_waiting"], [])


class FailureTests(UpstreamTestCase):
    """
    Tests for exchanges that fail.
    """

    def test_refused(self) -> None:
        """
        A request that was complete before its connection was refused was not sent.
        """
        exchange = self.start(POST)
        exchange.write(b"abcd")
        exchange.finish()
        self.network.refuse()
        self.reactor.advance(1)
        self.assert_failed(UpstreamFault.REFUSED, "ca.example refused the connection")
        self.assertFalse(exchange.sent_whole)

    def test_fails_at_once(self) -> None:
        """
        A failure that is known at once is told, and the exchange takes further calls.
        """
        exchange = self.start(POST, replace(TARGET, url="http://unknown.example/"))
        self.assert_failed(UpstreamFault.DNS, "the host name unknown.example has no address")
        exchange.write(b"abcd")
        exchange.finish()
        exchange.pause_answer()
        exchange.resume_answer()
        exchange.abort()
        self.assertFalse(exchange.sent_whole)

    def test_connects_at_once(self) -> None:
        """
        A connection that is there before the dial returns is used, and the consumer resumed.
        """
        connect = self.reactor.connectTCP

        def connect_at_once(*arguments: object, **options: object) -> object:
            connector = connect(*arguments, **options)
            self.sockets.append(self.network.accept())
            return connector

        self.sockets: list[Socket] = []
        self.patch(self.reactor, "connectTCP", connect_at_once)
        self.start(CAPS).finish()
        self.assertEqual(self.consumer.names(), ["pause", "resume"])
        self.sockets[0].receive(OK_2)
        self.assertEqual(self.consumer.events[2:], TOLD_2)

    def test_phases(self) -> None:
        """
        A deadline says what was going on.
        """
        for steps, doing in ((0, "sending the request"), (1, "waiting"), (2, "reading the answer")):
            self.reset()
            exchange = self.start(CHUNKED)
            socket = self.network.accept()
            if steps > 0:
                exchange.finish()
            if steps > 1:
                socket.receive(OK_2[:-1])
            self.reactor.advance(60)
            self.assertIn(f"60 s were over while {doing}", str(self.consumer.error))
            self.assertEqual(self.consumer.events[-1], ("failed", UpstreamFault.TIMEOUT))
            self.reactor.advance(0)
            self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_deadline_while_dialling(self) -> None:
        """
        An exchange deadline that is shorter than the dial's ends both.
        """
        self.upstream = SCEPUpstream(self.reactor, replace(LIMITS, exchange_timeout=3))
        self.start(POST)
        self.reactor.advance(3)
        self.assert_failed(
            UpstreamFault.TIMEOUT, "ca.example was too slow: 3 s were over while connecting"
        )

    def test_trickle(self) -> None:
        """
        An answer that trickles does not outlive the deadline.
        """
        self.start(CAPS).finish()
        socket = self.network.accept()
        socket.receive(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n")
        for _ in range(60):
            socket.receive(b"a")
            self.reactor.advance(1)
        self.assertEqual(self.consumer.events[-1], ("failed", UpstreamFault.TIMEOUT))

    def test_dies_in_mid_answer(self) -> None:
        """
        A connection that ends within the answer is a failure, whatever the request.
        """
        self.start(CAPS).finish()
        socket = self.network.accept()
        socket.receive(OK_2[:-1])
        socket.lose()
        self.assert_failed(
            UpstreamFault.CLOSED,
            "ca.example failed while reading the answer: "
            "it closed the connection in the middle of its answer",
        )
        self.assertEqual(self.network.dialled, [])

    def test_nonsense(self) -> None:
        """
        An answer that is not HTTP is a body fault.
        """
        self.start(CAPS).finish()
        self.network.accept().receive(b"220 mail.example ESMTP\r\n")
        self.assert_failed(
            UpstreamFault.BODY,
            "ca.example failed while waiting for the answer: its answer is not HTTP",
        )
