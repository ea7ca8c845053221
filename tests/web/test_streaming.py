"""
Tests for the way of request bodies and answers through a StreamingSite.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from scepd.web.streamed_request import StreamedRequest
from tests.support.http_device import DeviceEnd, in_chunks
from tests.support.streaming import CHUNKED, POST_10, StreamingTestCase


class BodyTests(StreamingTestCase):
    """
    Tests for bodies that are streamed.
    """

    def test_as_it_arrives(self) -> None:
        """
        The first bytes of a body are there before the last are sent, and its end is told once.
        """
        self.device.send(POST_10)
        self.device.send(b"0123")
        self.assertEqual((self.receiver.body, self.receiver.heard), (b"0123", []))
        self.device.send(b"456789")
        self.assertEqual((self.receiver.body, self.receiver.heard), (b"0123456789", ["finished"]))

    @settings(max_examples=60, deadline=None)
    @given(st.lists(st.binary(min_size=1, max_size=40), max_size=8), st.lists(st.integers(1, 60)))
    def test_split_anywhere(self, chunks: list[bytes], cuts: list[int]) -> None:
        """
        However a chunked request is cut into reads, its body is the same.
        """
        self.setUp()
        rest, reads = CHUNKED + in_chunks(*chunks) + b"0\r\n\r\n", []
        for cut in cuts:
            reads.append(rest[:cut])
            rest = rest[cut:]
        self.device.send(*filter(None, [*reads, rest]))
        self.assertEqual(self.receiver.body, b"".join(chunks))
        self.assertEqual(self.receiver.heard, ["finished"])
        self.answer()
        self.assertEqual(self.device.answer().body, b"fine")

    @settings(max_examples=80, deadline=None)
    @given(
        st.sampled_from([b"", b"GET / HTTP/1.1\r\n", b"GET /stream HTTP/1.1\r\n", CHUNKED]),
        st.lists(st.binary(max_size=60), max_size=5),
    )
    def test_junk(self, start: bytes, junk: list[bytes]) -> None:
        """
        Whatever is sent, nothing is raised.
        """
        self.setUp()
        self.device.send(start, *junk, b"\r\n\r\n", *junk)
        self.clock.advance(200)
        self.device.vanish()
        self.assertEqual(self.flushLoggedErrors(), [])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_buffered(self) -> None:
        """
        What nobody streams goes to the resource, whole; HTTP/1.0 and invitations work.
        """
        self.device.send(b"PUT /x HTTP/1.1\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
        self.assertEqual(self.device.transport.value(), b"HTTP/1.1 100 Continue\r\n\r\n")
        self.device.send(b"bo", b"dy", b"POST /x HTTP/1.0\r\nContent-Length: 1\r\n\r\n!")
        bodies = [answer.body for answer in self.device.answers()]
        self.assertEqual(bodies, [b"PUT body", b"POST !"])
        self.assertTrue(self.device.transport.disconnecting)

    def test_vanished(self) -> None:
        """
        A client that goes away is told of once, and everything after that is ignored.
        """
        self.device.send(POST_10, b"01")
        self.device.vanish()
        self.assertEqual(self.receiver.heard, ["lost"])
        request = self.receiver.request
        for call in (request.pause, request.resume, request.end, request.cut_off):
            call()
        request.begin("text/plain", None)
        request.pass_on(b"x")
        request.refuse(500, b"x")
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_vanished_in_mid_answer(self) -> None:
        """
        The producer is unregistered when the client goes away in the middle of its answer.
        """
        self.device.send(b"GET /stream HTTP/1.1\r\n\r\n")
        self.receiver.request.begin("text/plain", None)
        self.receiver.request.pass_on(b"x")
        self.device.vanish()
        self.assertEqual(self.receiver.heard, ["finished", "lost"])
        self.assertIsNone(self.device.channel._requestProducer)


class PauseTests(StreamingTestCase):
    """
    Tests for back-pressure.
    """

    def test_request(self) -> None:
        """
        A paused request is not read, and is read on when it is resumed.
        """
        self.device.send(POST_10, b"01")
        self.receiver.request.pause()
        self.assertFalse(self.device.is_read)
        self.receiver.request.resume()
        self.assertTrue(self.device.is_read)

    def test_resumed_by_the_transport(self) -> None:
        """
        Twisted's own reasons to read on do not resume a paused request.
        """
        self.device.send(POST_10, b"01")
        self.receiver.request.pause()
        self.device.channel.pauseProducing()
        self.device.channel.resumeProducing()
        self.assertFalse(self.device.is_read)

    def test_complete(self) -> None:
        """
        A request that is complete is not paused: there is nothing left to hold back, and only a
        connection that is read tells that the client is gone.
        """
        self.on_start = StreamedRequest.pause
        self.device.send(POST_10)
        self.assertFalse(self.device.is_read)
        self.device.send(b"0123456789")
        self.assertTrue(self.device.is_read)
        self.receiver.request.pause()
        self.assertTrue(self.device.is_read)

    def test_answer(self) -> None:
        """
        A client that is slow to read pauses the answer, and resumes it.
        """
        self.device.send(b"GET /stream HTTP/1.1\r\n\r\n")
        self.receiver.request.begin("text/plain", None)
        self.device.channel.pauseProducing()
        self.device.channel.resumeProducing()
        self.assertEqual(self.receiver.heard, ["finished", "pause", "resume"])

    def test_answer_on_a_full_connection(self) -> None:
        """
        An answer that begins while the one before is not read yet begins paused.
        """
        self.device.send(b"GET /stream HTTP/1.1\r\n\r\n")
        self.answer()
        self.device.channel.pauseProducing()
        self.device.send(b"GET /stream HTTP/1.1\r\n\r\n")
        self.receiver.request.begin("text/plain", None)
        self.assertEqual(self.receiver.heard, ["finished", "pause"])

    def test_invited_when_resumed(self) -> None:
        """
        A client that waits for an invitation gets it when its request is resumed, not before.
        """
        self.on_start = StreamedRequest.pause
        self.device.send(POST_10[:-2] + b"Expect: 100-continue\r\n\r\n")
        self.assertEqual(self.device.transport.value(), b"")
        self.receiver.request.resume()
        self.receiver.request.pause()
        self.receiver.request.resume()
        self.assertEqual(self.device.transport.value(), b"HTTP/1.1 100 Continue\r\n\r\n")

    def test_never_invited(self) -> None:
        """
        No invitation goes to HTTP/1.0, nor into an answer that has begun.
        """
        self.device.send(b"POST /x HTTP/1.0\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n")
        self.assertEqual(self.device.transport.value(), b"")
        self.on_start = StreamedRequest.pause
        other = DeviceEnd(self.site)
        other.send(POST_10[:-2] + b"Expect: 100-continue\r\n\r\n")
        self.receiver.request.begin("text/plain", 1)
        self.receiver.request.pass_on(b"x")
        self.receiver.request.resume()
        self.assertNotIn(b"100 Continue", other.transport.value())
