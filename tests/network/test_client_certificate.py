"""
Tests for our certificate as a TLS client, and for what servers say of it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from OpenSSL import SSL
from OpenSSL.crypto import X509
from twisted.internet.ssl import TLSVersion
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import UpstreamFault
from scepd.network.client_certificate import own_chain
from scepd.network.handshake import alert_complaint, handshake_complaint
from scepd.ports import ClientCredentials
from tests.network.certificates import certificate, key_pem, pem
from tests.network.tls_cases import GOOD, ROOT, TLSTestCase

KEY = key_pem().decode()
MUTUAL = {"verify": True, "caCerts": [X509.from_cryptography(ROOT)]}
TLS_1_2 = {"lowerMaximumSecurityTo": TLSVersion.TLSv1_2}


def credentials(*, issuer: str = "Test Root", until: float = 1) -> ClientCredentials:
    """
    Ours, from an issuer that the server trusts.
    """
    own = certificate("scepd", issuer=issuer, since=-9, until=until)
    return ClientCredentials(pem(own), KEY)


def weak() -> ClientCredentials:
    """
    With a key that OpenSSL does not take.
    """
    rsa_key = rsa.generate_private_key(65537, 1024)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "scepd")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).serial_number(1)
    builder = builder.not_valid_before(now).not_valid_after(now + timedelta(days=1))
    made = builder.public_key(rsa_key.public_key()).sign(rsa_key, SHA256())
    key = rsa_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return ClientCredentials(pem(made), key.decode())


class ClientCertificateTests(TLSTestCase):
    """
    Tests against servers that want a client certificate.
    """

    def failure(self, client: ClientCredentials | None, **options: object) -> str:
        """
        What the operator is told of a connection that the server refuses.
        """
        self.setUp()
        self.start(client=client)
        self.accept_tls(GOOD, **MUTUAL, **options)
        self.assertEqual(self.server.received, b"")
        self.assertEqual(self.consumer.events[-1], ("failed", UpstreamFault.TLS))
        self.network.reactor.advance(0)
        self.assertEqual(self.network.reactor.getDelayedCalls(), [])
        return str(self.consumer.error)

    def test_shown(self) -> None:
        """
        A server that wants our certificate gets it, in TLS 1.2 and 1.3, and then the request.
        """
        for options in ({}, TLS_1_2):
            self.setUp()
            self.start(client=credentials())
            self.accept_tls(GOOD, **MUTUAL, **options)
            self.assertTrue(self.server.received.startswith(b"GET /scep?"))
            shown = self.server.transport.getPeerCertificate()
            self.assertEqual(shown.get_subject().CN, "scepd")

    def test_issuers(self) -> None:
        """
        The issuers that stand behind our certificate are shown with it.
        """
        issuer = certificate(issuer="Ours")
        own = certificate("scepd", issuer="Ours")
        shown, behind = own_chain(ClientCredentials(pem(own, issuer), KEY))
        self.assertEqual(shown.original.to_cryptography(), own)
        self.assertEqual([each.to_cryptography() for each in behind], [issuer])

    def test_missing(self) -> None:
        """
        A server that gets no certificate says so, in TLS 1.3 after the handshake.
        """
        self.assertEqual(
            self.failure(None), "TLS with ca.example failed: it wants a client certificate"
        )
        self.assertIn("or it wants a client certificate", self.failure(None, **TLS_1_2))

    def test_not_accepted(self) -> None:
        """
        A server that does not accept our certificate says why.
        """
        stranger = credentials(issuer="Unknown")
        for options in ({}, TLS_1_2):
            self.assertEqual(
                self.failure(stranger, **options),
                "TLS with ca.example failed: it does not accept our client certificate "
                "(its issuer is not trusted there)",
            )
            self.assertIn(
                "does not accept our client certificate (it has expired)",
                self.failure(credentials(until=-3), **options),
            )

    def test_no_version_in_common(self) -> None:
        """
        A server of another version of TLS is told apart.
        """
        old = {
            "insecurelyLowerMinimumTo": TLSVersion.TLSv1_0,
            "lowerMaximumSecurityTo": TLSVersion.TLSv1_1,
        }
        self.start()
        self.accept_tls(GOOD, **old)
        self.assert_refused("no TLS version in common")

    def test_unreadable(self) -> None:
        """
        Credentials that can't be read, or don't belong together, fail before anything is dialled.
        """
        good = credentials()
        other = key_pem(ec.generate_private_key(ec.SECP256R1())).decode()
        for client, complaint in (
            (ClientCredentials("", KEY), "its client certificate and key can't be read"),
            (
                ClientCredentials(good.certificate, "no PEM"),
                "its client certificate and key can't be read",
            ),
            (
                ClientCredentials(good.certificate, other),
                "its client certificate and key don't belong together",
            ),
            (weak(), "its client certificate is too weak for TLS"),
        ):
            self.setUp()
            self.start(client=client)
            self.assertEqual(self.consumer.events[-1], ("failed", UpstreamFault.TLS))
            self.assertIn(complaint, str(self.consumer.error))
            self.assertEqual(self.network.dialled, [])


class WordsTests(SynchronousTestCase):
    """
    Tests for OpenSSL's reasons in words.
    """

    def test_alerts(self) -> None:
        """
        Alerts are told apart from what we found ourselves, whatever OpenSSL's version calls them.
        """
        for text, complaint in (
            ("tlsv13 alert certificate required", "it wants a client certificate"),
            ("ssl/tls alert bad certificate", "(bad certificate)"),
            ("sslv3 alert certificate revoked", "(it is revoked)"),
            ("tlsv1 alert protocol version", "no TLS version in common"),
            ("tlsv1 unrecognized name", None),
            ("tlsv1 alert internal error", "tlsv1 alert internal error"),
            ("unsupported protocol", None),
        ):
            found = alert_complaint(Failure(SSL.Error([("SSL routines", "", text)])))
            self.assertEqual(found is None, complaint is None, text)
            self.assertIn(complaint or "", found or "")
        self.assertIsNone(alert_complaint(Failure(SSL.Error())))
        self.assertIsNone(alert_complaint(Failure(ValueError())))

    def test_what_we_found(self) -> None:
        """
        What we found ourselves is in words too.
        """
        for text, complaint in (
            ("wrong version number", "it does not speak TLS"),
            ("unsupported protocol", "no TLS version in common"),
            ("tlsv1 unrecognized name", "it does not know this host name"),
            (
                "dh key too small",
                "its certificate or key exchange is too weak (key too small)",
            ),
        ):
            found = handshake_complaint(Failure(SSL.Error([("SSL routines", "", text)])))
            self.assertEqual(found, complaint)
