"""
Tests for :mod:`scepd.network.exchange`: what goes well.
"""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from scepd.errors import UpstreamFault
from tests.network.cases import (
    CAPS,
    CHUNKED,
    HEADERS,
    IN_QUERY,
    OK_2,
    POST,
    POST_HEAD,
    UpstreamTestCase,
)
from tests.network.doubles import Socket


class StreamTests(UpstreamTestCase):
    """
    Tests for what an exchange sends and tells when all goes well.
    """

    def test_post(self) -> None:
        """
        Head and body go out as they come; the answer is told as it comes.
        """
        exchange = self.start(POST)
        socket = self.network.accept()
        self.assertEqual(socket.take(), POST_HEAD)
        exchange.write(b"ab")
        self.assertEqual(socket.take(), b"ab")
        exchange.write(b"cd")
        self.assertFalse(exchange.sent_whole)
        exchange.finish()
        self.assertTrue(exchange.sent_whole)
        self.assertEqual(socket.take(), b"cd")
        socket.receive(OK_2[:-1])
        socket.receive(OK_2[-1:])
        self.assertEqual(
            self.consumer.events,
            [
                ("pause",),
                ("resume",),
                ("started", 200, b"text/plain", 2),
                ("received", b"a"),
                ("received", b"b"),
                ("finished",),
            ],
        )

    def test_body_before_connection(self) -> None:
        """
        What is written while the connection is made goes out behind the head, in every form.
        """
        for request, tail in (
            (POST, b"\r\n\r\nabcd"),
            (CHUNKED, b"\r\n\r\n2\r\nab\r\n2\r\ncd\r\n0\r\n\r\n"),
            (IN_QUERY, b"&message=YWJjZA%3D%3D" + HEADERS),
        ):
            self.reset()
            exchange = self.start(request)
            exchange.write(b"ab")
            exchange.write(b"cd")
            exchange.finish()
            self.assertFalse(exchange.sent_whole)
            socket = self.network.accept()
            self.assertTrue(exchange.sent_whole)
            written = socket.take()
            self.assertTrue(written.endswith(tail), written)
            self.assertEqual(written.count(b"HTTP/1.1"), 1)

    def test_body_in_query(self) -> None:
        """
        A GET PKIOperation's request line grows as the message comes and ends when it ends.
        """
        exchange = self.start(IN_QUERY)
        socket = self.network.accept()
        self.assertEqual(socket.take(), b"GET /scep?operation=PKIOperation&message=")
        exchange.write(b"\xff\xff\xff\xff")
        self.assertEqual(socket.take(), b"%2F%2F%2F%2F")
        exchange.finish()
        self.assertEqual(
            socket.take(),
            b"%2Fw%3D%3D HTTP/1.1\r\nHost: ca.example\r\nUser-Agent: scepd\r\nAccept: */*\r\n\r\n",
        )

    def test_early_answer(self) -> None:
        """
        An answer that is complete before the request ends the exchange; the connection, which is
        owed the rest, is not used again, and the rest goes nowhere.
        """
        exchange = self.start(POST)
        socket = self.network.accept()
        socket.clear()
        socket.receive(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        self.assertEqual(self.consumer.names()[-2:], ["started", "finished"])
        self.assertTrue(socket.disconnecting)
        exchange.write(b"abcd")
        exchange.finish()
        self.assertEqual(socket.take(), b"")
        self.assertFalse(exchange.sent_whole)

    def test_finish_twice(self) -> None:
        """
        A request ends once, whatever is called afterwards.
        """
        exchange = self.start(CHUNKED)
        socket = self.network.accept()
        socket.clear()
        for _ in range(2):
            exchange.finish()
            exchange.write(b"ab")
        self.assertEqual(socket.take(), b"0\r\n\r\n")

    def test_wrong_length(self) -> None:
        """
        A body of another length than announced is a ValueError and never goes out whole.
        """
        exchange = self.start(POST)
        socket = self.network.accept()
        socket.clear()
        exchange.write(b"abc")
        self.assertRaises(ValueError, exchange.finish)
        self.assertRaises(ValueError, exchange.write, b"de")
        self.assertFalse(exchange.sent_whole)
        self.assertEqual(socket.take(), b"abc")

    @given(st.binary(max_size=400), st.lists(st.integers(1, 300), max_size=6))
    def test_split_anywhere(self, body: bytes, cuts: list[int]) -> None:
        """
        However an answer is cut, the consumer hears of one start, the whole body and one end.
        """
        self.reset()
        raw = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
        self.start(CAPS).finish()
        socket = self.network.accept()
        edges = [0, *sorted(cut for cut in set(cuts) if cut < len(raw)), len(raw)]
        for begin, end in pairwise(edges):
            socket.receive(raw[begin:end])
        others = [event for event in self.consumer.events[2:] if event[0] != "received"]
        self.assertEqual(others, [("started", 200, None, len(body)), ("finished",)])
        self.assertEqual(self.consumer.body, body)


class BackPressureTests(UpstreamTestCase):
    """
    Tests for who is told to pause, and when.
    """

    def test_slow_authority(self) -> None:
        """
        A transport that has enough pauses the consumer until it takes more, each told once.
        """
        self.start(POST)
        producer = self.network.accept().producer
        for _ in range(2):
            producer.pauseProducing()
        for _ in range(2):
            producer.resumeProducing()
        self.assertEqual(self.consumer.names(), ["pause", "resume", "pause", "resume"])

    def test_full_from_the_start(self) -> None:
        """
        A consumer whose early bytes fill the new connection is not resumed before it has room.
        """
        exchange = self.start(CHUNKED)
        exchange.write(b"a" * 60000)
        write = Socket.write

        def write_and_fill(socket: Socket, data: bytes) -> None:
            write(socket, data)
            if len(data) > 16384:
                socket.producer.pauseProducing()

        self.patch(Socket, "write", write_and_fill)
        socket = self.network.accept()
        self.assertEqual(self.consumer.names(), ["pause"])
        socket.producer.resumeProducing()
        self.assertEqual(self.consumer.names(), ["pause", "resume"])

    def test_slow_device(self) -> None:
        """
        A paused answer stops the reading of the connection, even when the connection comes later.
        """
        exchange = self.start(CAPS)
        exchange.finish()
        exchange.pause_answer()
        socket = self.network.accept()
        self.assertEqual(socket.producerState, "paused")
        exchange.resume_answer()
        self.assertEqual(socket.producerState, "producing")
        exchange.pause_answer()
        self.assertEqual(socket.producerState, "paused")

    def test_deadline_while_paused(self) -> None:
        """
        The deadline ends a paused exchange too.
        """
        exchange = self.start(CAPS)
        exchange.finish()
        socket = self.network.accept()
        exchange.pause_answer()
        self.reactor.advance(60)
        self.assertTrue(socket.disconnecting)
        self.assert_failed(
            UpstreamFault.TIMEOUT,
            "ca.example was too slow: 60 s were over while waiting for the answer",
        )
        exchange.resume_answer()
