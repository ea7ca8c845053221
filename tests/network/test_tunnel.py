"""
Tests for outgoing proxies: tunnels to https URLs, and requests for http URLs.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from cryptography import x509
from twisted.internet.error import ConnectionRefusedError
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.test import iosim

from scepd.errors import UpstreamFault
from scepd.network.limits import UpstreamLimits
from scepd.network.scep_upstream import SCEPUpstream
from scepd.ports import UpstreamRequest, UpstreamTarget
from tests.network.certificates import certificate
from tests.network.doubles import LIMITS, Consumer, Socket
from tests.network.tls_cases import GOOD, OK_2, TLSTestCase

PROXY = "http://proxy.example:3128"
CONNECT = b"CONNECT ca.example:443 HTTP/1.1\r\nHost: ca.example:443\r\nUser-Agent: scepd\r\n\r\n"
OPEN = b"HTTP/1.1 200 Connection established\r\n\r\n"


class OpeningProxy(Protocol):
    """
    A proxy that opens the tunnel it is asked for and is out of the way then.
    """

    transport: Any

    def __init__(self, far_end: Any) -> None:
        self._far_end = far_end
        self._asked = b""

    def dataReceived(self, data: bytes) -> None:
        """
        The question, or what comes through the tunnel.
        """
        if self._asked == CONNECT:
            self._far_end.dataReceived(data)
            return
        self._asked += data
        if self._asked == CONNECT:
            self.transport.write(OPEN)
            self._far_end.makeConnection(self.transport)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        The tunnel is closed.
        """
        if self._asked == CONNECT:
            self._far_end.connectionLost(reason)


class ProxyCase(TLSTestCase):
    """
    A proxy on a network in memory; the certificate authority itself has no address.
    """

    def setUp(self) -> None:
        """
        Nothing is connected yet.
        """
        super().setUp()
        self.network.names.addresses = {"proxy.example": ["192.0.2.9"]}

    def limited(self, limits: UpstreamLimits) -> None:
        """
        Have other limits.
        """
        self.upstream = SCEPUpstream(self.network.reactor, limits)

    def assert_failed(self, fault: UpstreamFault, sentence: str) -> None:
        """
        This failure came, once, and nothing is left.
        """
        self.assertEqual(self.consumer.events, [("pause",), ("failed", fault)])
        self.assertEqual(str(self.consumer.error), sentence)
        self.network.reactor.advance(0)
        self.assertEqual(self.network.reactor.getDelayedCalls(), [])


