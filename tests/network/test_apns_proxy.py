"""
Tests for pushes through an HTTP proxy, over real TLS on loopback.
"""

from __future__ import annotations

import random
import uuid
from pathlib import Path
from typing import Any

from twisted.internet import reactor as installed_reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.endpoints import HostnameEndpoint, TCP4ClientEndpoint, wrapClientTLS
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.ssl import Certificate, PrivateCertificate, optionsForClientTLS
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from scepd.apns.credentials import PushCredentials, load_credentials
from scepd.apns.notification import Notification
from scepd.apns.outcome import OutcomeKind, PushOutcome
from scepd.network.apns_client import APNsClient, APNsLimits
from scepd.network.tunnel import TunnelEndpoint
from tests.support.apns_certificates import PushFiles
from tests.support.apns_double import APNsDouble
from tests.support.apns_server import tls_options

reactor: Any = installed_reactor
PATIENCE = 10


class Relay(Protocol):
    """
    The far end of an open tunnel.
    """

    transport: Any

    def __init__(self, near: ProxyConnection) -> None:
        self.near = near

    def dataReceived(self, data: bytes) -> None:
        """
        Bytes for the near end.
        """
        self.near.transport.write(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        The tunnel ends.
        """
        self.near.transport.loseConnection()


class ProxyConnection(Protocol):
    """
    A proxy's end of a connection: it opens the tunnel that it is asked for, or says no.
    """

    transport: Any

    def __init__(self, proxy: ProxyDouble) -> None:
        self._proxy = proxy
        self._head = b""
        self._far: Relay | None = None

    def dataReceived(self, data: bytes) -> None:
        """
        The question, then what goes through the tunnel.
        """
        if self._far is not None:
            self._far.transport.write(data)
            return
        self._head += data
        if self._head.endswith(b"\r\n\r\n"):
            self._proxy.asked.append(self._head.split(b"\r\n")[0])
            if self._proxy.refusal:
                self.transport.write(b"HTTP/1.1 " + self._proxy.refusal + b"\r\n\r\n")
                return
            far = TCP4ClientEndpoint(reactor, "127.0.0.1", self._proxy.port)
            far.connect(Factory.forProtocol(lambda: Relay(self))).addCallback(self._open)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        The tunnel ends.
        """
        if self._far is not None:
            self._far.transport.loseConnection()

    def _open(self, far: Any) -> None:
        self._far = far
        self.transport.write(b"HTTP/1.1 200 Connection established\r\n\r\n")


class ProxyDouble(Factory):
    """
    A proxy.

    :ivar asked: the first line of each question.
    :ivar refusal: its status and reason when it opens no tunnel.
    """

    noisy = False

    def __init__(self, port: int) -> None:
        self.port = port
        self.asked: list[bytes] = []
        self.refusal = b""

    def buildProtocol(self, addr: object) -> ProxyConnection:
        """
        One more connection.
        """
        return ProxyConnection(self)


class TunnelRoute:
    """
    A Route through a proxy.
    """

    host = "127.0.0.1"

    def __init__(self, files: PushFiles, proxy_port: int) -> None:
        self._proxy_port = proxy_port
        self._own = PrivateCertificate.loadPEM(
            files.read("push_certificate") + files.read("push_key")
        )
        self._roots = Certificate.loadPEM(files.read("ca"))

    def endpoint(self, credentials: PushCredentials) -> IStreamClientEndpoint:
        """
        What connects.
        """
        proxy = HostnameEndpoint(reactor, "127.0.0.1", self._proxy_port)
        where = f"127.0.0.1:{self._proxy_port}"
        tunnel = TunnelEndpoint(proxy, where, b"127.0.0.1:443", lambda: None)
        options = optionsForClientTLS(
            self.host,
            trustRoot=self._roots,
            clientCertificate=self._own,
            acceptableProtocols=[b"h2"],
        )
        return wrapClientTLS(options, tunnel)


class ProxyTests(TestCase):
    """
    Tests for the client behind a proxy.
    """

    def setUp(self) -> None:
        """
        Listen, at both.
        """
        files = PushFiles(Path(self.mktemp()).absolute())
        files.ensure()
        self.double = APNsDouble()
        self.proxy = ProxyDouble(self.listen(self.double, tls_options(files)))
        route = TunnelRoute(files, self.listen(self.proxy))
        pair = files.read("push_certificate"), files.read("push_key")
        limits = APNsLimits(queue_timeout=2)
        credentials = load_credentials(*pair)
        self.client = APNsClient(reactor, route, credentials, limits, random.random)
        self.addCleanup(lambda: Deferred.fromCoroutine(self.client.close()))

    def listen(self, factory: Factory, options: object = None) -> int:
        """
        Listen on loopback until the end of the test.

        :returns: the port.
        """
        if options is None:
            port = reactor.listenTCP(0, factory, interface="127.0.0.1")
        else:
            port = reactor.listenSSL(0, factory, options, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        number: int = port.getHost().port
        return number

    def push(self, number: int) -> Deferred[PushOutcome]:
        """
        Push to device ``number``.
        """
        device, push_id = number.to_bytes(32, "big"), str(uuid.uuid4())
        notification = Notification(device, self.client.topic, f"magic {number}", push_id, 2**31)
        return self.client.push(notification).addTimeout(PATIENCE, reactor)

    async def test_through(self) -> None:
        """
        Pushes go through the tunnel, on one connection.
        """
        outcomes = await gatherResults([self.push(number) for number in range(100)])
        self.assertEqual({outcome.kind for outcome in outcomes}, {OutcomeKind.DONE})
        self.assertEqual(self.proxy.asked, [b"CONNECT 127.0.0.1:443 HTTP/1.1"])
        self.assertEqual(len(self.double.requests), 100)

    async def test_refused(self) -> None:
        """
        What the proxy has against it is the complaint that operators see.
        """
        self.proxy.refusal = b"407 Proxy Authentication Required"
        outcome = await self.push(1)
        self.assertEqual((outcome.kind, outcome.sent), (OutcomeKind.RETRY, False))
        self.assertIn("wants credentials (HTTP status 407)", outcome.reason)
        self.assertIn("the outgoing proxy", self.client.complaint)
        self.assertEqual(self.double.connections, [])

    async def test_stop(self) -> None:
        """
        A stop ends the tunnel, too.
        """
        await self.push(1)
        await Deferred.fromCoroutine(self.client.close()).addTimeout(PATIENCE, reactor)
        await self.double.until(lambda: self.double.connections[0].lost).addTimeout(
            PATIENCE, reactor
        )
