"""
A request that may be answered before it is complete.
"""

from __future__ import annotations

from enum import Enum
from typing import Any

from twisted.web.server import Request

from scepd.web.deadlines import PausableDeadline

_LINGER_SECONDS = 2.0
_LINGER_BYTES = 1_048_576


class RequestState(Enum):
    """
    What becomes of a request's body.
    """

    RECEIVING = "it is taken"
    GIVEN_UP = "it is dropped; the answer is not written yet"
    ANSWERED = "the answer is written; what is left of the body is drained"
    ENDED = "nothing matters any more"


class LingeringRequest(Request):
    """
    A request whose connection is closed when it was answered before it was complete, but not before
    the client had a chance to read the answer.
    """

    channel: Any = None
    _state = RequestState.RECEIVING
    _clock: PausableDeadline | None = None
    _has_body = False
    _body_complete = False
    _drained = 0

    def refuse(self, status: int, text: bytes, retry_after: int | None = None) -> None:
        """
        Answer with an error in the form of the site. Of a request that is not complete the
        connection is closed, once what the client still sends is drained: closed with unread bytes,
        it loses its answer too.
        """
        if not self._is_open:
            return
        self.setResponseCode(status)
        content_type, text = self.channel.site.spell_refusal(status, text)
        headers = self.responseHeaders
        headers.setRawHeaders(b"Content-Type", [content_type])
        headers.setRawHeaders(b"Content-Length", [b"%d" % len(text)])
        if retry_after is not None:
            headers.setRawHeaders(b"Retry-After", [b"%d" % retry_after])
        self._close_if_unread()
        self.write(text)
        self._end()

    def answer(self, content_type: str, body: bytes) -> None:
        """
        Answer 200, whole.
        """
        if not self._is_open:
            return
        self._close_if_unread()
        more = b"".join(
            b"%b: %b\r\n" % (name, value)
            for name, values in self.responseHeaders.getAllRawHeaders()
            for value in values
        )
        head = b"%b 200 OK\r\nContent-Type: %b\r\nContent-Length: %d\r\n%b\r\n" % (
            self.clientproto,
            content_type.encode("ascii"),
            len(body),
            more,
        )
        # Head and body in one piece: one packet, and a fraction of what `write` has to consider.
        self.startedWriting = 1
        self.sentLength = len(body)
        self.channel.write(head + body)
        self._end()

    def pass_on(self, data: bytes) -> None:
        """
        Some bytes of an answer that has begun.
        """
        if self._is_open:
            self.write(data)

    def end(self) -> None:
        """
        The answer is complete.
        """
        if not self._is_open:
            return
        if not self.startedWriting:
            self.write(b"")
        self._end()

    def cut_off(self) -> None:
        """
        End the connection in the middle of the answer.
        """
        if self._is_open:
            self._leave()
            self.channel.transport.abortConnection()

    def spoil(self) -> None:
        """
        The rest of the request is not HTTP, and the answer has begun: end it, whole or not.
        """
        if self._state is RequestState.ANSWERED:
            self._hang_up()
        else:
            self.channel.transport.abortConnection()

    # -- for the one who receives the body ---------------------------------------------------------

    @property
    def _is_open(self) -> bool:
        return self._state in (RequestState.RECEIVING, RequestState.GIVEN_UP)

    def _close_if_unread(self) -> None:
        if self._has_body and not self._body_complete:
            self.responseHeaders.setRawHeaders(b"Connection", [b"close"])
            self.channel.persistent = False

    def _drain(self, data: bytes) -> None:
        self._drained += len(data)
        if self._drained > _LINGER_BYTES:
            self._hang_up()

    def _hang_up(self) -> None:
        self._leave()
        self.channel.site.log(self)
        self.channel.loseConnection()

    def _finish(self) -> None:
        self._state = RequestState.ENDED
        self._forget()
        self.finish()

    def _leave(self) -> None:
        self._state = RequestState.ENDED
        self._forget_producer()
        if self._clock is not None:
            self._clock.stop()
        self._forget()

    def _forget(self) -> None:
        """
        Let go of what refers to this request: else it stays in memory until the next collection.
        """
        self._clock = None

    # -- inside ------------------------------------------------------------------------------------

    def _end(self) -> None:
        """
        The answer is written: finish, or wait a moment for the rest of a request that nobody reads.
        """
        self._state = RequestState.ANSWERED
        self._forget_producer()
        if self._body_complete:
            self._finish()
            return
        if self.chunked:
            # finish() would write this, but only after the request's last byte.
            self.channel.write(b"0\r\n\r\n")
            self.chunked = 0
        self.channel.read_on()
        self._linger()

    def _linger(self) -> None:
        if self._clock is not None:
            self._clock.restart(_LINGER_SECONDS)

    def _forget_producer(self) -> None:
        if self.producer is not None:
            self.unregisterProducer()
