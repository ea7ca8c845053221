"""
Tests for proofs of identity beside the signature, as devices and proxies meet them.
"""

from __future__ import annotations

from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL.crypto import X509
from twisted.internet.address import HostnameAddress, IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.interfaces import IAddress
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource

from scepd.mdm.client_certificate import rfc9440_header
from scepd.web.client_certificates import ClientCertificates, TrustedProxies
from scepd.web.mdm import make_mdm_endpoint
from scepd.web.streaming import StreamingSite
from tests.support.fake_mdm_world import MDMWorld, authenticate, report, signed, token_update
from tests.support.http_device import DeviceEnd, HTTPAnswer
from tests.support.pki import Party, party

PROXY = IPv4Address("TCP", "10.1.2.3", 40_000)
STRANGER = IPv4Address("TCP", "192.0.2.1", 40_000)


def escaped_pem(identity: Party) -> bytes:
    """
    A certificate as nginx passes it on.
    """
    certificate = x509.load_der_x509_certificate(identity.certificate)
    return quote(certificate.public_bytes(Encoding.PEM), safe="").encode()


class ProofTestCase(SynchronousTestCase):
    """
    A device that is enrolled, and another one.
    """

    def setUp(self) -> None:
        """
        Mount the endpoint behind a proxy that is trusted.
        """
        self.world = MDMWorld()
        self.world.enroll()
        self.identity = self.world.identity
        self.other = party("CN=device-2", 1)
        self.refusals = 0
        self.mount(TrustedProxies(["10.1.0.0/16", "::1"]))

    def mount(self, trusted: TrustedProxies, header: str = "Client-Cert") -> None:
        """
        Mount the endpoint.
        """
        root = Resource()
        certificates = ClientCertificates(header, trusted, self.refused)
        root.putChild(b"connect", make_mdm_endpoint(self.world.check_in, certificates))
        self.site = StreamingSite(
            root, reactor=self.world.clock, body_limit=100_000, request_timeout=30
        )

    def refused(self) -> None:
        """
        Count a refusal of the header.
        """
        self.refusals += 1

    def send(
        self,
        body: bytes,
        *,
        signer: Party | None = None,
        headers: tuple[bytes, ...] = (),
        address: IAddress = PROXY,
        shown: Party | None = None,
    ) -> HTTPAnswer:
        """
        Send a message.

        :param signer: whose signature it bears.
        :param headers: values of Client-Cert.
        :param address: where it comes from.
        :param shown: whose certificate was shown in the TLS handshake.
        """
        device = DeviceEnd(self.site, address)
        if shown is not None:
            found = X509.from_cryptography(x509.load_der_x509_certificate(shown.certificate))
            device.transport.getPeerCertificate = lambda: found  # type: ignore[attr-defined]
        head = b"".join(b"Client-Cert: %b\r\n" % value for value in headers)
        if signer is not None:
            head += b"Mdm-Signature: %b\r\n" % signed(body, signer)
        device.send(
            b"PUT /connect HTTP/1.1\r\nHost: scepd\r\nContent-Length: %d\r\n%b\r\n"
            % (len(body), head),
            body,
        )
        return device.answer()


class HeaderTests(ProofTestCase):
    """
    Tests for the header of a proxy.
    """

    def test_trusted(self) -> None:
        """
        From a trusted proxy it counts like a signature, in either form.
        """
        self.world.queue("command-1", None)
        for value in (rfc9440_header(self.identity.certificate), escaped_pem(self.identity)):
            answer = self.send(report("Idle"), headers=(value,))
            self.assertEqual((answer.status, answer.body), (200, b"raw command-1"))
        self.assertEqual(self.refusals, 0)

    def test_enrollment(self) -> None:
        """
        A device can enroll with it.
        """
        self.world = MDMWorld()
        self.mount(TrustedProxies(["10.1.2.3"]))
        value = rfc9440_header(self.world.identity.certificate)
        for body in (authenticate(), token_update(), report("Idle")):
            self.assertEqual(self.send(body, headers=(value,)).status, 200)
        self.assertTrue(self.world.known().enabled)

    def test_stranger(self) -> None:
        """
        From any other address it is refused and not believed, also beside a good signature; the log
        names the address and the setting.
        """
        value = rfc9440_header(self.identity.certificate)
        for signer in (None, self.identity):
            with capturedLogs() as events:
                answer = self.send(
                    report("Idle"), headers=(value,), address=STRANGER, signer=signer
                )
            self.assertEqual(answer.status, 400)
            (event,) = (each for each in events if "address" in each)
            self.assertEqual((event["log_level"].name, event["address"]), ("error", "192.0.2.1"))
            self.assertIn("[mdm] trusted_proxies", event["log_format"])
        self.assertEqual(self.refusals, 2)
        answer = self.send(report("Idle"), headers=(b"",), address=STRANGER, signer=self.identity)
        self.assertEqual(answer.status, 400)

    def test_stranger_without_it(self) -> None:
        """
        Without the header anybody may send what is signed.
        """
        answer = self.send(report("Idle"), address=STRANGER, signer=self.identity)
        self.assertEqual(answer.status, 200)

    def test_no_header_configured(self) -> None:
        """
        While no header is configured, one is nothing.
        """
        self.mount(TrustedProxies([]), header="")
        value = rfc9440_header(self.identity.certificate)
        self.assertEqual(self.send(report("Idle"), headers=(value,)).status, 400)
        answer = self.send(report("Idle"), headers=(value,), signer=self.identity)
        self.assertEqual(answer.status, 200)

    def test_no_certificate(self) -> None:
        """
        An empty header of a proxy proves nothing.
        """
        self.assertEqual(self.send(report("Idle"), headers=(b"",)).status, 400)
        answer = self.send(report("Idle"), headers=(b" ",), signer=self.identity)
        self.assertEqual(answer.status, 200)

    def test_unreadable(self) -> None:
        """
        One that can't be read, or came twice, is refused whatever the signature says.
        """
        value = rfc9440_header(self.identity.certificate)
        for headers in ((b"junk",), (b":AAAA:",), (value, value), (value + b"," + value,)):
            for signer in (None, self.identity):
                answer = self.send(report("Idle"), headers=headers, signer=signer)
                self.assertEqual(answer.status, 400)

    def test_same_checks(self) -> None:
        """
        Its certificate must be issued for an enrollment, in time, not revoked, and the device's.
        """
        for changes in (
            {"revoked": True},
            {"enrollment_id": "UDID-2", "host_uuid": "UDID-2"},
        ):
            enabled = {"enabled": True, "enrollment_id": "UDID-1", "host_uuid": "UDID-1"}
            self.world.issue(self.other, **(enabled | changes))
            value = rfc9440_header(self.other.certificate)
            self.assertEqual(self.send(report("Idle"), headers=(value,)).status, 400)
        unknown = rfc9440_header(party("CN=stranger", 2).certificate)
        self.assertEqual(self.send(report("Idle"), headers=(unknown,)).status, 400)
        self.world.clock.advance(400 * 86_400)
        expired = rfc9440_header(self.identity.certificate)
        self.assertEqual(self.send(report("Idle"), headers=(expired,)).status, 400)

    def test_before_tls(self) -> None:
        """
        A proxy may show a certificate of its own; the one that it passes on counts.
        """
        value = rfc9440_header(self.identity.certificate)
        answer = self.send(report("Idle"), headers=(value,), shown=self.other)
        self.assertEqual(answer.status, 200)


