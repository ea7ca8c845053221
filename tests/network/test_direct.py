"""
Tests of ``scepd.network.direct``, on real sockets.
"""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.threads import deferToThread
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase, TestCase
from zope.interface import implementer

from scepd.network.direct import DirectServer, send_directly

_SECONDS = 10.0
_LARGE = 8 * 1024 * 1024


@implementer(IPushProducer)
class Accepted(Protocol):
    """
    The server's end; it counts what its transport tells it as a producer.
    """

    transport: Any

    def __init__(self) -> None:
        self.paused = self.resumed = 0
        self.lost: Deferred[None] = Deferred()

    def pauseProducing(self) -> None:
        """
        Enough waits to be sent.
        """
        self.paused += 1

    def resumeProducing(self) -> None:
        """
        All is sent.
        """
        self.resumed += 1

    def stopProducing(self) -> None:
        """
        The connection is gone.
        """

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        The connection is gone.
        """
        self.lost.callback(None)


class AcceptingFactory(Factory):
    """
    Tells of the first connection.
    """

    def __init__(self) -> None:
        self.connected: Deferred[Accepted] = Deferred()

    def buildProtocol(self, addr: object) -> Accepted:
        """
        The protocol of a connection, told when it has its transport.
        """
        protocol = Accepted()
        made: Any = reactor
        made.callLater(0, self.connected.callback, protocol)
        return protocol


class DirectServerTests(TestCase):
    """
    Tests of ``DirectServer``.
    """

    timeout = _SECONDS

    async def _connect(self, interface: str = "127.0.0.1") -> tuple[Accepted, socket.socket]:
        listening: Any = reactor
        factory = AcceptingFactory()
        port = listening.listenTCP(0, factory, interface=interface)
        self.addCleanup(port.stopListening)
        send_directly(port)
        client = socket.create_connection(("127.0.0.1", port.getHost().port), _SECONDS)
        self.addCleanup(client.close)
        protocol = await factory.connected
        self.assertIsInstance(protocol.transport, DirectServer)
        return protocol, client

    async def test_at_once(self) -> None:
        """
        What the kernel takes is on its way when ``write`` returns.
        """
        server, client = await self._connect()
        server.transport.write(b"answer")
        self.assertEqual(client.recv(100), b"answer")
        self.assertEqual(server.transport.getHost().port, client.getpeername()[1])
        self.assertIs(server.transport.getHost(), server.transport.getHost())
        self.assertTrue(server.transport.getTcpNoDelay())
        client.close()
        await server.lost

    async def test_any_address(self) -> None:
        """
        Of a listener on all addresses each connection knows its own.
        """
        server, client = await self._connect("")
        host, port = client.getpeername()
        self.assertEqual(
            (server.transport.getHost().host, server.transport.getHost().port), (host, port)
        )
        client.close()
        await server.lost

    async def test_large(self) -> None:
        """
        What the kernel does not take waits, in order; the producer is paused and resumed, and the
        connection is closed behind the last byte.
        """
        server, client = await self._connect()
        server.transport.registerProducer(server, True)
        data = bytes(range(256)) * (_LARGE // 256)
        server.transport.write(data)
        server.transport.write(b"behind it")
        self.assertEqual((server.paused, server.resumed), (2, 0))
        server.transport.unregisterProducer()
        server.transport.loseConnection()
        received = await deferToThread(_read_all, client)
        self.assertEqual(received, data + b"behind it")
        await server.lost

    async def test_resumed(self) -> None:
        """
        The producer hears when everything is sent.
        """
        server, client = await self._connect()
        server.transport.registerProducer(server, True)
        server.transport.write(bytes(_LARGE))
        await deferToThread(_read_exactly, client, _LARGE)
        later: Any = reactor
        while not server.resumed:
            turn: Deferred[None] = Deferred()
            later.callLater(0, turn.callback, None)
            await turn
        server.transport.write(b"more")
        self.assertEqual(client.recv(100), b"more")
        server.transport.unregisterProducer()
        client.close()
        await server.lost

    async def test_gone(self) -> None:
        """
        A write to a client that has reset the connection raises nothing; it ends the connection.
        """
        server, client = await self._connect()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.close()
        for _ in range(3):
            server.transport.write(b"to nobody")
        await server.lost
        server.transport.write(b"to nobody either")


class SendDirectlyTests(SynchronousTestCase):
    """
    Tests of ``send_directly``.
    """

    def test_other_listener(self) -> None:
        """
        What is no TCP port stays as it is.
        """

        class Other:
            """
            A listener of another kind.
            """

            def stopListening(self) -> Deferred[None]:
                """
                It never listened.
                """
                return succeed(None)

        other: Any = Other()
        send_directly(other)
        self.assertFalse(hasattr(other, "transport"))


def _read_all(client: socket.socket) -> bytes:
    found = bytearray()
    while data := client.recv(65536):
        found += data
    return bytes(found)


def _read_exactly(client: socket.socket, count: int) -> None:
    while count:
        count -= len(client.recv(min(count, 65536)))
