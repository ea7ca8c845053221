"""
An HTTP proxy that opens tunnels, all of them to one port of this machine.
"""

from __future__ import annotations

from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP4ServerEndpoint
from twisted.internet.interfaces import IProtocol
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure


class HTTPProxy(Factory):
    """
    Answers CONNECT as a proxy does, whatever far end was asked for.

    :param port: where each tunnel leads.
    :ivar asked: the far ends that were asked for.
    :ivar refusal: the status line that it answers in place of a tunnel, if any.
    """

    noisy = False

    def __init__(self, port: int) -> None:
        self.port = port
        self.asked: list[bytes] = []
        self.refusal: bytes | None = None
        self.ends: list[Deferred[None]] = []
        self.connections: list[_Near] = []
        self._listening: Any = None

    async def start(self) -> None:
        """
        Listen on a port of its own.
        """
        self._listening = await TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(self)

    @property
    def url(self) -> str:
        """
        Where it listens.
        """
        return f"http://127.0.0.1:{self._listening.getHost().port}"

    async def stop(self) -> None:
        """
        Listen no more and end what is open.
        """
        await self._listening.stopListening()
        for connection in self.connections:
            connection.transport.abortConnection()
        for ended in self.ends:
            await ended

    def buildProtocol(self, addr: object) -> Protocol:
        """
        A client's connection.
        """
        return _Near(self)


class _Near(Protocol):
    """
    The client's end.
    """

    transport: Any

    def __init__(self, proxy: HTTPProxy) -> None:
        self._proxy = proxy
        self._head = b""
        self.far: _Far | None = None
        self._ended: Deferred[None] = Deferred()

    def connectionMade(self) -> None:
        self._proxy.connections.append(self)
        self._proxy.ends.append(self._ended)

    def dataReceived(self, data: bytes) -> None:
        if self.far is not None:
            self.far.transport.write(data)
            return
        self._head += data
        if self._head.endswith(b"\r\n\r\n"):
            method, authority, *_ = self._head.split(b" ")
            assert method == b"CONNECT", method
            self._proxy.asked.append(authority)
            self._answer()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self.far is not None:
            self.far.transport.loseConnection()
        self._ended.callback(None)

    def _answer(self) -> None:
        if self._proxy.refusal is not None:
            self.transport.write(self._proxy.refusal + b"\r\nContent-Length: 0\r\n\r\n")
            return
        far = TCP4ClientEndpoint(reactor, "127.0.0.1", self._proxy.port)
        made = Factory.forProtocol(lambda: _Far(self))
        made.noisy = False
        far.connect(made).addCallback(self._open)

    def _open(self, far: IProtocol) -> None:
        assert isinstance(far, _Far)
        self.far = far
        self._proxy.ends.append(far.ended)
        self.transport.write(b"HTTP/1.1 200 Connection established\r\n\r\n")


class _Far(Protocol):
    """
    The far end.
    """

    transport: Any

    def __init__(self, near: _Near) -> None:
        self._near = near
        self.ended: Deferred[None] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        self._near.transport.write(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._near.transport.loseConnection()
        self.ended.callback(None)
