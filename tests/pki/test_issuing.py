"""
Tests for the certificates that the embedded certificate authority makes.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence
from datetime import timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import EncodingError, LimitExceeded, MessageError
from scepd.pki.issuing import (
    Issuer,
    Purpose,
    build_ca_certificate,
    generate_ca_key,
    issue_certificate,
)
from scepd.pki.requests import parse_request
from tests.support.pki import NOW, openssl, rsa_key, tlv

LIFETIME = timedelta(days=365)
NAME = x509.Name.from_rfc4514_string("CN=device,O=Example")
PRINCIPAL = x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3")


@functools.cache
def issuer() -> Issuer:
    """
    A certificate authority.
    """
    key = rsa_key(77)
    return Issuer(key, build_ca_certificate(key, NOW, os.urandom))


def request(
    subject: x509.Name = NAME, *extensions: x509.ExtensionType, number: int = 1
) -> x509.CertificateSigningRequest:
    """
    A certification request, as ``cryptography`` makes it.
    """
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(rsa_key(number), hashes.SHA256())


def issue(
    asked: x509.CertificateSigningRequest,
    purpose: Purpose = Purpose.ENROLL,
    lifetime: timedelta = LIFETIME,
) -> x509.Certificate:
    """
    The certificate for a request.
    """
    parsed = parse_request(asked.public_bytes(serialization.Encoding.DER))
    der = issue_certificate(parsed, purpose, issuer(), NOW, lifetime, os.urandom).der
    return x509.load_der_x509_certificate(der)


def pem(der: bytes) -> bytes:
    """
    A certificate in PEM.
    """
    return x509.load_der_x509_certificate(der).public_bytes(serialization.Encoding.PEM)


def unchecked(*parts: tuple[x509.ObjectIdentifier, str]) -> x509.Name:
    """
    A name that ``cryptography`` would not make: nothing of it is checked.
    """
    return x509.Name([x509.NameAttribute(oid, text, _validate=False) for oid, text in parts])


class CACertificateTests(SynchronousTestCase):
    """
    Tests for L{build_ca_certificate}.
    """

    def setUp(self) -> None:
        """
        Load one.
        """
        self.certificate = x509.load_der_x509_certificate(issuer().certificate)

    def test_usage(self) -> None:
        """
        It may sign certificates and revocation lists, sign answers, and be encrypted to.
        """
        text = openssl("x509", "-noout", "-text", stdin=pem(issuer().certificate)).decode()
        self.assertIn("Digital Signature, Key Encipherment, Certificate Sign, CRL Sign", text)
        self.assertIn("CA:TRUE, pathlen:0", text)
        self.assertIn("X509v3 Subject Key Identifier", text)
        self.assertIn("Signature Algorithm: sha256WithRSAEncryption", text)

    def test_validity(self) -> None:
        """
        It lasts ten years, and is older than what it issues.
        """
        issued = issue(request())
        self.assertLess(self.certificate.not_valid_before_utc, issued.not_valid_before_utc)
        years = (self.certificate.not_valid_after_utc - NOW).days / 365.25
        self.assertEqual(round(years, 1), 10.0)

    def test_names(self) -> None:
        """
        Each one has a name and a serial number of its own.
        """
        other = build_ca_certificate(rsa_key(77), NOW, os.urandom)
        another = x509.load_der_x509_certificate(other)
        self.assertRegex(self.certificate.subject.rfc4514_string(), r"^CN=scepd [0-9a-f]{8}$")
        self.assertEqual(self.certificate.issuer, self.certificate.subject)
        self.assertNotEqual(another.subject, self.certificate.subject)
        self.assertNotEqual(another.serial_number, self.certificate.serial_number)

    def test_key(self) -> None:
        """
        A key has as many bits as were asked for.
        """
        self.assertEqual(generate_ca_key(2048).key_size, 2048)


class IssueTests(SynchronousTestCase):
    """
    Tests for L{issue_certificate}.
    """

    def assert_refused(
        self,
        error: type[MessageError],
        subject: x509.Name = NAME,
        *extensions: x509.ExtensionType,
        purpose: Purpose = Purpose.PROFILE,
    ) -> None:
        """
        A request for this subject and these extensions is refused.
        """
        with self.assertRaises(error):
            issue(request(subject, *extensions), purpose)

    def test_verified_by_openssl(self) -> None:
        """
        OpenSSL accepts the chain, strictly, for a TLS client.
        """
        issued = issue(request()).public_bytes(serialization.Encoding.PEM)
        files = {"ca.pem": pem(issuer().certificate), "device.pem": issued}
        at = str(int(NOW.timestamp()))
        said = openssl(
            *("verify", "-x509_strict", "-purpose", "sslclient", "-attime", at),
            *("-CAfile", "ca.pem", "device.pem"),
            files=files,
        )
        self.assertEqual(said, b"device.pem: OK\n")

    def test_no_authority(self) -> None:
        """
        What is issued can't issue, says OpenSSL.
        """
        issued = issue(request()).public_bytes(serialization.Encoding.PEM)
        text = openssl("x509", "-noout", "-text", stdin=issued).decode()
        self.assertIn("CA:FALSE", text)
        self.assertIn("Digital Signature, Key Encipherment\n", text)
        self.assertIn("TLS Web Client Authentication\n", text)

    def test_contents(self) -> None:
        """
        Subject and key are the request's; validity and issuer are ours.
        """
        asked = request()
        issued = issue(asked, lifetime=timedelta(seconds=90))
        self.assertEqual(issued.subject.public_bytes(), asked.subject.public_bytes())
        self.assertEqual(issued.public_key(), asked.public_key())
        self.assertEqual(issued.not_valid_before_utc, NOW - timedelta(minutes=5))
        self.assertEqual(issued.not_valid_after_utc, NOW + timedelta(seconds=90))
        authority = x509.load_der_x509_certificate(issuer().certificate)
        self.assertEqual(issued.issuer, authority.subject)
        issued.verify_directly_issued_by(authority)

    def test_serial_numbers(self) -> None:
        """
        They are all of the random octets, and positive.
        """
        parsed = parse_request(request().public_bytes(serialization.Encoding.DER))
        for octet, number in ((b"\xff", 2**128 - 1), (b"\0", 1)):
            der = issue_certificate(
                parsed, Purpose.ENROLL, issuer(), NOW, LIFETIME, octet.__mul__
            ).der
            self.assertEqual(x509.load_der_x509_certificate(der).serial_number, number)

    def test_not_longer_than_the_authority(self) -> None:
        """
        No certificate outlives its issuer's; an expired one issues nothing.
        """
        end = x509.load_der_x509_certificate(issuer().certificate).not_valid_after_utc
        issued = issue(request(), lifetime=timedelta(days=36_500))
        self.assertEqual(issued.not_valid_after_utc, end)
        parsed = parse_request(request().public_bytes(serialization.Encoding.DER))
        with self.assertRaises(MessageError):
            issue_certificate(parsed, Purpose.ENROLL, issuer(), end, LIFETIME, os.urandom)

    def test_asked_usage_does_not_count(self) -> None:
        """
        Key usages of the request are left out; ours are there.
        """
        wanted = x509.KeyUsage(False, True, False, True, False, False, False, False, False)
        issued = issue(request(NAME, wanted))
        usage = issued.extensions.get_extension_for_class(x509.KeyUsage).value
        self.assertTrue(usage.digital_signature and usage.key_encipherment)
        self.assertFalse(usage.content_commitment or usage.data_encipherment)

    def test_asked_for_too_much(self) -> None:
        """
        A request to be an authority, or for other usages than clientAuth, is refused.
        """
        usages = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
        self.assert_refused(EncodingError, NAME, x509.ExtendedKeyUsage(usages))
        self.assert_refused(EncodingError, NAME, x509.BasicConstraints(True, None))
        issue(request(NAME, x509.BasicConstraints(False, None)))
        issue(request(NAME, x509.ExtendedKeyUsage(usages[:1])))

    def test_alternative_names(self) -> None:
        """
        Those of the kinds that clients use are certified as they are, for a profile only.
        """
        names = x509.SubjectAlternativeName(
            [
                x509.DNSName("device.example"),
                x509.RFC822Name("user@example.com"),
                x509.UniformResourceIdentifier("https://example.com/" + "x" * 900),
                x509.IPAddress(ip_address("192.0.2.1")),
                x509.OtherName(PRINCIPAL, tlv(0x0C, b"user@example.com")),
            ]
        )
        found = issue(request(NAME, names), Purpose.PROFILE).extensions.get_extension_for_class(
            x509.SubjectAlternativeName
        )
        self.assertEqual((found.value, found.critical), (names, False))
        self.assert_refused(EncodingError, NAME, names, purpose=Purpose.ENROLL)

    def test_only_alternative_names(self) -> None:
        """
        Without a subject the alternative names are critical.
        """
        names = x509.SubjectAlternativeName([x509.DNSName("device.example")])
        issued = issue(request(x509.Name([]), names), Purpose.PROFILE)
        found = issued.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        self.assertTrue(found.critical)

    def test_bad_alternative_names(self) -> None:
        """
        Too many, too long, empty, with control characters, or of unknown kinds: refused.
        """
        refused: Sequence[tuple[type[MessageError], list[x509.GeneralName]]] = (
            (LimitExceeded, [x509.DNSName(f"{n}.example") for n in range(17)]),
            (LimitExceeded, [x509.DNSName("x" * 256)]),
            (LimitExceeded, [x509.UniformResourceIdentifier("x:" + "x" * 1023)]),
            (LimitExceeded, [x509.DNSName("")]),
            (EncodingError, [x509.DNSName("good.example\0.evil.example")]),
            (EncodingError, [x509.UniformResourceIdentifier("x:\n")]),
            (EncodingError, [x509.DirectoryName(NAME)]),
            (EncodingError, [x509.RegisteredID(PRINCIPAL)]),
            (EncodingError, [x509.OtherName(NameOID.COMMON_NAME, tlv(0x0C, b"user"))]),
            (EncodingError, [x509.OtherName(PRINCIPAL, tlv(0x04, b"user"))]),
            (EncodingError, [x509.OtherName(PRINCIPAL, tlv(0x0C, b"us\0er"))]),
            (EncodingError, [x509.OtherName(PRINCIPAL, tlv(0x0C, b"\xff"))]),
        )
        for error, names in refused:
            self.assert_refused(error, NAME, x509.SubjectAlternativeName(names))

    def test_bad_subjects(self) -> None:
        """
        Too long or too many parts, empty ones, and control characters are refused.
        """
        refused: Sequence[tuple[type[MessageError], x509.Name]] = (
            (LimitExceeded, unchecked((NameOID.COMMON_NAME, "x" * 65))),
            (LimitExceeded, unchecked((NameOID.ORGANIZATIONAL_UNIT_NAME, "x" * 65))),
            (LimitExceeded, unchecked((NameOID.DOMAIN_COMPONENT, "x" * 256))),
            (LimitExceeded, unchecked(*[(NameOID.DOMAIN_COMPONENT, "x")] * 17)),
            (LimitExceeded, unchecked((NameOID.COMMON_NAME, ""))),
            (EncodingError, unchecked((NameOID.COMMON_NAME, "good\0evil"))),
            (EncodingError, unchecked((NameOID.COMMON_NAME, "good\nCN=evil"))),
            (EncodingError, unchecked((NameOID.COMMON_NAME, "good\u2028evil"))),
            (EncodingError, x509.Name([self.bit_string()])),
        )
        for error, subject in refused:
            self.assert_refused(error, subject, purpose=Purpose.ENROLL)
        # The library warns of what we refuse.
        self.flushWarnings()

    def test_good_subjects(self) -> None:
        """
        Texts of all scripts are certified in the encoding in which they came.
        """
        for subject in (
            unchecked((NameOID.COMMON_NAME, "x" * 64), (NameOID.DOMAIN_COMPONENT, "y" * 255)),
            x509.Name.from_rfc4514_string("CN=Zürich 東京"),
        ):
            self.assertEqual(issue(request(subject)).subject.public_bytes(), subject.public_bytes())

    def bit_string(self) -> x509.NameAttribute[bytes]:
        """
        A part of a name that is no text.
        """
        bit_string = x509.name._ASN1Type.BitString
        return x509.NameAttribute(NameOID.X500_UNIQUE_IDENTIFIER, b"\0\1", _type=bit_string)
