"""
Tests for :mod:`scepd.network.scep_upstream`.
"""

from __future__ import annotations

from dataclasses import replace

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionLost

from scepd.errors import UpstreamError, UpstreamFault, UpstreamStopped
from tests.network.cases import (
    CAPS,
    CHUNKED,
    GET_HEAD,
    IN_QUERY,
    OK_2,
    POST,
    POST_HEAD,
    TOLD_2,
    UpstreamTestCase,
)
from tests.network.doubles import TARGET, Consumer


class SharingTests(UpstreamTestCase):
    """
    Tests for the connections that exchanges share.
    """

    def test_keep_alive(self) -> None:
        """
        The next exchange goes over the same connection, without a pause.
        """
        socket = self.keep_connection()
        exchange = self.start(POST)
        exchange.write(b"abcd")
        exchange.finish()
        self.assertEqual(socket.take(), POST_HEAD + b"abcd")
        socket.receive(OK_2)
        self.assertEqual(self.consumer.events, TOLD_2)
        self.assertEqual(self.network.dialled, [])

    def test_exchange_from_within(self) -> None:
        """
        An exchange that begins when another's answer is complete may use its connection.
        """
        first = self.start(CAPS)
        first.finish()
        second = Consumer()
        self.consumer.reactions["finished"] = lambda: self.upstream.start(TARGET, POST, second)
        socket = self.network.accept()
        socket.clear()
        socket.receive(OK_2)
        self.assertEqual(socket.take(), POST_HEAD)
        self.assertEqual(second.events, [])

    def test_two_targets(self) -> None:
        """
        Connections are not shared by targets, not even by two of the same name.
        """
        self.keep_connection()
        self.start(CAPS, replace(TARGET, url="http://ca.example/other"))
        self.assertEqual(len(self.network.dialled), 1)

    def test_pools_are_bounded(self) -> None:
        """
        A target that is no longer used takes no memory, once its connections are gone.
        """
        for number in range(20):
            socket_of = replace(TARGET, url=f"http://ca.example/{number}")
            self.start(CAPS, socket_of).finish()
            self.network.accept().receive(OK_2)
        self.reactor.advance(30)
        self.start(CAPS)
        self.assertEqual(len(vars(self.upstream)["_pools"]), 1)

    def test_pool_of_a_pending_dial(self) -> None:
        """
        A connection that was dialled while other targets were asked is kept and found again.
        """
        self.start(CAPS).finish()
        self.start(CAPS, replace(TARGET, url="http://ca.example/other"))
        self.network.accept().receive(OK_2)
        self.start(CAPS)
        self.assertEqual(len(self.network.dialled), 1)

    def test_stopping(self) -> None:
        """
        When the upstream is closed, running exchanges fail at once, connected or not, and those
        that begin later; that is not the certificate authority's fault.
        """
        socket = self.keep_connection()
        consumers = []
        for request in (CAPS, POST):
            self.start(request)
            consumers.append(self.consumer)
        dialled = self.network.dialled
        self.upstream.close()
        for target in (TARGET, replace(TARGET, url="http://ca.example/other")):
            self.start(POST, target)
            consumers.append(self.consumer)
        self.reactor.advance(0)
        for consumer in consumers:
            self.assertIsInstance(consumer.error, UpstreamStopped)
            self.assertIn("scepd is stopping", str(consumer.error))
        self.assertTrue(socket.disconnecting)
        self.assertEqual(self.network.dialled, dialled)
        self.assertEqual(self.reactor.getDelayedCalls(), [])


