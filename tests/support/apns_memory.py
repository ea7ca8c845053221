"""
A network in memory, run by a ``Clock``: what is due happens in ``clock.advance``, in order.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.error import ConnectionRefusedError as Refused
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from zope.interface import implementer

from scepd.apns.credentials import PushCredentials
from tests.support.apns_double import APNsDouble


class MemoryTransport:
    """
    One end of a connection.

    :ivar writes: how often something was written.
    """

    negotiatedProtocol: bytes | None = b"h2"

    def __init__(self, clock: Clock, protocol: Any, piece_size: int) -> None:
        self.clock = clock
        self.protocol = protocol
        self.peer: MemoryTransport
        self.closed = False
        self.producer: Any = None
        self.writes = 0
        self._piece_size = piece_size

    def write(self, data: bytes) -> None:
        """
        Deliver it in this turn.
        """
        self.writes += 1
        for start in range(0, len(data), self._piece_size):
            piece = data[start : start + self._piece_size]
            self.clock.callLater(0, self.peer.deliver, piece)

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """
        Remember whom to pause.
        """
        self.producer = producer

    def unregisterProducer(self) -> None:
        """
        Pause nobody any more.
        """
        self.producer = None

    def loseConnection(self) -> None:
        """
        Close it after what was written.
        """
        self.clock.callLater(0, self.peer.end, ConnectionDone())
        self.clock.callLater(0, self.end, ConnectionDone())

    def abortConnection(self) -> None:
        """
        Cut it.
        """
        self.clock.callLater(0, self.peer.end, ConnectionLost())
        self.clock.callLater(0, self.end, ConnectionAborted())

    def deliver(self, data: bytes) -> None:
        """
        Bytes from the other end.
        """
        if not self.closed:
            self.protocol.dataReceived(data)

    def end(self, reason: Exception) -> None:
        """
        Tell the protocol, once.
        """
        if not self.closed:
            self.closed = True
            self.protocol.connectionLost(Failure(reason))


class MemoryRoute:
    """
    The way to a double (a :class:`scepd.network.apns_maker.Route`).

    :ivar mode: what connecting leads to: ``up``, ``refused``, ``silent``, ``no-tls`` or ``no-h2``.
    :ivar attempts: when something tried to connect.
    :ivar piece_size: octets that are delivered at a time.
    """

    host = "api.push.apple.com"

    def __init__(self, clock: Clock, double: APNsDouble) -> None:
        self.clock = clock
        self.double = double
        self.mode = "up"
        self.attempts: list[float] = []
        self.shown: list[PushCredentials] = []
        self.piece_size = 100_000
        self.clients: list[MemoryTransport] = []

    def endpoint(self, credentials: PushCredentials) -> IStreamClientEndpoint:
        """
        What connects.
        """
        self.shown.append(credentials)
        return _MemoryEndpoint(self)

    def connect(self, factory: Any) -> Deferred[Any]:
        """
        Connect as the mode says.
        """
        self.attempts.append(self.clock.seconds())
        if self.mode == "refused":
            return fail(Refused())
        if self.mode == "silent":
            return Deferred()
        protocol = factory.buildProtocol(None)
        if self.mode != "no-tls":
            self.clock.callLater(0, protocol.handshakeCompleted)
        self._join(protocol, self.double.buildProtocol(None))
        return succeed(protocol)

    def _join(self, client: Protocol, server: Protocol) -> None:
        ends = [MemoryTransport(self.clock, one, self.piece_size) for one in (client, server)]
        ends[0].peer, ends[1].peer = ends[1], ends[0]
        if self.mode == "no-h2":
            ends[0].negotiatedProtocol = None
        self.clients.append(ends[0])
        for protocol, end in zip((client, server), ends, strict=True):
            protocol.makeConnection(end)


@implementer(IStreamClientEndpoint)
class _MemoryEndpoint:
    def __init__(self, route: MemoryRoute) -> None:
        self._route = route

    def connect(self, protocolFactory: Any) -> Deferred[Any]:
        return self._route.connect(protocolFactory)


def credentials_for(topic: str) -> PushCredentials:
    """
    Credentials that no TLS ever sees.
    """
    return PushCredentials((b"certificate",), b"key", topic, datetime(2030, 1, 1, tzinfo=UTC))
