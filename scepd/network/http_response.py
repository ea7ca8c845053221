"""
One HTTP/1.1 response, without I/O: bytes in, events out; a thin layer over httptools' parser.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from scepd.errors import UpstreamFault

_MAX_HEAD = 65536
_NO_BODY = (204, 304)
_KNOWN = frozenset((b"content-type", b"content-length", b"transfer-encoding"))


@dataclass(frozen=True, slots=True)
class ResponseStarted:
    """
    The head is in.

    :param content_type: as it came; of a repeated one the last.
    :param length: of the body in bytes, when the server said.
    """

    status: int
    content_type: bytes | None
    length: int | None


@dataclass(frozen=True, slots=True)
class BodyReceived:
    """
    Some bytes of the body, at least one.
    """

    data: bytes


@dataclass(frozen=True, slots=True)
class ResponseFinished:
    """
    The body is complete.

    :param reusable: whether another request may follow on the same connection.
    """

    reusable: bool


@dataclass(frozen=True, slots=True)
class ResponseBroken:
    """
    No whole response comes.

    :param complaint: why, as the end of a sentence.
    :param answered: whether any byte of a response had come.
    """

    fault: UpstreamFault
    complaint: str
    answered: bool


Event = ResponseStarted | BodyReceived | ResponseFinished | ResponseBroken


class ResponseReader:
    """
    Reads one response; interim ones (1xx) before it are passed over.

    Its memory is bounded: what is neither body nor its framing may be 64 kB long.
    """

    def __init__(self) -> None:
        self._parser: HttpResponseParser | None = HttpResponseParser(self)
        self._events: list[Event] = []
        self._body: list[bytes] = []
        self._headers: dict[bytes, bytes] = {}
        self._header_size = 0
        self._since_body = 0
        self._answered = False
        self._in_head = True
        self._interim = False
        self._until_eof = False
        self._keep_alive = False
        self._complete = False
        self._surplus = False
        self._complaint = ""

    def receive(self, data: bytes) -> Sequence[Event]:
        """
        Take bytes from the connection.

        :returns: what they brought, in order; the last of all events is ResponseFinished or
            ResponseBroken, and bytes after it are ignored.
        """
        if self._parser is None or not data:
            return ()
        self._answered = True
        self._since_body += len(data)
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade):
            if self._complete:
                self._surplus = True
            else:
                self._complaint = self._complaint or "its answer is not HTTP"
        self._flush_body()
        if self._complaint:
            self._break(UpstreamFault.BODY, self._complaint)
        elif self._complete:
            self._end(ResponseFinished(self._keep_alive and not self._surplus))
        elif self._since_body > _MAX_HEAD:
            self._break(UpstreamFault.BODY, "the head of its answer is too long")
        return self._take()

    def end(self, *, clean: bool) -> Sequence[Event]:
        """
        The connection has ended.

        :param clean: whether the server closed it as it should: a connection that was cut says
            nothing about the end of a body.
        """
        if self._parser is None:
            return ()
        if self._until_eof and clean:
            self._end(ResponseFinished(False))
        elif self._answered:
            complaint = "it closed the connection in the middle of its answer"
            self._break(UpstreamFault.CLOSED, complaint)
        else:
            self._break(UpstreamFault.CLOSED, "it closed the connection without an answer")
        return self._take()

    def broken(self, fault: UpstreamFault, complaint: str) -> ResponseBroken:
        """
        The event of a response that breaks here.
        """
        return ResponseBroken(fault, complaint, self._answered)

    # -- httptools' callbacks, which must not raise ------------------------------------------------

    def on_message_begin(self) -> None:
        """
        httptools sees a response begin.
        """
        self._surplus = self._complete

    def on_header(self, name: bytes, value: bytes) -> None:
        """
        httptools read a header, or a trailer.
        """
        if self._complete:
            return
        self._header_size += len(name) + len(value) + 4
        if self._header_size > _MAX_HEAD:
            self._complaint = "the head of its answer is too long"
        name = name.lower()
        if not self._in_head or name not in _KNOWN:
            return
        if name == b"transfer-encoding" and name in self._headers:
            value = self._headers[name] + b", " + value
        self._headers[name] = value.strip()

    def on_headers_complete(self) -> None:
        """
        httptools read the empty line after the headers.
        """
        if self._surplus or self._complaint:
            return
        assert self._parser is not None
        status = self._parser.get_status_code()
        self._interim = 100 <= status < 200
        if self._interim:
            self._headers = {}
            return
        self._in_head = False
        self._keep_alive = self._parser.should_keep_alive()
        self._start(status)

    def on_body(self, data: bytes) -> None:
        """
        httptools read some of the body.
        """
        if not self._surplus and not self._complaint:
            self._since_body = 0
            self._body.append(data)

    def on_message_complete(self) -> None:
        """
        httptools read the last byte of a response.
        """
        if self._interim:
            self._interim = False
        else:
            self._complete = True

    # -- inside ------------------------------------------------------------------------------------

    def _start(self, status: int) -> None:
        coding = self._headers.get(b"transfer-encoding")
        length = self._headers.get(b"content-length")
        if status not in _NO_BODY:
            self._until_eof = coding is None and length is None
            if coding is not None and coding.lower() != b"chunked":
                self._complaint = "its answer is in a transfer coding that nobody asked for"
                return
        # The parser takes nothing but digits for a length.
        size = None if length is None else int(length)
        self._events.append(ResponseStarted(status, self._headers.get(b"content-type"), size))

    def _flush_body(self) -> None:
        if self._body:
            self._events.append(BodyReceived(b"".join(self._body)))
            self._body = []

    def _break(self, fault: UpstreamFault, complaint: str) -> None:
        self._end(self.broken(fault, complaint))

    def _end(self, event: Event) -> None:
        self._events.append(event)
        # The parser refers back to us: without it, nothing waits for the garbage collector.
        self._parser = None

    def _take(self) -> Sequence[Event]:
        events, self._events = self._events, []
        return events