class TLSTests(ProofTestCase):
    """
    Tests for the certificate of the TLS handshake.
    """

    def test_shown(self) -> None:
        """
        What was shown in the handshake counts like a signature; nothing shown is nothing.
        """
        self.assertEqual(self.send(report("Idle"), shown=self.identity).status, 200)
        self.assertEqual(self.send(report("Idle"), shown=party("CN=stranger", 2)).status, 400)
        self.assertEqual(self.send(report("Idle")).status, 400)


class BothTests(ProofTestCase):
    """
    Tests for a signature together with another proof.
    """

    def test_agree(self) -> None:
        """
        Both of one identity.
        """
        answer = self.send(report("Idle"), shown=self.identity, signer=self.identity)
        self.assertEqual(answer.status, 200)

    def test_signature_must_be_good(self) -> None:
        """
        A signature that is wrong is not made good by the connection.
        """
        body = report("Idle")
        device = DeviceEnd(self.site, PROXY)
        value = rfc9440_header(self.identity.certificate)
        signature = signed(b"another body", self.identity)
        device.send(
            b"PUT /connect HTTP/1.1\r\nHost: scepd\r\nContent-Length: %d\r\n"
            b"Client-Cert: %b\r\nMdm-Signature: %b\r\n\r\n" % (len(body), value, signature),
            body,
        )
        self.assertEqual(device.answer().status, 400)

    def test_of_two_devices(self) -> None:
        """
        A signature over the connection of another device is refused.
        """
        pinned = {"enabled": True, "enrollment_id": "UDID-2", "host_uuid": "UDID-2"}
        self.world.issue(self.other, **pinned)
        answer = self.send(report("Idle"), shown=self.other, signer=self.identity)
        self.assertEqual(answer.status, 400)

    def test_renewed_meanwhile(self) -> None:
        """
        A connection that was opened with the identity before is no hindrance, nor one with a
        certificate that means nothing here.
        """
        for changes in (
            {"enabled": True, "enrollment_id": "UDID-1", "host_uuid": "UDID-1"},
            {},
        ):
            self.world.issue(self.other, **changes)
            answer = self.send(report("Idle"), shown=self.other, signer=self.identity)
            self.assertEqual(answer.status, 200)
        stranger = party("CN=stranger", 2)
        answer = self.send(report("Idle"), shown=stranger, signer=self.identity)
        self.assertEqual(answer.status, 200)


class TrustedProxiesTests(SynchronousTestCase):
    """
    Tests for the addresses that are believed.
    """

    def test_addresses(self) -> None:
        """
        Networks and single addresses, IPv4 also as a listener on :: sees it.
        """
        trusted = TrustedProxies(["10.1.0.0/16", "127.0.0.1", "fd00::/8"])
        for host, expected in (
            ("10.1.255.255", True),
            ("10.2.0.0", False),
            ("127.0.0.1", True),
            ("127.0.0.2", False),
            ("fd00::1", True),
            ("fd00::1%eth0", True),
            ("fe80::1", False),
            ("::ffff:10.1.0.1", True),
            ("::ffff:10.2.0.1", False),
            ("", False),
        ):
            kind = IPv6Address if ":" in host else IPv4Address
            self.assertIs(kind("TCP", host, 1) in trusted, expected, host)
        self.assertNotIn(HostnameAddress(b"10.1.0.1", 1), trusted)

    def test_unix(self) -> None:
        """
        Whoever connects to a unix: listener is believed only when that was said.
        """
        self.assertIn(UNIXAddress(None), TrustedProxies(["unix"]))
        self.assertNotIn(UNIXAddress(None), TrustedProxies(["127.0.0.1"]))
        self.assertNotIn(IPv4Address("TCP", "127.0.0.1", 1), TrustedProxies(["unix"]))
