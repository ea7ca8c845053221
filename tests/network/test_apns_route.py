"""
Tests for the way to Apple's push service, over real TLS on loopback.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from twisted.internet import reactor as installed_reactor
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IHandshakeListener
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase, TestCase
from zope.interface import implementer

from scepd.apns.credentials import PushCredentials, load_credentials, load_provider_token
from scepd.errors import ConfigurationError, UpstreamError
from scepd.network.apns_route import APNsRoute
from tests.apns.notifications import TOPIC
from tests.apns.test_credentials_forms import KEY_ID, TEAM_ID
from tests.support.apns_certificates import PushFiles
from tests.support.apns_double import APNsDouble
from tests.support.apns_server import tls_options
from tests.support.http_proxy import HTTPProxy

reactor: Any = installed_reactor
PATIENCE = 10


@implementer(IHandshakeListener)
class _Client(Protocol):
    """
    Says how its TLS handshake ended.
    """

    transport: Any = None

    def __init__(self) -> None:
        self.secured: Deferred[bytes | None] = Deferred()
        self.ended: Deferred[None] = Deferred()

    def handshakeCompleted(self) -> None:
        """
        With this protocol.
        """
        self.secured.callback(self.transport.negotiatedProtocol)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        It is over.
        """
        if not self.secured.called:
            self.secured.errback(reason)
        self.ended.callback(None)


class ProxyTests(TestCase):
    """
    Tests for the way through an HTTP proxy.
    """

    async def setUp(self) -> None:  # type: ignore[override]
        """
        Start a push service and a proxy before it.
        """
        self.files = PushFiles(Path(self.mktemp()).absolute())
        self.files.ensure()
        double = APNsDouble()
        port = reactor.listenSSL(0, double, tls_options(self.files), interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        self.port = port.getHost().port
        self.proxy = HTTPProxy(self.port)
        await self.proxy.start()
        self.addCleanup(lambda: Deferred.fromCoroutine(self.proxy.stop()))
        self.credentials = load_credentials(
            self.files.read("push_certificate"), self.files.read("push_key")
        )

    async def connect(self, proxy: str | None, credentials: PushCredentials) -> _Client:
        """
        Connect, and close in the end.
        """
        trust = self.files.read("ca")
        # The name is the one that the certificate has; no resolver of this machine is asked.
        route = APNsRoute(reactor, "127.0.0.1", self.port, trust, proxy=proxy)
        connecting = route.endpoint(credentials).connect(Factory.forProtocol(_Client))
        client = await connecting.addTimeout(PATIENCE, reactor)
        assert isinstance(client, _Client)

        self.addCleanup(lambda: client.transport.abortConnection())
        return client

    async def test_tunnel(self) -> None:
        """
        The proxy is asked for a tunnel to the push service, and TLS with our certificate and
        HTTP/2 is spoken through it.
        """
        client = await self.connect(self.proxy.url, self.credentials)
        protocol = await client.secured.addTimeout(PATIENCE, reactor)
        self.assertEqual(protocol, b"h2")
        self.assertEqual(self.proxy.asked, [f"127.0.0.1:{self.port}".encode()])
        (shown,) = client.transport.getHandle().get_certificate().get_subject().get_components()[:1]
        self.assertEqual(shown, (b"UID", self.credentials.topic.encode()))

    async def test_refused(self) -> None:
        """
        A proxy that opens no tunnel is named.
        """
        self.proxy.refusal = b"HTTP/1.1 403 Forbidden"
        with self.assertRaises(UpstreamError) as caught:
            await self.connect(self.proxy.url, self.credentials)
        name = self.proxy.url.removeprefix("http://")
        self.assertEqual(
            caught.exception.sentence,
            f"the outgoing proxy {name} refused a tunnel to 127.0.0.1:{self.port} "
            "(HTTP status 403)",
        )

    async def test_no_certificate(self) -> None:
        """
        With a provider token no certificate is shown, so that the double ends the connection.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        token = load_provider_token(pem, KEY_ID, TEAM_ID, TOPIC, reactor.seconds)
        client = await self.connect(None, token)
        self.assertEqual(await client.secured.addTimeout(PATIENCE, reactor), b"h2")
        self.assertIsNone(client.transport.getHandle().get_certificate())
        await client.ended.addTimeout(PATIENCE, reactor)


class HostTests(SynchronousTestCase):
    """
    Tests for what can't be used.
    """

    def test_proxy(self) -> None:
        """
        A proxy's URL that is none is a matter of configuration.
        """
        for url in ("proxy", "ftp://proxy:1", "http://"):
            with self.assertRaises(ConfigurationError):
                APNsRoute(reactor, "localhost", 443, None, proxy=url)
