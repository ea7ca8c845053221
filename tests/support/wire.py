"""
Both ends of the proxy as bare TCP connections that a test steers byte by byte.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP4ServerEndpoint, connectProtocol
from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import Factory, Protocol
from twisted.python.failure import Failure

from tests.support.processes import PATIENCE

CERT_REP_HEAD = bytes.fromhex("30820fff06092a864886f70d010702a0820ff0")
"""
How a CertRep begins: enough for a proxy to take the rest for one.
"""


class Wire(Protocol):
    """
    A connection whose incoming bytes are kept, and can be waited for.
    """

    transport: Any

    def __init__(self) -> None:
        self.received = bytearray()
        self.connected_once = Deferred[None]()
        self.lost: Failure | None = None
        self._waiting: list[tuple[Callable[[], bool], Deferred[None]]] = []

    def connectionMade(self) -> None:
        """
        TCP is connected.
        """
        self.connected_once.callback(None)

    def dataReceived(self, data: bytes) -> None:
        """
        Keep what comes in.
        """
        self.received += data
        self._check()

    def connectionLost(self, reason: Failure = Failure(ConnectionDone())) -> None:  # noqa: B008
        """
        Remember the end.
        """
        self.lost = reason
        self._check()

    def until(self, reached: Callable[[], bool], patience: float = PATIENCE) -> Deferred[None]:
        """
        Fire when ``reached()`` is true after some bytes or the connection's end.
        """
        waiter = Deferred[None]()
        self._waiting.append((reached, waiter))
        self._check()
        return waiter.addTimeout(patience, reactor)

    def until_received(self, wanted: bytes) -> Deferred[None]:
        """
        Fire when ``wanted`` has come in.
        """
        return self.until(lambda: wanted in self.received)

    def until_lost(self) -> Deferred[None]:
        """
        Fire when the connection has ended.
        """
        return self.until(lambda: self.lost is not None)

    def _check(self) -> None:
        for entry in list(self._waiting):
            reached, waiter = entry
            if waiter.called:
                self._waiting.remove(entry)
            elif reached():
                self._waiting.remove(entry)
                waiter.callback(None)


class WireCA(Factory):
    """
    A CA that answers GetCACert and GetCACaps; each PKIOperation's connection is the test's.

    :param certificates: the body of its GetCACert answers.
    :ivar operations: the connections of PKIOperations, in order.
    """

    noisy = False

    def __init__(
        self, certificates: bytes, capabilities: bytes = b"POSTPKIOperation\nSHA-256\nAES\n"
    ) -> None:
        self.operations: list[Wire] = []
        self.heads: list[bytes] = []
        self._bodies = {b"GetCACert": certificates, b"GetCACaps": capabilities}
        self._awaited: list[tuple[int, Deferred[None]]] = []
        self._port: Any = None

    async def start(self) -> None:
        """
        Listen on a port of its own.
        """
        self._port = await TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(self)

    async def stop(self) -> None:
        """
        Listen no more and end what is open.
        """
        await self._port.stopListening()
        for wire in self.operations:
            if wire.lost is None:
                wire.transport.abortConnection()
                await wire.until_lost()

    @property
    def url(self) -> str:
        """
        Where it listens.
        """
        return f"http://127.0.0.1:{self._port.getHost().port}/scep"

    def until_operations(self, count: int) -> Deferred[None]:
        """
        Fire when that many PKIOperations have begun.
        """
        waiter = Deferred[None]()
        self._awaited.append((count, waiter))
        self._check()
        return waiter.addTimeout(PATIENCE, reactor)

    def buildProtocol(self, addr: object) -> Wire:
        """
        A connection whose first line decides.
        """
        wire = Wire()
        wire.until(lambda: b"\r\n\r\n" in wire.received or wire.lost is not None).addCallbacks(
            lambda _: self._decide(wire), lambda _: None
        )
        return wire

    def _decide(self, wire: Wire) -> None:
        head = bytes(wire.received).partition(b"\r\n\r\n")[0]
        self.heads.append(head)
        for operation, body in self._bodies.items():
            if operation in head:
                wire.transport.write(
                    b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b"
                    % (len(body), body)
                )
                wire.transport.loseConnection()
                return
        self.operations.append(wire)
        self._check()

    def _check(self) -> None:
        for entry in list(self._awaited):
            count, waiter = entry
            if len(self.operations) >= count and not waiter.called:
                self._awaited.remove(entry)
                waiter.callback(None)


async def connect_device(port: int) -> Wire:
    """
    A device's connection to a listener on loopback.
    """
    endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", port)
    wire: Wire = await connectProtocol(endpoint, Wire())
    return wire


def post_head(path: str, length: int | None) -> bytes:
    """
    The head of a POST PKIOperation; with no length the body comes in chunks.
    """
    framing = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    return (
        f"POST {path}?operation=PKIOperation HTTP/1.1\r\nHost: scepd\r\n"
        f"Content-Type: application/x-pki-message\r\n{framing}\r\n\r\n"
    ).encode()
