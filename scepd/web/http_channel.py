"""
The HTTP/1.1 connections of a :class:`~scepd.web.streaming.StreamingSite`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel

if TYPE_CHECKING:
    from scepd.web.streamed_request import StreamedRequest
    from scepd.web.streaming import StreamingSite

_BUFFER_SIZE = 16384


class DeadlineChannel(HTTPChannel):
    """
    A connection whose requests' heads have a deadline each, however slowly they trickle in, and
    whose reading can be held.
    """

    site: StreamingSite
    transport: Any
    requests: list[StreamedRequest]
    _head_begun = False
    _head_deadline: IDelayedCall | None = None
    _held = False
    _stopped = False
    _is_reading = False
    _timed: StreamedRequest | None = None
    _active_at = 0.0
    _idle_deadline: IDelayedCall | None = None

    # -- IProtocol ---------------------------------------------------------------------------------

    def connectionMade(self) -> None:
        """
        Read and buffer 16 kB at a time, where Twisted takes 64: there may be many transfers.
        """
        # TLS wraps the transport that has the buffers.
        getattr(self.transport, "transport", self.transport).bufferSize = _BUFFER_SIZE
        super().connectionMade()

    def dataReceived(self, data: bytes) -> None:
        """
        Bytes of a request.
        """
        if self.transport.disconnecting:
            # TLS delivers what it had read, even after the connection was closed from here.
            return
        self._head_begun = self._head_begun or not self.requests
        self._is_reading = True
        super().dataReceived(data)
        self._is_reading = False
        if self._held and not self._stopped:
            self._stop_reading()
        timed, self._timed = self._timed, None
        if timed is not None:
            timed.start_clock()
        # Most heads come in one piece, and need no deadline.
        if self._head_begun and self._head_deadline is None:
            self._head_deadline = self.site.reactor.callLater(
                self.site.request_timeout, self._head_too_slow
            )

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        The connection is gone.
        """
        self.head_is_in()
        super().connectionLost(reason)
        if self._idle_deadline is not None:
            self._idle_deadline.cancel()
            self._idle_deadline = None

    def lineLengthExceeded(self, line: bytes) -> None:
        """
        A line of the head is above 16 kB; Twisted would close the connection unanswered.
        """
        self._reject(
            b"431 Request Header Fields Too Large" if self.requests else b"414 URI Too Long"
        )

    # -- what requests call ------------------------------------------------------------------------

    @property
    def client_is_slow(self) -> bool:
        """
        Whether the client has yet to read what was written.
        """
        return bool(self._waitingForTransport)

    @property
    def is_held(self) -> bool:
        """
        Whether nothing more is read for now.
        """
        return self._held

    def head_is_in(self) -> None:
        """
        The headers of a request are complete.
        """
        self._head_begun = False
        if self._head_deadline is not None:
            self._head_deadline.cancel()
            self._head_deadline = None

    def time_body(self, request: StreamedRequest) -> None:
        """
        Start a request's clock when what was read is used up: most bodies come with their head, and
        need no clock.
        """
        self._timed = request

    def hold_reading(self) -> None:
        """
        Read no more until :meth:`read_on`; what the current read brought still comes.
        """
        self._held = True
        # Most requests are complete with it, and then there is nothing to stop.
        if not self._is_reading:
            self._stop_reading()

    def read_on(self) -> None:
        """
        Read again; a client that is slow to read itself waits until it has.
        """
        self._held = False
        if self._stopped:
            self._stopped = False
            if not self._waitingForTransport:
                self._networkProducer.resumeProducing()

    def requestDone(self, request: StreamedRequest) -> None:
        """
        A request has its answer; from now on the connection is idle.
        """
        self._savedTimeOut = self.site.timeOut
        super().requestDone(request)

    def loseConnection(self) -> None:
        """
        Close the connection once everything is sent, or when the client is too slow to take it.
        """
        if self.transport.disconnecting:
            return
        if self._abortingCall is None:
            self._abortingCall = self.callLater(self.site.request_timeout, self.forceAbortClient)
        super().loseConnection()

    # -- IPushProducer, for the transport ----------------------------------------------------------

    def resumeProducing(self) -> None:
        """
        The client has read what was written; that is no reason to read when reading is held.
        """
        super().resumeProducing()
        if self._held:
            self._networkProducer.pauseProducing()

    # -- TimeoutMixin ------------------------------------------------------------------------------

    def setTimeout(self, period: int | None) -> int | None:
        """
        Close the connection after so many seconds without a byte; None: never.

        One timer stays for all the requests of a connection; Twisted's own makes one for each.

        :returns: what it was before.
        """
        before, self.timeOut = self.timeOut, period
        self._active_at = self.site.reactor.seconds()
        if period is not None and self._idle_deadline is None:
            self._idle_deadline = self.callLater(period, self._look_for_life)
        return before

    def resetTimeout(self) -> None:
        """
        Bytes came.
        """
        self._active_at = self.site.reactor.seconds()

    # -- inside ------------------------------------------------------------------------------------

    def _look_for_life(self) -> None:
        self._idle_deadline = None
        if self.timeOut is None:
            return
        left = self._active_at + self.timeOut - self.site.reactor.seconds()
        if left <= 0:
            self.timeoutConnection()
        else:
            self._idle_deadline = self.callLater(left, self._look_for_life)

    def _stop_reading(self) -> None:
        self._stopped = True
        self._networkProducer.pauseProducing()

    def _head_too_slow(self) -> None:
        self._head_deadline = None
        self.transport.abortConnection()

    def _respondToBadRequestAndDisconnect(self) -> None:
        """
        What Twisted calls when a head or a chunk is not HTTP.
        """
        self._reject(b"400 Bad Request")

    def _reject(self, status: bytes) -> None:
        current = self.requests[0] if self.requests else None
        if current is not None and current.startedWriting:
            # A second answer would become part of the first.
            current.spoil()
        else:
            self.write(b"HTTP/1.1 %b\r\nConnection: close\r\nContent-Length: 0\r\n\r\n" % status)
            self.loseConnection()
