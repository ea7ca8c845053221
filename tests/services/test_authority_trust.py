"""
Tests for what an operator says of trust and way, and what can be wrong with it.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from cryptography.hazmat.primitives.asymmetric import dsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from scepd.services.authority_input import NewCertificateAuthority, faults_of
from scepd.services.authority_trust import (
    client_faults,
    normal_pin,
    normal_proxy,
    pin_fault,
    proxy_fault,
    rate_fault,
)
from tests.services.ca_certificates import NOW, rsa_key
from tests.services.client_certificates import certificate_pem, key_pem

GOOD = NewCertificateAuthority(name="a", url="https://ca.example.com/scep", challenge="s3cret")
DAY = timedelta(days=1)


class PinTests(SynchronousTestCase):
    """
    Tests for pinned fingerprints.
    """

    def test_forms(self) -> None:
        """
        Hex digits of either case, with and without colons, are one and the same.
        """
        digits = "0123456789abcdef" * 4
        colons = ":".join(digits[i : i + 2] for i in range(0, 64, 2))
        for pin in (digits, digits.upper(), colons, colons.upper()):
            self.assertIsNone(pin_fault(pin, GOOD.url))
            self.assertEqual(normal_pin(pin), digits)
        self.assertIsNone(pin_fault(None, GOOD.url))
        self.assertIsNone(normal_pin(None))

    def test_refused(self) -> None:
        """
        Anything else is refused, and so is a pin where there is no TLS.
        """
        for pin in ("", "ab" * 31, "ab" * 33, "ag" * 32, "ab" * 32 + "\n", ":" + "ab" * 32):
            self.assertIn("64 hex digits", pin_fault(pin, GOOD.url) or "", pin)
        self.assertEqual(
            pin_fault("ab" * 32, "http://ca.example.com/"),
            "The URL is not https: there is no certificate to pin.",
        )

    @given(st.binary(min_size=32, max_size=32))
    def test_any(self, digest: bytes) -> None:
        """
        Each SHA-256 is stored as its hex digits.
        """
        self.assertEqual(normal_pin(digest.hex(":").upper()), digest.hex())


class ProxyTests(SynchronousTestCase):
    """
    Tests for the URLs of outgoing proxies.
    """

    def test_allowed(self) -> None:
        """
        A host or an address and a port, perhaps a slash.
        """
        for proxy in (
            "http://proxy:3128",
            "http://proxy.example.com:1/",
            "http://10.0.0.1:65535",
            "http://[2001:db8::1]:8080",
        ):
            self.assertIsNone(proxy_fault(proxy), proxy)
        self.assertIsNone(proxy_fault(None))
        self.assertEqual(normal_proxy("http://proxy:3128/"), "http://proxy:3128")

    def test_refused(self) -> None:
        """
        Other schemes, no port, paths and bad hosts are refused; credentials by name.
        """
        for proxy in (
            "",
            "proxy:3128",
            "https://proxy:3128",
            "http://proxy",
            "http://proxy:0",
            "http://proxy:65536",
            "http://proxy:3128/path",
            "http://proxy:3128?x",
            "http://pro xy:3128",
            "http://a..b:3128",
            f"http://{'a' * 64}:3128",
            "http://[::1::]:3128",
            "http://[1.2.3.4]:3128",
            "http://proxy:3128\r\nX: y",
        ):
            self.assertIn("http://proxy.example.com:3128", proxy_fault(proxy) or "", proxy)
        self.assertIn("No user name", proxy_fault("http://user:password@proxy:3128") or "")
        self.assertNotIn("password@", proxy_fault("http://user:password@proxy:3128") or "")

    @given(st.text(max_size=60) | st.text("htp:/[]0123456789.a", max_size=60))
    def test_any(self, proxy: str) -> None:
        """
        Any text is judged, and what is allowed names a host and a port.
        """
        if proxy_fault(proxy) is None:
            host, _, port = proxy.removeprefix("http://").rstrip("/").rpartition(":")
            self.assertTrue(host)
            self.assertTrue(1 <= int(port) <= 65535)


class RateTests(SynchronousTestCase):
    """
    Tests for requests per second.
    """

    def test_range(self) -> None:
        """
        From 0.1 to 10000; what is no number is outside.
        """
        for rate in (None, 0.1, 1, 2.5, 10000):
            self.assertIsNone(rate_fault(rate), rate)
        for rate in (0, -1, 0.09, 10000.1, float("nan"), float("inf")):
            self.assertEqual(rate_fault(rate), "A number from 0.1 to 10000 is allowed.", rate)

    def test_with_the_other_fields(self) -> None:
        """
        Rate, pin and proxy are reported with the other fields' faults, in their order.
        """
        bad = replace(
            GOOD, challenge="", requests_per_second=0, pinned_sha256="", outgoing_proxy=""
        )
        self.assertEqual(
            [fault.field for fault in faults_of(bad, taken=frozenset())],
            ["challenge", "requests_per_second", "pinned_sha256", "outgoing_proxy"],
        )


class ClientTests(SynchronousTestCase):
    """
    Tests for client certificates and their keys.
    """

    def fault(
        self, certificate: str | None, key: str | None, url: str = GOOD.url
    ) -> tuple[str, str]:
        """
        Field and message of the one fault; empty when there is none.
        """
        new = replace(GOOD, url=url, client_certificate=certificate, client_key=key)
        self.assertNotIn("PRIVATE", repr(new))
        faults = client_faults(new, NOW)
        self.assertLessEqual(len(faults), 1)
        return (faults[0].field, faults[0].message) if faults else ("", "")

    def test_good(self) -> None:
        """
        A certificate, perhaps with its issuers behind it, and its key; or neither.
        """
        pem = certificate_pem()
        self.assertEqual(self.fault(pem, key_pem()), ("", ""))
        self.assertEqual(self.fault(pem + certificate_pem(serial=7), key_pem()), ("", ""))
        self.assertEqual(self.fault(None, None), ("", ""))

    def test_half(self) -> None:
        """
        One without the other is refused, and so are both where there is no TLS.
        """
        self.assertEqual(self.fault(certificate_pem(), None)[0], "client_key")
        self.assertEqual(self.fault(None, key_pem())[0], "client_certificate")
        self.assertEqual(
            self.fault(certificate_pem(), key_pem(), "http://ca.example.com/"),
            (
                "client_certificate",
                "The URL is not https: there is no server to show a certificate to.",
            ),
        )

    def test_validity(self) -> None:
        """
        A certificate that has expired, or is not valid yet, is refused with the time.
        """
        for fields, message in (
            (
                {"not_before": NOW - 2 * DAY, "not_after": NOW},
                "The certificate expired at 2026-06-01T12:00:00+00:00.",
            ),
            (
                {"not_before": NOW + DAY},
                "The certificate is not valid before 2026-06-02T12:00:00+00:00.",
            ),
        ):
            found = self.fault(certificate_pem(**fields), key_pem())
            self.assertEqual(found, ("client_certificate", message))

    def test_certificates(self) -> None:
        """
        What is no certificate is refused.
        """
        needed = "One or more certificates in PEM are needed, ours first."
        key = "A private key does not belong here, only certificates in PEM."
        for text, message in (
            ("", needed),
            ("nonsense", needed),
            ("\ud800", needed),
            (certificate_pem() + key_pem(), key),
            ("x" * 65_537, "At most 65536 characters are allowed."),
        ):
            self.assertEqual(self.fault(text, key_pem()), ("client_certificate", message))

    def test_keys(self) -> None:
        """
        A key that is encrypted, of another certificate, of no use for TLS, or none at all is
        refused; no message echoes it.
        """
        dsa_key = dsa.generate_private_key(1024)
        unfit = dsa_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        for text, message in (
            (key_pem(password=b"x"), "The private key is encrypted; one without a password"),
            (key_pem(rsa_key()), "The private key does not belong to the first client certificate"),
            (unfit, "A private key of RSA, ECDSA or EdDSA is needed."),
            ("", "A private key in PEM is needed."),
            (certificate_pem(), "A private key in PEM is needed."),
            ("\ud800", "A private key in PEM is needed."),
            ("x" * 16_385, "At most 16384 characters are allowed."),
        ):
            field, found = self.fault(certificate_pem(), text)
            self.assertEqual(field, "client_key")
            self.assertTrue(found.startswith(message), found)
            self.assertNotIn("BEGIN", found)