class ResendTests(UpstreamTestCase):
    """
    Tests for kept connections that turn out to be dead.
    """

    def test_resent_once(self) -> None:
        """
        A request that may be sent again goes over a new connection, once.
        """
        socket = self.keep_connection()
        exchange = self.start(CAPS)
        exchange.finish()
        self.assertEqual(socket.take(), GET_HEAD)
        socket.lose()
        self.assertFalse(exchange.sent_whole)
        second = self.network.accept()
        self.assertTrue(exchange.sent_whole)
        self.assertEqual(second.take(), GET_HEAD)
        second.lose(ConnectionLost())
        self.assert_failed(
            UpstreamFault.CLOSED,
            "ca.example failed while waiting for the answer: "
            "it closed the connection without an answer",
        )
        self.assertEqual(self.network.dialled, [])

    def test_resent_and_answered(self) -> None:
        """
        The consumer of a request that was sent again notices a pause and then the answer.
        """
        socket = self.keep_connection()
        self.start(CAPS).finish()
        socket.lose()
        self.network.accept().receive(OK_2)
        self.assertEqual(self.consumer.events, [("pause",), ("resume",), *TOLD_2])

    def test_not_once_answered(self) -> None:
        """
        A request is not sent again when any byte of an answer came.
        """
        socket = self.keep_connection()
        self.start(CAPS).finish()
        socket.receive(b"H")
        socket.lose()
        self.assertEqual(self.consumer.events, [("failed", UpstreamFault.CLOSED)])
        self.assertEqual(self.network.dialled, [])

    def test_never_a_pki_operation(self) -> None:
        """
        A PKIOperation, in each of its forms, is not sent again.
        """
        for request in (POST, CHUNKED, IN_QUERY):
            self.reset()
            socket = self.keep_connection()
            exchange = self.start(request)
            exchange.write(b"abcd")
            exchange.finish()
            socket.lose()
            self.assertEqual(self.consumer.events, [("failed", UpstreamFault.CLOSED)])
            self.assertTrue(exchange.sent_whole)
            self.assertEqual(self.network.dialled, [])

    def test_no_old_connection_for_a_pki_operation(self) -> None:
        """
        A connection that was idle for over 15 s is good enough only for what may be sent again.
        """
        for request, dials in ((POST, 1), (CAPS, 0)):
            self.reset()
            self.keep_connection()
            self.reactor.advance(16)
            self.start(request)
            self.assertEqual(len(self.network.dialled), dials)

    def test_dead_before_use(self) -> None:
        """
        A connection that is known to be dead is not used: the request goes over a new one.
        """
        socket = self.keep_connection()
        socket.receive(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
        self.start(POST)
        self.assertEqual(len(self.network.dialled), 1)

    def test_surplus(self) -> None:
        """
        An answer with bytes behind it is the last of its connection.
        """
        self.start(CAPS).finish()
        socket = self.network.accept()
        socket.receive(OK_2 + OK_2.replace(b"ab", b"XX"))
        self.assertEqual(self.consumer.events[2:], TOLD_2)
        self.start(POST)
        self.assertEqual(len(self.network.dialled), 1)


class FetchTests(UpstreamTestCase):
    """
    Tests for SCEPUpstream.fetch().
    """

    def fetch(self, limit: int = 10) -> Deferred[tuple[bytes, bytes]]:
        """
        Begin to fetch.
        """
        answer = self.upstream.fetch(TARGET, b"operation=GetCACaps", limit=limit)
        return Deferred.fromCoroutine(answer)

    def failure(self, fetched: Deferred[tuple[bytes, bytes]]) -> tuple[UpstreamFault, str]:
        """
        How it failed; nothing is left behind.
        """
        error = self.failureResultOf(fetched, UpstreamError).value
        assert isinstance(error, UpstreamError)
        self.reactor.advance(0)
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        return error.fault, error.sentence

    def test_answer(self) -> None:
        """
        Content-Type and body come together; the connection is kept.
        """
        fetched = self.fetch()
        socket = self.network.accept()
        self.assertEqual(socket.take(), GET_HEAD)
        socket.receive(OK_2)
        self.assertEqual(self.successResultOf(fetched), (b"text/plain", b"ab"))
        self.assertFalse(socket.disconnecting)

    def test_no_content_type(self) -> None:
        """
        An answer without Content-Type and body is an answer.
        """
        fetched = self.fetch()
        self.network.accept().receive(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        self.assertEqual(self.successResultOf(fetched), (b"", b""))

    def test_status(self) -> None:
        """
        Another status than 200 is a failure; redirects are not followed.
        """
        for status in (301, 404, 500):
            self.reset()
            fetched = self.fetch()
            socket = self.network.accept()
            head = b"HTTP/1.1 %d x\r\nLocation: http://127.0.0.1/\r\nContent-Length: 2\r\n\r\nab"
            socket.receive(head % status)
            sentence = f"ca.example answered with HTTP status {status}"
            sentence += "; redirects are not followed" if status == 301 else ""
            self.assertEqual(self.failure(fetched), (UpstreamFault.STATUS, sentence))
            self.assertEqual(self.network.dialled, [])

    def test_too_long(self) -> None:
        """
        An answer above the limit is refused, by its announcement or by its bytes.
        """
        for answer in (
            b"Content-Length: 11\r\n\r\n",
            b"Transfer-Encoding: chunked\r\n\r\nb\r\naaaaaaaaaaa\r\n",
            b"\r\n" + b"a" * 11,
        ):
            self.reset()
            fetched = self.fetch()
            socket = self.network.accept()
            socket.receive(b"HTTP/1.1 200 OK\r\n" + answer)
            sentence = "ca.example answered more than 10 bytes"
            self.assertEqual(self.failure(fetched), (UpstreamFault.BODY, sentence))
            self.assertTrue(socket.disconnecting)

    def test_failures(self) -> None:
        """
        Failures to connect and to answer are raised.
        """
        self.network.names.addresses.clear()
        self.assertEqual(self.failure(self.fetch())[0], UpstreamFault.DNS)
        self.reset()
        fetched = self.fetch()
        self.network.accept()
        self.reactor.advance(60)
        self.assertEqual(self.failure(fetched)[0], UpstreamFault.TIMEOUT)

    def test_cancel(self) -> None:
        """
        A fetch that nobody waits for any more is given up.
        """
        for connected in (False, True):
            self.reset()
            fetched = self.fetch()
            socket = self.network.accept() if connected else None
            fetched.cancel()
            self.failureResultOf(fetched, CancelledError)
            self.reactor.advance(100)
            self.assertEqual(self.reactor.getDelayedCalls(), [])
            self.assertTrue(socket is None or socket.disconnecting)
