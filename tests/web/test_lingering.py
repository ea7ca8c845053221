"""
Tests for answers, refusals and deadlines of a StreamingSite's connections.
"""

from __future__ import annotations

from scepd.web.streamed_request import StreamedRequest
from tests.support.http_device import DeviceEnd, in_chunks
from tests.support.proxy import REQUEST_TIMEOUT
from tests.support.streaming import BODY_LIMIT, CHUNKED, GET, POST_10, StreamingTestCase


class AnswerTests(StreamingTestCase):
    """
    Tests for whole answers.
    """

    def test_kept_alive(self) -> None:
        """
        Requests follow one another on a connection, pipelined ones too.
        """
        self.on_start = StreamedRequest.pause
        self.device.send(GET + POST_10 + b"0123456789" + GET)
        for count in (1, 2, 3):
            self.assertEqual(len(self.receivers), count)
            self.answer(length=4)
        self.assertEqual([answer.body for answer in self.device.answers()], [b"fine"] * 3)
        self.assertEqual(self.counted, [(b"GET", 200), (b"POST", 200), (b"GET", 200)])
        self.assertTrue(self.device.is_read)

    def test_length(self) -> None:
        """
        A known length is told; else the answer goes in chunks, or to the end of an HTTP/1.0
        connection.
        """
        self.device.send(GET)
        self.answer(length=4)
        self.device.send(GET)
        self.answer()
        self.device.send(b"GET /stream HTTP/1.0\r\n\r\n")
        self.answer()
        known, chunked, old = self.device.answers()
        self.assertEqual(known.headers["content-length"], "4")
        self.assertEqual(chunked.headers["transfer-encoding"], "chunked")
        self.assertNotIn("transfer-encoding", old.headers)
        self.assertEqual((known.body, chunked.body, old.body), (b"fine",) * 3)
        self.assertTrue(self.device.transport.disconnecting)

    def test_before_the_request_is_complete(self) -> None:
        """
        An answer that comes early is whole, the rest of the request is no second one, and the
        connection is closed after it.
        """
        self.device.send(POST_10, b"01")
        self.answer()
        self.assertEqual(self.device.answer().headers["connection"], "close")
        self.assertFalse(self.device.transport.disconnecting)
        self.device.send(b"23456789" + GET)
        self.assertTrue(self.device.transport.disconnecting)
        self.assertEqual((len(self.receivers), len(self.device.answers())), (1, 1))
        self.assertEqual(self.receiver.body, b"01")

    def test_before_the_body(self) -> None:
        """
        An answer at the first sight of the headers needs no body to be complete.
        """
        self.on_start = lambda request: self.answer()
        self.device.send(GET, GET)
        self.assertEqual([answer.body for answer in self.device.answers()], [b"fine"] * 2)

    def test_cut_off(self) -> None:
        """
        An answer that is cut off looks so, whatever else of the request was in the same read.
        """
        self.device.send(CHUNKED)
        request = self.receiver.request
        request.begin("text/plain", None)
        request.pass_on(b"fi")
        self.receiver.on_data = request.cut_off
        self.device.send(in_chunks(b"a", b"b") + b"0\r\n\r\n")
        self.assertTrue(self.device.answer().truncated)
        self.assertTrue(self.device.transport.disconnected)
        self.assertIsNone(self.device.channel._requestProducer)
        self.device.vanish()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_malformed_chunk_in_mid_answer(self) -> None:
        """
        No second answer is written into one that has begun.
        """
        self.device.send(CHUNKED)
        self.receiver.request.begin("text/plain", None)
        self.receiver.request.pass_on(b"fi")
        self.device.send(b"nonsense\r\n")
        self.assertTrue(self.device.transport.disconnected)
        self.assertNotIn(b"400", self.device.transport.value())


