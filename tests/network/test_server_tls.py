"""
Tests for :mod:`scepd.network.server_tls`.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
)
from OpenSSL import SSL
from OpenSSL.crypto import X509, PKey
from twisted.internet.address import IPv4Address
from twisted.internet.interfaces import IProtocolNegotiationFactory
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from scepd.errors import ConfigurationError
from scepd.network.server_tls import ReloadableTLS
from tests.network.certificates import certificate, key, key_pem, pem


def shake_hands(
    server_context: SSL.Context, protocols: list[bytes], newest: int = SSL.TLS1_3_VERSION
) -> SSL.Connection:
    """
    A client's connection to a server with this context, after a handshake in memory.

    :param protocols: what the client offers by ALPN.
    """
    return both_ends(server_context, SSL.Context(SSL.TLS_CLIENT_METHOD), protocols, newest)[0]


def both_ends(
    server_context: SSL.Context,
    context: SSL.Context,
    protocols: list[bytes],
    newest: int = SSL.TLS1_3_VERSION,
) -> tuple[SSL.Connection, SSL.Connection]:
    """
    The connections of a client with this context and of the server, as :func:`shake_hands`.
    """
    context.set_max_proto_version(newest)
    context.set_min_proto_version(SSL.TLS1_VERSION)
    context.set_cipher_list(b"ALL:@SECLEVEL=0")
    if protocols:
        context.set_alpn_protos(protocols)
    client, server = SSL.Connection(context, None), SSL.Connection(server_context, None)
    client.set_connect_state()
    server.set_accept_state()
    for _ in range(4):
        for source, sink in ((client, server), (server, client)):
            with contextlib.suppress(SSL.WantReadError):
                source.do_handshake()
            with contextlib.suppress(SSL.WantReadError):
                sink.bio_write(source.bio_read(65536))
    return client, server


@implementer(IProtocolNegotiationFactory)
class EagerFactory(Factory):
    """
    Builds protocols for HTTP/2, if it may.
    """

    protocol = Protocol

    def acceptableProtocols(self) -> list[bytes]:
        """
        HTTP/2 first.
        """
        return [b"h2", b"http/1.1"]


class ReloadableTLSTests(SynchronousTestCase):
    """
    Tests for ReloadableTLS.
    """

    def setUp(self) -> None:
        """
        Files with a certificate and its key.
        """
        folder = Path(self.mktemp())
        folder.mkdir()
        self.certificate_file, self.key_file = folder / "certificate.pem", folder / "key.pem"
        self.certificate_file.write_text(pem(certificate("first.example"), certificate()))
        self.key_file.write_bytes(key_pem())

    def load(self) -> ReloadableTLS:
        """
        Load the files.
        """
        return ReloadableTLS(self.certificate_file, self.key_file)

    def assert_unusable(self, *words: str) -> None:
        """
        The files are refused, with a text that has these words and not the key.
        """
        text = str(self.assertRaises(ConfigurationError, self.load))
        for word in words:
            self.assertIn(word, text)
        self.assertNotIn("BEGIN", text)

    def shown(self, tls: ReloadableTLS) -> str:
        """
        The name in the certificate that a new connection gets.
        """
        peer = shake_hands(tls.getContext(), []).get_peer_certificate()
        assert peer is not None
        return str(peer.get_subject().CN)

    def test_chain(self) -> None:
        """
        A connection gets the first certificate of the file, and the others behind it.
        """
        chain = shake_hands(self.load().getContext(), []).get_peer_cert_chain()
        assert chain is not None
        names = [each.get_subject().CN for each in chain]
        self.assertEqual(names, ["first.example", "Test Root"])

    def test_asks_clients(self) -> None:
        """
        A client is asked for a certificate only by a listener that shall; it may be anybody's, or
        there may be none.
        """
        asking = ReloadableTLS(self.certificate_file, self.key_file, asks_clients=True)
        for newest in (SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION):
            client = SSL.Context(SSL.TLS_CLIENT_METHOD)
            _, server = both_ends(asking.getContext(), client, [], newest)
            self.assertIsNone(server.get_peer_certificate())
            self.assertIn("finished", server.get_state_string().decode())
            for tls, expected in ((asking, "device.example"), (self.load(), None)):
                client = SSL.Context(SSL.TLS_CLIENT_METHOD)
                client.use_certificate(X509.from_cryptography(certificate("device.example")))
                client.use_privatekey(PKey.from_cryptography_key(key()))
                _, server = both_ends(tls.getContext(), client, [], newest)
                found = server.get_peer_certificate()
                self.assertEqual(found and found.get_subject().CN, expected)

    def test_only_http_1(self) -> None:
        """
        HTTP/2 is never agreed upon, and clients without ALPN are served.
        """
        context = self.load().getContext()
        for offered, agreed in (
            ([b"h2", b"http/1.1"], b"http/1.1"),
            ([b"h2"], b""),
            ([], b""),
        ):
            client = shake_hands(context, offered)
            self.assertEqual(client.get_alpn_proto_negotiated(), agreed)
            self.assertIn(client.get_state_string(), (b"SSL negotiation finished successfully",))

    def test_factory_that_wants_http_2(self) -> None:
        """
        A listener's factory that would like to speak HTTP/2 is not asked.
        """
        reactor = MemoryReactorClock()
        wrapped = TLSMemoryBIOFactory(self.load(), False, EagerFactory(), clock=reactor)
        protocol = wrapped.buildProtocol(IPv4Address("TCP", "192.0.2.1", 1024))
        protocol.makeConnection(StringTransport())
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        context.set_alpn_protos([b"h2", b"http/1.1"])
        hello = SSL.Connection(context, None)
        hello.set_connect_state()
        self.assertRaises(SSL.WantReadError, hello.do_handshake)
        protocol.dataReceived(hello.bio_read(65536))
        self.assertEqual(protocol.negotiatedProtocol, b"http/1.1")

    def test_no_old_versions(self) -> None:
        """
        TLS 1.1 is refused.
        """
        context = self.load().getContext()
        self.assertRaises(SSL.Error, shake_hands, context, [], SSL.TLS1_1_VERSION)

    def test_missing_file(self) -> None:
        """
        A file that is not there is named, with the reason.
        """
        self.key_file.unlink()
        self.assert_unusable("key.pem", "No such file or directory")
        self.certificate_file.unlink()
        self.assert_unusable("certificate.pem", "No such file or directory")

    def test_bad_files(self) -> None:
        """
        Files that hold something else are named.
        """
        encrypted = key().private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")
        )
        broken = b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
        for content in (b"", b"\xff\x00", broken, encrypted, pem(certificate()).encode()):
            self.key_file.write_bytes(content)
            self.assert_unusable("key.pem", "private key")
        self.key_file.write_bytes(key_pem())
        broken = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
        for content in (b"", b"\xff\x00", broken, key_pem()):
            self.certificate_file.write_bytes(content)
            self.assert_unusable("certificate.pem", "certificates")

    def test_wrong_key(self) -> None:
        """
        A key that is not the certificate's is refused as such.
        """
        self.key_file.write_bytes(key_pem(ec.generate_private_key(ec.SECP256R1())))
        self.assert_unusable("certificate.pem", "key.pem", "does not belong")

    def test_reload(self) -> None:
        """
        New files are for new connections.
        """
        tls = self.load()
        old = tls.getContext()
        self.certificate_file.write_text(pem(certificate("second.example")))
        self.assertEqual(self.shown(tls), "first.example")
        tls.reload()
        self.assertEqual(self.shown(tls), "second.example")
        peer = shake_hands(old, []).get_peer_certificate()
        self.assertIsNotNone(peer)

    def test_bad_reload(self) -> None:
        """
        Files that can't be used leave the old certificate in place.
        """
        tls = self.load()
        for content in (b"", key_pem(ec.generate_private_key(ec.SECP256R1()))):
            self.key_file.write_bytes(content)
            self.assertRaises(ConfigurationError, tls.reload)
            self.assertEqual(self.shown(tls), "first.example")
        self.key_file.unlink()
        self.assertRaises(ConfigurationError, tls.reload)
        self.assertEqual(self.shown(tls), "first.example")

    def test_listens(self) -> None:
        """
        Twisted's reactors take it for a listener's context factory.
        """
        reactor = MemoryReactorClock()
        tls = self.load()
        reactor.listenSSL(443, object(), tls)
        self.assertIs(reactor.sslServers[0][2], tls)
