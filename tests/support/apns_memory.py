"""
A network in memory, run by a ``Clock``: what is due happens in ``clock.advance``, in order.
"""

from __future__ import annotations

from collections import deque
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

_PIECES_PER_TURN = 16


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
        self.closed = self.deaf = False
        self.producer: Any = None
        self.writes = 0
        self._piece_size = piece_size
        self._under_way: deque[bytes | Exception] = deque()

    def write(self, data: bytes) -> None:
        """
        Deliver it in this turn.
        """
        self.writes += 1
        for start in range(0, len(data), self._piece_size):
            self._send(data[start : start + self._piece_size])

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
        self._send(ConnectionDone())
        self.clock.callLater(0, self.end, ConnectionDone())

    def abortConnection(self) -> None:
        """
        Cut it after what was written.
        """
        self._send(ConnectionLost())
        self.clock.callLater(0, self.end, ConnectionAborted())

    def reset(self) -> None:
        """
        Cut it, and lose what is under way.
        """
        self.deaf = self.peer.deaf = True
        self.abortConnection()

    def loseWriteConnection(self) -> None:
        """
        Close the way out; a client that has no use for half a connection closes it then.
        """
        self._send(ConnectionDone())
        self.clock.callLater(1, self.end, ConnectionDone())

    def _send(self, content: bytes | Exception) -> None:
        self._under_way.append(content)
        if len(self._under_way) == 1:
            self.clock.callLater(0, self._arrive)

    def _arrive(self) -> None:
        # A few pieces at a time, so that both ends have their turns in between.
        for _ in range(min(len(self._under_way), _PIECES_PER_TURN)):
            content = self._under_way[0]
            if isinstance(content, bytes):
                self.peer.deliver(content)
            else:
                self.peer.end(content)
            self._under_way.popleft()
        if self._under_way:
            self.clock.callLater(0, self._arrive)

    def deliver(self, data: bytes) -> None:
        """
        Bytes from the other end.
        """
        if not self.closed and not self.deaf:
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
        # Nothing is under way for longer than an instant.
        double.ledger.seconds, double.ledger.doubt = clock.seconds, 0.0
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