class RefusalTests(StreamingTestCase):
    """
    Tests for refused requests.
    """

    def refuse(self, request: StreamedRequest) -> None:
        """
        Refuse at the first sight.
        """
        request.refuse(403, b"no\n", retry_after=5)

    def test_without_body(self) -> None:
        """
        After the refusal of a request without a body the connection goes on.
        """
        self.on_start = self.refuse
        self.device.send(GET, GET)
        answers = self.device.answers()
        self.assertEqual([answer.status for answer in answers], [403, 403])
        self.assertEqual(answers[0].headers["retry-after"], "5")
        self.assertNotIn("connection", answers[0].headers)

    def test_with_body(self) -> None:
        """
        The rest of a refused request is drained before the connection is closed.
        """
        self.on_start = self.refuse
        self.device.send(POST_10[:-2] + b"Expect: 100-continue\r\n\r\n", b"01")
        self.assertEqual(self.device.answer().headers["connection"], "close")
        self.assertEqual(self.device.answer().body, b"no\n")
        self.assertFalse(self.device.transport.disconnecting)
        self.device.send(b"23456789" + GET)
        self.assertTrue(self.device.transport.disconnecting)
        self.assertEqual(len(self.receivers), 1)

    def test_lingers_after_it_was_too_long(self) -> None:
        """
        A body that is too long in its first read, of which the client is told some time later: the
        connection does not wait for the rest for ever.
        """
        self.on_start = StreamedRequest.pause
        self.device.send(CHUNKED + in_chunks(b"x" * (BODY_LIMIT + 1)))
        self.assertEqual(self.receiver.heard, [f"longer than {BODY_LIMIT}"])
        self.refuse(self.receiver.request)
        self.assertFalse(self.device.transport.disconnecting)
        self.clock.advance(2)
        self.assertTrue(self.device.transport.disconnecting)

    def test_lingers_two_seconds(self) -> None:
        """
        A client that neither sends the rest nor goes away loses its connection.
        """
        self.on_start = self.refuse
        self.device.send(POST_10)
        self.clock.advance(1.9)
        self.assertFalse(self.device.transport.disconnecting)
        self.clock.advance(0.2)
        self.assertTrue(self.device.transport.disconnecting)
        self.assertEqual(self.counted, [(b"POST", 403)])

    def test_lingers_a_megabyte(self) -> None:
        """
        Not more than about a megabyte is drained.
        """
        self.on_start = self.refuse
        self.device.send(CHUNKED)
        chunk, count = in_chunks(bytes(16000)), 0
        while not self.device.transport.disconnecting:
            self.device.send(chunk)
            count += 1
        self.assertEqual(count, 66)
        self.assertEqual(self.counted, [(b"POST", 403)])

    def test_declared_too_long(self) -> None:
        """
        A Content-Length above the limit is refused unread, uninvited and for every path.
        """
        for path in (b"/stream", b"/x"):
            device = DeviceEnd(self.site)
            device.send(
                b"POST %b HTTP/1.1\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n"
                % (path, BODY_LIMIT + 1)
            )
            self.assertTrue(device.transport.value().startswith(b"HTTP/1.1 413 "))
            self.assertEqual(device.answer().body, b"the request is larger than 1000 bytes\n")
        self.assertEqual(self.receivers, [])

    def test_chunks_too_long(self) -> None:
        """
        At the first byte too many the receiver is told, once, and gets nothing more.
        """
        self.device.send(CHUNKED, in_chunks(bytes(BODY_LIMIT)))
        self.assertEqual(self.receiver.heard, [])
        self.device.send(in_chunks(b"x", b"y") + b"0\r\n\r\n")
        self.assertEqual(self.receiver.heard, ["longer than 1000"])
        self.assertEqual(len(self.receiver.body), BODY_LIMIT)

    def test_buffered_chunks_too_long(self) -> None:
        """
        Chunks that nobody streams are refused likewise.
        """
        self.device.send(CHUNKED.replace(b"/stream", b"/x"), in_chunks(bytes(BODY_LIMIT), b"x"))
        self.assertEqual(self.device.answer().status, 413)


class DeadlineTests(StreamingTestCase):
    """
    Tests for clients that take their time.
    """

    def trickle(self, seconds: float) -> None:
        """
        Let time pass, a second at a time.
        """
        for _ in range(int(seconds)):
            self.clock.advance(1)

    def test_slow_head(self) -> None:
        """
        A head that trickles in is cut off at its deadline, of a second request too.
        """
        for before in (b"", GET):
            device = DeviceEnd(self.site)
            if before:
                device.send(before)
                self.answer()
            for _ in range(int(REQUEST_TIMEOUT)):
                device.send(b"G")
                self.clock.advance(1)
            self.assertTrue(device.transport.disconnected)

    def test_slow_body(self) -> None:
        """
        A body that trickles in is told of at its deadline, which rests while the request is paused.
        """
        self.device.send(POST_10, b"0")
        self.trickle(20)
        self.receiver.request.pause()
        self.trickle(200)
        self.receiver.request.resume()
        self.trickle(9)
        self.assertEqual(self.receiver.heard, [])
        self.trickle(1)
        self.assertEqual(self.receiver.heard, ["too slow"])
        self.device.send(b"123456789")
        self.assertEqual(self.receiver.heard, ["too slow"])

    def test_stalled_body(self) -> None:
        """
        A client that falls silent gets its 408 before the idle timeout closes its connection.
        """
        self.site.request_timeout = 60.0
        self.device.send(POST_10.replace(b"/stream", b"/x") + b"0")
        self.trickle(60)
        self.assertEqual(self.device.answer().status, 408)

    def test_idle(self) -> None:
        """
        The idle timeout counts again after an answer, however the request was paused.
        """
        self.on_start = StreamedRequest.pause
        self.device.send(POST_10 + b"0123456789")
        self.trickle(300)
        self.receiver.request.pause()
        self.receiver.request.resume()
        self.answer()
        self.trickle(59)
        self.assertFalse(self.device.transport.disconnecting)
        self.trickle(2)
        self.assertTrue(self.device.transport.disconnecting)

    def test_closed_and_not_read(self) -> None:
        """
        A connection that is closed while the client does not read ends all the same.
        """
        self.device.send(b"GET /stream HTTP/1.1\r\nConnection: close\r\n\r\n")
        self.answer()
        self.assertFalse(self.device.transport.disconnected)
        self.trickle(REQUEST_TIMEOUT)
        self.assertTrue(self.device.transport.disconnected)

    def test_long_lines(self) -> None:
        """
        A request line or header above 16 kB is told so.
        """
        for head, status in ((b"", 414), (b"GET / HTTP/1.1\r\n", 431)):
            device = DeviceEnd(self.site)
            device.send(head, b"x" * 20000)
            self.assertEqual(device.answer().status, status)
            self.assertTrue(device.transport.disconnecting)

    def test_after_the_close(self) -> None:
        """
        What TLS still delivers after a connection was closed is no request.
        """
        self.device.send(b"nonsense\r\n")
        self.assertEqual(self.device.answer().status, 400)
        self.device.channel.dataReceived(GET)
        self.assertEqual(self.receivers, [])