class TunnelTests(ProxyCase):
    """
    Tests for https URLs behind a proxy.
    """

    def tunnel(self) -> Socket:
        """
        Begin an exchange, up to the connection to the proxy.
        """
        self.start(outgoing_proxy=PROXY)
        return self.network.accept()

    def open_tunnel(self, *chain: x509.Certificate) -> iosim.IOPump:
        """
        Begin an exchange, up to TLS with a server of this chain behind a proxy that does its work.
        """
        self.start(outgoing_proxy=PROXY)
        return self.accept(OpeningProxy(self.tls_server(*chain)))

    def test_asked_first(self) -> None:
        """
        The proxy is dialled and asked for a tunnel; neither the certificate authority's name nor
        its address is looked for, and no other byte is sent before the tunnel is open.
        """
        self.start(outgoing_proxy=PROXY)
        self.assertEqual(self.network.names.asked, ["proxy.example"])
        self.assertEqual(self.network.dialled, [("192.0.2.9", 3128)])
        socket = self.network.accept()
        self.assertEqual(socket.take(), CONNECT)
        socket.receive(OPEN[:-1])
        self.assertEqual(socket.take(), b"")
        socket.receive(OPEN[-1:])
        # A TLS record with a ClientHello (RFC 8446 sections 4 and 5.1).
        hello = socket.take()
        self.assertEqual((hello[:2], hello[5:6]), (b"\x16\x03", b"\x01"))
        self.assertNotIn(b"GetCACaps", hello)

    def test_through(self) -> None:
        """
        In the open tunnel TLS is spoken with the certificate authority, whose certificate counts,
        and the connection is kept for the next exchange.
        """
        pump = self.open_tunnel(GOOD)
        self.assertTrue(self.server.received.startswith(b"GET /scep?operation=GetCACaps HTTP/1.1"))
        self.server.transport.write(OK_2)
        pump.flush()
        self.assertEqual(self.consumer.names()[-1], "finished")
        self.server.received = b""
        self.start(outgoing_proxy=PROXY)
        pump.flush()
        self.assertTrue(self.server.received.startswith(b"GET "))
        self.assertEqual(self.network.dialled, [])
        self.server_end.loseConnection()
        pump.flush()
        self.assertEqual(self.consumer.events[-1], ("failed", UpstreamFault.CLOSED))

    def test_wrong_certificate(self) -> None:
        """
        A certificate authority behind a tunnel is trusted no more than any other.
        """
        self.open_tunnel(certificate("proxy.example"))
        self.assert_refused("its certificate is for another host name (proxy.example)")

    def test_ipv6(self) -> None:
        """
        An IPv6 address stands in brackets.
        """
        self.start("[2001:db8::1]:8443", outgoing_proxy=PROXY)
        sent = self.network.accept().take()
        self.assertTrue(sent.startswith(b"CONNECT [2001:db8::1]:8443 HTTP/1.1\r\n"), sent)

    def test_refused(self) -> None:
        """
        A proxy that opens no tunnel is told apart by its status, and the connection ends.
        """
        for status, what in (
            (407, "wants credentials (HTTP status 407), and scepd has none for it"),
            (502, "can't reach ca.example:443 (HTTP status 502)"),
            (503, "can't reach ca.example:443 (HTTP status 503)"),
            (504, "can't reach ca.example:443 (HTTP status 504)"),
            (403, "refused a tunnel to ca.example:443 (HTTP status 403)"),
            (301, "refused a tunnel to ca.example:443 (HTTP status 301)"),
        ):
            self.setUp()
            socket = self.tunnel()
            socket.clear()
            socket.receive(b"HTTP/1.1 %d x\r\nLocation: http://evil/\r\n\r\nbody" % status)
            self.assertTrue(socket.disconnecting)
            self.assertEqual(socket.take(), b"")
            self.assert_failed(UpstreamFault.PROXY, f"the outgoing proxy proxy.example:3128 {what}")

    def test_no_proxy(self) -> None:
        """
        What is no HTTP proxy, or closes at once, is told apart.
        """
        socket = self.tunnel()
        socket.receive(b"SSH-2.0-OpenSSH\r\n")
        self.assert_failed(
            UpstreamFault.PROXY,
            "the outgoing proxy proxy.example:3128 failed while asked for a tunnel: "
            "its answer is not HTTP",
        )
        self.setUp()
        self.tunnel().lose()
        self.assert_failed(
            UpstreamFault.PROXY,
            "the outgoing proxy proxy.example:3128 closed the connection when asked for a tunnel "
            "to ca.example:443",
        )

    def test_not_reached(self) -> None:
        """
        A proxy that can't be reached is named as such.
        """
        self.start(outgoing_proxy=PROXY)
        self.network.refuse(ConnectionRefusedError())
        self.network.reactor.advance(1)
        self.assert_failed(
            UpstreamFault.REFUSED,
            "the outgoing proxy proxy.example:3128 refused the connection",
        )
        self.setUp()
        self.network.names.addresses = {}
        self.start(outgoing_proxy=PROXY)
        self.assert_failed(
            UpstreamFault.DNS,
            "the host name of the outgoing proxy proxy.example:3128 has no address",
        )

    def test_deadlines(self) -> None:
        """
        At the deadline the phase is named: the proxy's name, its connection, the tunnel, TLS.
        """
        peer = "the outgoing proxy proxy.example:3128"
        self.network.names.silent = True
        self.start(outgoing_proxy=PROXY)
        self.assert_too_slow(f"the name server did not answer for {peer} within 10 s")
        self.start(outgoing_proxy=PROXY)
        self.assert_too_slow(f"no connection to {peer} within 10 s")
        socket = self.tunnel()
        self.assert_too_slow(f"{peer} did not open a tunnel to ca.example within 10 s")
        self.assertTrue(socket.disconnecting)
        socket.receive(OPEN)
        socket = self.tunnel()
        socket.receive(OPEN)
        self.assert_too_slow("the TLS handshake with ca.example was not complete within 10 s")
        self.assertTrue(socket.disconnecting)

    def test_whole_deadline(self) -> None:
        """
        The exchange's own deadline names the phase too.
        """
        self.limited(replace(LIMITS, connect_timeout=90))
        self.tunnel()
        self.network.reactor.advance(60)
        self.assert_failed(
            UpstreamFault.TIMEOUT,
            "ca.example was too slow: 60 s were over while "
            "the outgoing proxy proxy.example:3128 was opening a tunnel",
        )

    def test_aborted(self) -> None:
        """
        An exchange that is given up while the tunnel is asked for closes the connection, whatever
        the proxy answers then.
        """
        exchange = self.start(outgoing_proxy=PROXY)
        socket = self.network.accept()
        exchange.abort()
        self.assertTrue(socket.disconnecting)
        socket.clear()
        socket.protocol.dataReceived(OPEN)
        self.network.reactor.advance(0)
        self.assertEqual(socket.take(), b"")
        self.assertEqual(self.consumer.names(), ["pause"])
        self.assertEqual(self.network.reactor.getDelayedCalls(), [])

    def test_refused_address(self) -> None:
        """
        It is the proxy's address that is judged.
        """
        self.network.names.addresses["proxy.example"] = ["169.254.169.254"]
        self.start(outgoing_proxy=PROXY)
        self.assert_failed(
            UpstreamFault.ADDRESS,
            "the address of the outgoing proxy proxy.example:3128 (169.254.169.254) "
            "may not be connected to",
        )

    def assert_too_slow(self, sentence: str) -> None:
        """
        After 10 seconds the exchange fails so; then all is as in the beginning.
        """
        self.network.reactor.advance(10)
        self.assert_failed(UpstreamFault.TIMEOUT, sentence)
        self.network.names.silent = False
        self.network.reactor.tcpClients.clear()
        self.consumer = Consumer()


