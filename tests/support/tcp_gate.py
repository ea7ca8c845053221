"""
A TCP port in front of a server that can be closed and opened again, as if the server were stopped
and started.
"""

from __future__ import annotations

from typing import Any

from twisted.internet import reactor
from twisted.internet.protocol import connectionDone
from twisted.protocols.portforward import ProxyFactory, ProxyServer
from twisted.python.failure import Failure


class _Connection(ProxyServer):
    """
    A connection that its gate knows.
    """

    factory: Any
    transport: Any
    peer: Any

    def connectionMade(self) -> None:
        """
        Remember it.
        """
        self.factory.connections.add(self)
        super().connectionMade()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        Forget it.
        """
        self.factory.connections.discard(self)
        super().connectionLost(reason)


class TCPGate(ProxyFactory):
    """
    Passes connections on to a port of this machine, while it is open.

    :ivar listens_on: where it listens.
    """

    noisy = False
    protocol = _Connection

    def __init__(self, upstream_port: int) -> None:
        super().__init__("127.0.0.1", upstream_port)
        self.connections: set[_Connection] = set()
        self.listens_on = 0
        self._listening: Any = None

    def open(self) -> None:
        """
        Listen, the second time on the same port.
        """
        any_reactor: Any = reactor
        self._listening = any_reactor.listenTCP(self.listens_on, self, interface="127.0.0.1")
        self.listens_on = self._listening.getHost().port

    async def close(self) -> None:
        """
        Listen no more, and break every connection off.
        """
        listening, self._listening = self._listening, None
        if listening is not None:
            await listening.stopListening()
        for connection in list(self.connections):
            connection.transport.abortConnection()
            if connection.peer is not None:
                connection.peer.transport.abortConnection()
