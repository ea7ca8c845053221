"""
A network in memory: names, sockets and those who wait for answers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionRefusedError
from twisted.internet.interfaces import (
    IAddress,
    IHostnameResolver,
    IHostResolution,
    IResolutionReceiver,
)
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure
from zope.interface import implementer

from scepd.errors import UpstreamError
from scepd.network.http_response import ResponseBroken, ResponseStarted
from scepd.network.limits import UpstreamLimits
from scepd.ports import UpstreamTarget

LIMITS = UpstreamLimits(
    connect_timeout=10,
    exchange_timeout=60,
    idle_timeout=30,
    max_idle_connections=2,
    allow_private=True,
)
TARGET = UpstreamTarget("ca", "http://ca.example/scep", None)


@implementer(IHostResolution)
@dataclass
class Resolution:
    """
    One question to :class:`Names`.
    """

    name: str

    def cancel(self) -> None:
        """
        Nobody wants to know any more.
        """


@implementer(IHostnameResolver)
@dataclass
class Names:
    """
    A name resolver that answers at once.

    :param addresses: of each name; others have none.
    :param silent: whether it answers nothing at all.
    """

    addresses: dict[str, list[str]] = field(default_factory=dict)
    silent: bool = False
    asked: list[str] = field(default_factory=list)

    def resolveHostName(
        self,
        resolutionReceiver: IResolutionReceiver,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Sequence[type[IAddress]] | None = None,
        transportSemantics: str = "TCP",
    ) -> IHostResolution:
        """
        As the interface says.
        """
        self.asked.append(hostName)
        resolution = Resolution(hostName)
        if self.silent:
            return resolution
        resolutionReceiver.resolutionBegan(resolution)
        for address in self.addresses.get(hostName, []):
            kind = IPv6Address if ":" in address else IPv4Address
            resolutionReceiver.addressResolved(kind("TCP", address, portNumber))
        resolutionReceiver.resolutionComplete()
        return resolution


class Socket(StringTransport):
    """
    The client's end of a TCP connection, whose abort is reported later, as TCP's is.
    """

    producer: Any

    def __init__(self, reactor: Any) -> None:
        super().__init__(lenient=True)
        self.protocol: Any = None
        self.handle: object = None
        self._reactor = reactor

    def getHandle(self) -> object:
        """
        What a test has set, as TCP's transports have their sockets.
        """
        return self.handle

    def abortConnection(self) -> None:
        """
        Cut the connection.
        """
        if not self.disconnected:
            super().abortConnection()
            self._reactor.callLater(0, self.lose, ConnectionAborted())

    def lose(self, error: Exception | None = None) -> None:
        """
        The connection ends; by default as a server closes it.
        """
        if self.connected:
            self.connected = False
            self.disconnected = True
            self.protocol.connectionLost(Failure(error or ConnectionDone()))

    def receive(self, data: bytes) -> None:
        """
        Bytes come in, unless the connection was cut.
        """
        if not self.disconnected:
            self.protocol.dataReceived(data)

    def take(self) -> bytes:
        """
        What was written since the last time.
        """
        written: bytes = self.value()
        self.clear()
        return written


class MemoryNetwork:
    """
    A reactor whose connection attempts wait for somebody to accept or refuse them.
    """

    def __init__(self) -> None:
        self.reactor = MemoryReactorClock()
        self.names = Names({"ca.example": ["192.0.2.1"]})
        self.reactor.nameResolver = self.names

    @property
    def dialled(self) -> list[tuple[str, int]]:
        """
        Address and port of each attempt that nobody took.
        """
        return [(host, port) for host, port, *_ in self.reactor.tcpClients]

    def take_attempt(self) -> Any:
        """
        The factory of the oldest attempt.
        """
        return self.reactor.tcpClients.pop(0)[2]

    def accept(self) -> Socket:
        """
        Let the oldest attempt succeed.
        """
        protocol = self.take_attempt().buildProtocol(IPv4Address("TCP", "192.0.2.1", 80))
        socket = Socket(self.reactor)
        socket.protocol = protocol
        protocol.makeConnection(socket)
        return socket

    def refuse(self, error: Exception | None = None) -> None:
        """
        Let the oldest attempt fail; by default it is refused.
        """
        factory = self.take_attempt()
        factory.clientConnectionFailed(None, Failure(error or ConnectionRefusedError()))


class Recorder:
    """
    Writes down what it is told, and does what a test wants done at that moment.
    """

    def __init__(self) -> None:
        self.events: list[tuple[object, ...]] = []
        self.reactions: dict[str, Callable[[], object]] = {}

    def record(self, name: str, *what: object) -> None:
        """
        Keep an event and react to it.
        """
        self.events.append((name, *what))
        self.reactions.get(name, lambda: None)()

    def names(self) -> list[object]:
        """
        The names of the events so far.
        """
        return [event[0] for event in self.events]

    def pause_request(self) -> None:
        """
        Record it.
        """
        self.record("pause")

    def resume_request(self) -> None:
        """
        Record it.
        """
        self.record("resume")


class Consumer(Recorder):
    """
    An AnswerConsumer that joins the pieces of a body.
    """

    error: UpstreamError | None = None
    body = b""

    def answer_started(self, status: int, content_type: bytes | None, length: int | None) -> None:
        """
        Record it.
        """
        self.record("started", status, content_type, length)

    def answer_received(self, data: bytes) -> None:
        """
        Record it.
        """
        self.body += data
        self.record("received", data)

    def answer_finished(self) -> None:
        """
        Record it.
        """
        self.record("finished")

    def answer_failed(self, error: UpstreamError) -> None:
        """
        Record it.
        """
        self.error = error
        self.record("failed", error.fault)


class Receiver(Recorder):
    """
    A ResponseReceiver.
    """

    def response_started(self, started: ResponseStarted) -> None:
        """
        Record it.
        """
        self.record("started", started.status)

    def response_received(self, data: bytes) -> None:
        """
        Record it.
        """
        self.record("received", data)

    def response_finished(self) -> None:
        """
        Record it.
        """
        self.record("finished")

    def response_broken(self, broken: ResponseBroken) -> None:
        """
        Record it.
        """
        self.record("broken", broken.fault, broken.answered)
