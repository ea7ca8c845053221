"""
What the tests of outgoing TLS begin with.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from cryptography import x509
from twisted.internet.address import IPv4Address
from twisted.internet.interfaces import IProtocol
from twisted.internet.protocol import Factory, Protocol
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.test import iosim
from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import UpstreamFault
from scepd.network.exchange import Exchange
from scepd.network.scep_upstream import SCEPUpstream
from scepd.ports import UpstreamRequest, UpstreamTarget
from tests.network.certificates import certificate, pem, server_options
from tests.network.doubles import LIMITS, Consumer, MemoryNetwork

GET = UpstreamRequest("GET", b"operation=GetCACaps")
OK_2 = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab"
ROOT = certificate()
GOOD = certificate("ca.example", "192.0.2.1")


class Server(Protocol):
    """
    A server that keeps what it got.
    """

    transport: Any

    def __init__(self) -> None:
        self.received = b""

    def dataReceived(self, data: bytes) -> None:
        """
        Keep it.
        """
        self.received += data


class TLSTestCase(SynchronousTestCase):
    """
    An upstream and a TLS server in memory.
    """

    def setUp(self) -> None:
        """
        Nothing is connected yet.
        """
        self.network = MemoryNetwork()
        self.network.names.addresses["192.0.2.1"] = ["192.0.2.1"]
        self.upstream = SCEPUpstream(self.network.reactor, LIMITS)
        self.consumer = Consumer()
        self.server = Server()

    def start(
        self, host: str = "ca.example", trust: x509.Certificate = ROOT, **settings: object
    ) -> Exchange:
        """
        Begin an exchange, with further settings of an UpstreamTarget.
        """
        target = UpstreamTarget("ca", f"https://{host}/scep", pem(trust))
        target = replace(target, **settings)  # type: ignore[arg-type]
        exchange = self.upstream.start(target, GET, self.consumer)
        exchange.finish()
        return exchange

    def accept(self, server: IProtocol) -> iosim.IOPump:
        """
        Connect the oldest attempt to ``server``.
        """
        client = self.network.take_attempt().buildProtocol(IPv4Address("TCP", "192.0.2.1", 443))
        self.server_end = iosim.FakeTransport(server, isServer=True)
        self.client_end = iosim.FakeTransport(client, isServer=False)
        pump: iosim.IOPump = iosim.connect(
            server, self.server_end, client, self.client_end, clock=self.network.reactor
        )
        return pump

    def accept_tls(self, *chain: x509.Certificate, **options: object) -> iosim.IOPump:
        """
        Connect the oldest attempt to a TLS server with this chain and further options.
        """
        return self.accept(self.tls_server(*chain, **options))

    def tls_server(self, *chain: x509.Certificate, **options: object) -> IProtocol:
        """
        The server behind TLS.
        """
        factory = TLSMemoryBIOFactory(
            server_options(*chain, **options),
            False,
            Factory.forProtocol(lambda: self.server),
            clock=self.network.reactor,
        )
        protocol: IProtocol = factory.buildProtocol(IPv4Address("TCP", "192.0.2.2", 1024))
        return protocol

    def assert_refused(self, complaint: str, host: str = "ca.example") -> None:
        """
        The handshake failed for this reason, and the server got no byte of a request.
        """
        self.assertEqual(self.consumer.events, [("pause",), ("failed", UpstreamFault.TLS)])
        self.assertEqual(str(self.consumer.error), f"TLS with {host} failed: {complaint}")
        self.assertEqual(self.server.received, b"")
        self.network.reactor.advance(0)
        self.assertEqual(self.network.reactor.getDelayedCalls(), [])