class PlainTests(ProxyCase):
    """
    Tests for http URLs behind a proxy.
    """

    def begin(self, request: UpstreamRequest) -> Socket:
        """
        Begin an exchange, up to the connection to the proxy.
        """
        target = UpstreamTarget("ca", "http://ca.example:8080/scep", None, outgoing_proxy=PROXY)
        self.consumer = Consumer()
        self.exchange = self.upstream.start(target, request, self.consumer)
        return self.network.accept()

    def test_absolute_form(self) -> None:
        """
        The proxy gets the whole URL in the request line, and the host as usual.
        """
        socket = self.begin(UpstreamRequest("POST", b"operation=PKIOperation", 2))
        self.exchange.write(b"ab")
        self.exchange.finish()
        self.assertEqual(
            socket.take(),
            b"POST http://ca.example:8080/scep?operation=PKIOperation HTTP/1.1\r\n"
            b"Host: ca.example:8080\r\nUser-Agent: scepd\r\nAccept: */*\r\n"
            b"Content-Type: application/x-pki-message\r\nContent-Length: 2\r\n\r\nab",
        )
        socket.receive(OK_2)
        self.assertEqual(self.consumer.names()[-1], "finished")

    def test_statuses(self) -> None:
        """
        407 is the proxy's; of 502, 503 and 504 both are named; all others are the certificate
        authority's.
        """
        maybe = "ca.example, or the outgoing proxy proxy.example:3128 on the way to it, answered "
        for status, fault, sentence in (
            (
                407,
                UpstreamFault.PROXY,
                "the outgoing proxy proxy.example:3128 wants credentials (HTTP status 407), "
                "and scepd has none for it",
            ),
            (502, UpstreamFault.STATUS, f"{maybe}with HTTP status 502"),
            (503, UpstreamFault.STATUS, f"{maybe}with HTTP status 503"),
            (504, UpstreamFault.STATUS, f"{maybe}with HTTP status 504"),
        ):
            socket = self.begin(UpstreamRequest("GET", b"operation=GetCACaps"))
            self.exchange.finish()
            socket.receive(b"HTTP/1.1 %d x\r\nContent-Length: 2\r\n\r\nno" % status)
            self.assertEqual(self.consumer.events[-1], ("failed", fault))
            self.assertEqual(str(self.consumer.error), sentence)
            self.assertTrue(socket.disconnecting)
        socket = self.begin(UpstreamRequest("GET", b"operation=GetCACaps"))
        self.exchange.finish()
        socket.receive(b"HTTP/1.1 404 x\r\nContent-Length: 0\r\n\r\n")
        self.assertEqual(self.consumer.events[-2:], [("started", 404, None, 0), ("finished",)])


class SeveralAddressesTests(ProxyCase):
    """
    Tests for a proxy of several addresses.
    """

    def test_first_is_asked(self) -> None:
        """
        When two of its addresses are tried, the one that is connected first is asked, alone.
        """
        self.network.names.addresses["proxy.example"] = ["192.0.2.9", "192.0.2.10"]
        self.start(outgoing_proxy=PROXY)
        self.network.reactor.advance(1)
        self.assertEqual(len(self.network.dialled), 2)
        first = self.network.accept()
        self.assertEqual(first.take(), CONNECT)
        self.assertTrue(self.network.reactor.connectors[1].stoppedConnecting)
        first.receive(OPEN)
        self.assertTrue(first.take())
        self.assertEqual(self.consumer.names(), ["pause"])
