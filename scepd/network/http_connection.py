"""
One HTTP/1.1 client connection that streams: a thin protocol over :mod:`.http_response`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from typing import Protocol as TypingProtocol

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IHandshakeListener, IPushProducer
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from scepd.errors import UpstreamFault
from scepd.network.handshake import alert_complaint
from scepd.network.http_response import (
    BodyReceived,
    Event,
    ResponseBroken,
    ResponseFinished,
    ResponseReader,
    ResponseStarted,
)
from scepd.network.peek import has_input

_BUFFER_SIZE = 16384


class ResponseReceiver(TypingProtocol):
    """
    Whoever the connection is working for at the moment.
    """

    def response_started(self, started: ResponseStarted) -> None:
        """
        The head is in.
        """

    def response_received(self, data: bytes) -> None:
        """
        Some bytes of the body.
        """

    def response_finished(self) -> None:
        """
        The body is complete.
        """

    def response_broken(self, broken: ResponseBroken) -> None:
        """
        The connection ended or spoke nonsense before the response was complete.
        """

    def pause_request(self) -> None:
        """
        The connection has enough to send.
        """

    def resume_request(self) -> None:
        """
        The connection takes more.
        """


class ConnectionOwner(TypingProtocol):
    """
    Whoever opened the connection.
    """

    def connection_ready(self, connection: HTTPConnection) -> None:
        """
        Connected, and the TLS handshake, if any, is done.
        """

    def connection_ended(self, connection: HTTPConnection, reason: Failure) -> None:
        """
        The connection is gone.
        """


@implementer(IHandshakeListener, IPushProducer)
class HTTPConnection(Protocol):
    """
    A connection that carries one response at a time.
    """

    transport: Any = None

    def __init__(self, owner: ConnectionOwner, *, secure: bool) -> None:
        self._owner = owner
        self._secure = secure
        self._receiver: ResponseReceiver | None = None
        self._reader: ResponseReader | None = None
        self._open = True
        self._reusable = True

    # -- what an exchange does with it -------------------------------------------------------------

    @property
    def usable(self) -> bool:
        """
        Whether another request may follow the last one.
        """
        return self._open and self._reusable and not self._socket.disconnecting

    @property
    def quiet(self) -> bool:
        """
        Whether nothing waits to be read, such as the connection's end.
        """
        return not has_input(self._socket)

    def attend(self, receiver: ResponseReceiver) -> None:
        """
        Report what comes from now on to ``receiver``, until its response is complete or broken.
        """
        self._receiver = receiver
        self._reader = ResponseReader()

    def write(self, data: bytes) -> None:
        """
        Send bytes of a request.
        """
        if self._open:
            self.transport.write(data)

    def pause_response(self) -> None:
        """
        Read no more for now; what the current read brought still comes.
        """
        if self._open:
            self.transport.pauseProducing()

    def resume_response(self) -> None:
        """
        Read on.
        """
        if self._open:
            self.transport.resumeProducing()

    def close(self) -> None:
        """
        End it at once; the receiver hears nothing more.
        """
        self._receiver = self._reader = None
        if self._open:
            self._open = False
            self.transport.abortConnection()

    def break_off(self, complaint: str) -> None:
        """
        End it at once and tell the receiver.

        :param complaint: why, as the end of a sentence.
        """
        receiver, reader = self._receiver, self._reader
        self.close()
        if receiver is not None and reader is not None:
            receiver.response_broken(reader.broken(UpstreamFault.CLOSED, complaint))

    # -- IProtocol, IHandshakeListener, IPushProducer ----------------------------------------------

    @property
    def _socket(self) -> Any:
        # TLS wraps the transport that has the buffers.
        return getattr(self.transport, "transport", self.transport)

    def connectionMade(self) -> None:
        """
        TCP is connected.
        """
        # Twisted reads and buffers 64 kB at a time; a proxy of many transfers can't afford that.
        self._socket.bufferSize = _BUFFER_SIZE
        self.transport.registerProducer(self, True)
        if not self._secure:
            self._owner.connection_ready(self)

    def handshakeCompleted(self) -> None:
        """
        TLS is established.
        """
        self._owner.connection_ready(self)

    def dataReceived(self, data: bytes) -> None:
        """
        Bytes of a response, or unasked ones.
        """
        if self._reader is None:
            # A server that speaks unasked is not one to send the next request to.
            self.close()
        else:
            self._tell(self._reader.receive(data))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        The connection is gone.
        """
        self._open = False
        if self._reader is not None:
            alert = alert_complaint(reason)
            if alert is not None:
                self._tell((self._reader.broken(UpstreamFault.TLS, alert),))
            else:
                self._tell(self._reader.end(clean=reason.check(ConnectionDone) is not None))
        self._owner.connection_ended(self, reason)

    def pauseProducing(self) -> None:
        """
        The transport has enough to send.
        """
        if self._receiver is not None:
            self._receiver.pause_request()

    def resumeProducing(self) -> None:
        """
        The transport takes more.
        """
        if self._receiver is not None:
            self._receiver.resume_request()

    def stopProducing(self) -> None:
        """
        The transport takes nothing any more; ``connectionLost`` follows.
        """

    def _tell(self, events: Sequence[Event]) -> None:
        for event in events:
            # Any of these calls may close the connection, or begin the next exchange on it; then
            # the event was the last.
            receiver = self._receiver
            if receiver is None:
                return
            match event:
                case ResponseStarted():
                    receiver.response_started(event)
                case BodyReceived(data):
                    receiver.response_received(data)
                case ResponseFinished(reusable):
                    self._receiver = self._reader = None
                    self._reusable = reusable
                    receiver.response_finished()
                case ResponseBroken():
                    self.close()
                    receiver.response_broken(event)
