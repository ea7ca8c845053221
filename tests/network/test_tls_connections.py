"""
Tests for outgoing TLS connections: handshakes that come to no end, and how connections end.
"""

from __future__ import annotations

from typing import Any

from OpenSSL import SSL
from twisted.python.failure import Failure

from scepd.errors import UpstreamFault
from scepd.network.handshake import handshake_complaint
from tests.network.tls_cases import GOOD, OK_2, TLSTestCase


class HandshakeTests(TLSTestCase):
    """
    Tests for handshakes that do not come to an end, and for the end of TLS connections.
    """

    def test_no_tls(self) -> None:
        """
        A server that speaks plain HTTP is told apart.
        """
        self.start()
        pump = self.accept(self.server)
        self.server.received = b""
        self.server.transport.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        pump.flush()
        self.server.received = b""
        self.assert_refused("it does not speak TLS")

    def test_closed(self) -> None:
        """
        A server that closes during the handshake fails the dial.
        """
        self.start()
        pump = self.accept(self.server)
        self.server.received = b""
        self.server.transport.loseConnection()
        pump.flush()
        self.assert_refused("the connection was closed during the handshake")

    def test_stalled(self) -> None:
        """
        A server that accepts and says nothing fails the dial at its deadline.
        """
        self.start()
        self.accept(self.server)
        self.network.reactor.advance(10)
        self.assertEqual(
            str(self.consumer.error),
            "the TLS handshake with ca.example was not complete within 10 s",
        )
        self.assertEqual(self.consumer.events[-1], ("failed", UpstreamFault.TIMEOUT))
        self.assertTrue(self.client_end.disconnecting)
        self.assertEqual(self.network.reactor.getDelayedCalls(), [])

    def test_aborted(self) -> None:
        """
        An exchange that is given up between TCP and TLS closes the connection.
        """
        exchange = self.start()
        pump = self.accept(self.server)
        exchange.abort()
        self.assertTrue(self.client_end.disconnecting)
        pump.flush()
        self.assertEqual(self.consumer.names(), ["pause"])
        self.assertEqual(self.network.reactor.getDelayedCalls(), [])

    def test_small_buffers(self) -> None:
        """
        Below TLS, too, reads and buffers are of 16 kB.
        """
        self.start()
        self.accept_tls(GOOD)
        self.assertEqual(getattr(self.client_end, "bufferSize", None), 16384)

    def test_back_pressure(self) -> None:
        """
        A paused answer pauses the transport below TLS.
        """
        calls: list[str] = []
        exchange = self.start()
        self.accept_tls(GOOD)
        self.patch(self.client_end, "pauseProducing", lambda: calls.append("pause"))
        self.patch(self.client_end, "resumeProducing", lambda: calls.append("resume"))
        exchange.pause_answer()
        exchange.resume_answer()
        self.assertEqual(calls, ["pause", "resume"])
        producer: Any = self.client_end.producer
        producer.pauseProducing()
        producer.resumeProducing()
        self.assertEqual(self.consumer.names(), ["pause", "resume", "pause", "resume"])

    def test_clean_end(self) -> None:
        """
        A body without length is complete when TLS is closed as it should be.
        """
        self.start()
        pump = self.accept_tls(GOOD)
        self.server.transport.write(b"HTTP/1.0 200 OK\r\n\r\nab")
        self.server.transport.loseConnection()
        pump.flush()
        self.assertEqual(self.consumer.events[-1], ("finished",))

    def test_cut(self) -> None:
        """
        A body without length is not complete when the connection ends below TLS: anybody on the
        way could have cut it.
        """
        self.start()
        pump = self.accept_tls(GOOD)
        self.server.transport.write(b"HTTP/1.0 200 OK\r\n\r\nab")
        pump.flush()
        self.server_end.loseConnection()
        pump.flush()
        self.assertEqual(self.consumer.events[-1], ("failed", UpstreamFault.CLOSED))

    def test_reused(self) -> None:
        """
        A TLS connection is kept for the next exchange, until the server closes it.
        """
        self.start()
        pump = self.accept_tls(GOOD)
        self.server.transport.write(OK_2)
        pump.flush()
        self.server.received = b""
        self.start()
        pump.flush()
        self.assertTrue(self.server.received.startswith(b"GET "))
        self.server.transport.write(OK_2)
        self.server.transport.loseConnection()
        pump.flush()
        self.assertEqual(self.consumer.names().count("finished"), 2)
        self.start()
        self.assertEqual(self.network.dialled, [("192.0.2.1", 443)])

    def test_complaints(self) -> None:
        """
        OpenSSL's reasons become the end of a sentence, known or not.
        """
        for error, complaint in (
            (SSL.Error([("SSL routines", "", "some reason"), ("", "", "x")]), "some reason, x"),
            (SSL.Error([]), "the handshake failed"),
            (SSL.Error(), "the connection was closed during the handshake"),
        ):
            self.assertEqual(handshake_complaint(Failure(error)), complaint)
