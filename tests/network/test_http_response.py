"""
Tests for :mod:`scepd.network.http_response`.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import UpstreamFault
from scepd.network.http_response import (
    BodyReceived,
    Event,
    ResponseBroken,
    ResponseFinished,
    ResponseReader,
    ResponseStarted,
)

NOT_HTTP = ResponseBroken(UpstreamFault.BODY, "its answer is not HTTP", True)
TOO_LONG = ResponseBroken(UpstreamFault.BODY, "the head of its answer is too long", True)
CODED = ResponseBroken(
    UpstreamFault.BODY, "its answer is in a transfer coding that nobody asked for", True
)
MIDDLE = ResponseBroken(
    UpstreamFault.CLOSED, "it closed the connection in the middle of its answer", True
)
OK_2 = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab"

RESPONSES = (
    OK_2,
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"3\r\nabc\r\n1;x=y\r\nd\r\n0\r\nA: b\r\n\r\n",
    b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nuntil the end",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 x\r\nLink: a\r\n\r\n" + OK_2,
    b"HTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab",
    b"SSH-2.0-OpenSSH_9.2\r\n",
)


def read(*chunks: bytes, clean: bool = True, end: bool = True) -> list[Event]:
    """
    The events of a response that comes in these chunks, its body joined.
    """
    reader = ResponseReader()
    events = [event for chunk in chunks for event in reader.receive(chunk)]
    if end:
        events += reader.end(clean=clean)
    return joined(events)


def joined(events: Iterable[Event]) -> list[Event]:
    """
    The same events with neighbouring pieces of a body in one.
    """
    result: list[Event] = []
    for event in events:
        if isinstance(event, BodyReceived) and result and isinstance(result[-1], BodyReceived):
            event = BodyReceived(result.pop().data + event.data)  # type: ignore[union-attr]
        result.append(event)
    return result


class ResponseReaderTests(SynchronousTestCase):
    """
    Tests for ResponseReader.
    """

    def test_content_length(self) -> None:
        """
        A body of known length ends with its last byte, and the connection stays good.
        """
        self.assertEqual(
            read(OK_2, end=False),
            [ResponseStarted(200, None, 2), BodyReceived(b"ab"), ResponseFinished(True)],
        )

    def test_chunked(self) -> None:
        """
        The chunks of one read come as one piece, and trailers are not headers.
        """
        head = b"HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nTransfer-Encoding: Chunked\r\n\r\n"
        body = b"1\r\na\r\n2\r\nbc\r\n0\r\nContent-Type: c/d\r\n\r\n"
        self.assertEqual(
            read(head + body, end=False),
            [ResponseStarted(200, b"a/b", None), BodyReceived(b"abc"), ResponseFinished(True)],
        )

    def test_until_end(self) -> None:
        """
        A body without a length ends with the connection, if that was closed as it should be.
        """
        raw = b"HTTP/1.1 200 OK\r\n\r\nab"
        started: list[Event] = [ResponseStarted(200, None, None), BodyReceived(b"ab")]
        self.assertEqual(read(raw), [*started, ResponseFinished(False)])
        self.assertEqual(read(raw, clean=False), [*started, MIDDLE])

    def test_no_body(self) -> None:
        """
        204 and 304 have no body, whatever their headers say.
        """
        for status in (204, 304):
            raw = b"HTTP/1.1 %d x\r\nTransfer-Encoding: gzip\r\n\r\n" % status
            expected = [ResponseStarted(status, None, None), ResponseFinished(True)]
            self.assertEqual(read(raw, end=False), expected)

    def test_interim(self) -> None:
        """
        Responses of the 1xx kind are passed over, with their headers.
        """
        raw = b"HTTP/1.1 103 x\r\nContent-Type: a/b\r\nLink: c\r\n\r\n" + OK_2
        self.assertEqual(read(raw, end=False)[0], ResponseStarted(200, None, 2))

    def test_close(self) -> None:
        """
        A server that says so, or speaks HTTP/1.0, gets no second request on the connection.
        """
        for raw in (
            b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        ):
            self.assertEqual(read(raw, end=False)[-1], ResponseFinished(False))

    def test_surplus(self) -> None:
        """
        Bytes after the response are nobody's: they bring no events and end the connection's use.
        """
        long = b"HTTP/1.1 200 OK\r\nA: " + b"a" * 70000
        for surplus in (OK_2, b"HTTP/1.1 100 Continue\r\n\r\n" + OK_2, b"\x00garbage", b"H", long):
            expected = [ResponseStarted(200, None, 2), BodyReceived(b"ab"), ResponseFinished(False)]
            self.assertEqual(read(OK_2 + surplus, end=False), expected, surplus[:20])

    def test_bytes_after_the_end(self) -> None:
        """
        Nothing comes after the last event, from the connection's end neither.
        """
        reader = ResponseReader()
        reader.receive(OK_2)
        self.assertEqual(list(reader.receive(OK_2)), [])
        self.assertEqual(list(reader.end(clean=True)), [])

    def test_cut(self) -> None:
        """
        A connection that ends early breaks the response; it matters whether any byte had come.
        """
        nothing = ResponseBroken(
            UpstreamFault.CLOSED, "it closed the connection without an answer", False
        )
        self.assertEqual(read(), [nothing])
        self.assertEqual(read(b"HTTP/1.1 200 OK\r\nA"), [MIDDLE])
        self.assertEqual(read(OK_2[:-1])[-1], MIDDLE)
        chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n"
        self.assertEqual(read(chunked)[-1], MIDDLE)

    def test_bad_length(self) -> None:
        """
        A length that is no number, doubled, negative or beyond 64 bits, or beside chunks, is an
        error; a huge one is a number.
        """
        for headers in (
            b"Content-Length: x",
            b"Content-Length: -1",
            b"Content-Length: +1",
            b"Content-Length: 1_0",
            b"Content-Length: 0x10",
            b"Content-Length:",
            b"Content-Length: 2\r\nContent-Length: 2",
            b"Content-Length: 2, 2",
            b"Content-Length: 18446744073709551616",
            b"Content-Length: 2\r\nTransfer-Encoding: chunked",
            b"Transfer-Encoding: chunked\r\nContent-Length: 2",
        ):
            raw = b"HTTP/1.1 200 OK\r\n%b\r\n\r\nab" % headers
            self.assertEqual(read(raw, end=False), [NOT_HTTP], headers)
        huge = b"HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615 \r\n\r\n"
        self.assertEqual(read(huge, end=False), [ResponseStarted(200, None, 2**64 - 1)])

    def test_other_codings(self) -> None:
        """
        A body that can't be read is refused before it begins.
        """
        for coding in (b"gzip", b"gzip, chunked", b"gzip\r\nTransfer-Encoding: chunked"):
            raw = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: %b\r\n\r\n1\r\na\r\n0\r\n\r\n" % coding
            self.assertEqual(read(raw, end=False), [CODED], coding)

    def test_upgrade(self) -> None:
        """
        A change of protocol that nobody asked for is an error, the mere offer of one is not.
        """
        for headers in (b"", b"Connection: upgrade\r\nUpgrade: h2c\r\n"):
            raw = b"HTTP/1.1 101 Switching\r\n%b\r\nxx" % headers
            self.assertEqual(read(raw, end=False), [NOT_HTTP])
        offer = OK_2.replace(b"\r\n\r\n", b"\r\nConnection: Upgrade\r\nUpgrade: h2,h2c\r\n\r\n")
        self.assertEqual(read(offer, end=False)[1], BodyReceived(b"ab"))

    def test_long_head(self) -> None:
        """
        A head above 64 kB is refused, in one read, in many, over many interim responses, and when
        it never ends.
        """
        line = b"A: " + b"a" * 1000 + b"\r\n"
        whole = b"HTTP/1.1 200 OK\r\n" + line * 66 + b"Content-Length: 0\r\n\r\n"
        pieces = [whole[at : at + 16384] for at in range(0, len(whole), 16384)]
        endless = [b"HTTP/1.1 200 OK\r\nA: "] + [b"a" * 16384] * 4
        interim = [b"HTTP/1.1 100 Continue\r\n\r\n"] * 2700
        for chunks in ([whole], pieces, endless, interim):
            self.assertEqual(read(*chunks, end=False), [TOO_LONG])
        below = whole.replace(line * 66, line * 60)
        self.assertEqual(read(below, end=False)[-1], ResponseFinished(True))

    def test_long_framing(self) -> None:
        """
        Chunk extensions and trailers without an end are refused too.
        """
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n"
        for start in (b"1;x=", b"0\r\nA: "):
            self.assertEqual(read(head + start, *[b"a" * 16384] * 5, end=False)[-1], TOO_LONG)

    def test_tiny_chunks(self) -> None:
        """
        The framing of a long body in tiny chunks is not taken for a long head.
        """
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        events = read(head, *[b"1\r\na\r\n"] * 20000, b"0\r\n\r\n", end=False)
        self.assertEqual(events[1:], [BodyReceived(b"a" * 20000), ResponseFinished(True)])

    @given(st.sampled_from(RESPONSES), st.lists(st.integers(1, 200), max_size=12), st.booleans())
    def test_split_anywhere(self, raw: bytes, cuts: list[int], clean: bool) -> None:
        """
        However a response is cut into reads, its events are the same.
        """
        edges = [0, *sorted(cut for cut in set(cuts) if cut < len(raw)), len(raw)]
        pieces = [raw[a:b] for a, b in pairwise(edges)]
        self.assertEqual(read(*pieces, clean=clean), read(raw, clean=clean))

    @given(st.lists(st.binary(max_size=100), max_size=5), st.sampled_from((b"", *RESPONSES)))
    def test_garbage(self, garbage: list[bytes], prefix: bytes) -> None:
        """
        Whatever comes, nothing is raised, and exactly one event ends the response.
        """
        for cut in (0, len(prefix) // 2, len(prefix)):
            events = read(prefix[:cut], *garbage)
            final = [
                event for event in events if isinstance(event, ResponseFinished | ResponseBroken)
            ]
            self.assertEqual(final, events[-1:])
