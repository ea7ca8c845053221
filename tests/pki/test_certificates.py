"""
Tests of ``scepd.pki.certificates`` and ``scepd.pki.identity``.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random

from cryptography import x509
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import EncodingError, LimitExceeded, MessageError, UnsupportedAlgorithm
from scepd.pki.certificates import choose_recipient, parse_ca_certificates, summarize
from scepd.pki.identity import CertificateIdentity, identify, same_name
from scepd.pki.self_signed import build_self_signed
from tests.support import second_reader
from tests.support.asn1_trees import changed, tree_of
from tests.support.pki import NOW, issue, openssl, party, rsa_key, tlv

FEW = settings(max_examples=150, deadline=None, derandomize=True, database=None)


def certs_only(*ders: bytes) -> bytes:
    """
    Put certificates into a PKCS #7 file with openssl.
    """
    pem = b"".join(openssl("x509", "-inform", "DER", "-outform", "PEM", stdin=der) for der in ders)
    options = ["crl2pkcs7", "-nocrl", "-certfile", "certs.pem", "-outform", "DER"]
    return openssl(*options, files={"certs.pem": pem})


class SummarizeTests(SynchronousTestCase):
    """
    Tests of ``summarize``.
    """

    def test_as_openssl_says(self) -> None:
        """
        Serial number and fingerprints are those that openssl prints.
        """
        der = party("CN=summary,O=x", ca=True, usage="sign encipher").certificate
        options = ["x509", "-inform", "DER", "-noout", "-serial", "-fingerprint"]
        sha256 = openssl(*options, "-sha256", stdin=der).decode("ascii").split()
        sha1 = openssl(*options, "-sha1", stdin=der).decode("ascii").split()
        summary = summarize(der)
        self.assertEqual(f"serial={summary.serial}", sha256[0])
        self.assertIn(summary.sha256.upper(), sha256[-1].replace(":", ""))
        self.assertIn(summary.sha1.upper(), sha1[-1].replace(":", ""))
        self.assertEqual(summary.subject, "CN=summary,O=x")
        self.assertEqual(summary.not_before, NOW - timedelta(days=1))
        self.assertEqual((summary.key_type, summary.key_bits), ("RSA", 2048))
        self.assertTrue(summary.is_ca and summary.can_encipher and summary.can_sign)

    def test_usage(self) -> None:
        """
        KeyUsage limits what a key can do, and its absence limits nothing.
        """
        sign = summarize(party("CN=s", usage="sign").certificate)
        self.assertEqual((sign.can_sign, sign.can_encipher), (True, False))
        free = summarize(party("CN=f").certificate)
        self.assertEqual((free.can_sign, free.can_encipher, free.is_ca), (True, True, False))

    def test_elliptic_curve(self) -> None:
        """
        A certificate for another kind of key is described too.
        """
        request = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
        der = openssl(*request, "-nodes", "-keyout", "k", "-subj", "/CN=ec", "-outform", "DER")
        summary = summarize(der)
        self.assertEqual((summary.key_type, summary.key_bits), ("EC", 256))

    @FEW
    @given(st.data())
    def test_broken(self, data: st.DataObject) -> None:
        """
        A certificate with a changed or missing octet gives a summary or an error of ours.
        """
        der = bytearray(party().certificate)
        at = data.draw(st.integers(0, len(der) - 1))
        der[at] = data.draw(st.integers(0, 255))
        for broken in (bytes(der), bytes(der[:at])):
            for reader in (summarize, identify, parse_ca_certificates):
                try:
                    reader(broken)
                except MessageError:
                    continue


class ParseCACertificatesTests(SynchronousTestCase):
    """
    Tests of ``parse_ca_certificates``.
    """

    def test_one_certificate(self) -> None:
        """
        A DER certificate, and the same in PEM, are read.
        """
        one = party()
        self.assertEqual(parse_ca_certificates(one.certificate), (one.certificate,))
        self.assertEqual(parse_ca_certificates(one.certificate_pem), (one.certificate,))

    def test_certs_only(self) -> None:
        """
        A certs-only SignedData from openssl is read, in DER, PEM and BER.
        """
        both = (party("CN=a").certificate, party("CN=b", 1).certificate)
        der = certs_only(*both)
        self.assertEqual(set(parse_ca_certificates(der)), set(both))
        pem = openssl("pkcs7", "-inform", "DER", "-outform", "PEM", stdin=der)
        self.assertEqual(set(parse_ca_certificates(pem)), set(both))
        # The same with an indefinite length around all.
        ber = b"\x30\x80" + der[4:] + b"\x00\x00"
        self.assertEqual(set(parse_ca_certificates(ber)), set(both))

    def test_refused(self) -> None:
        """
        Nothing, an error page, other ASN.1 and empty PKCS #7 are refused.
        """
        empty = openssl("crl2pkcs7", "-nocrl", "-outform", "DER")
        for body in (b"", b"<html>", tlv(0x30, tlv(0x02, b"\x01")), empty, b"-----BEGIN X-----"):
            self.assertRaises(EncodingError, parse_ca_certificates, body)

    def test_limits(self) -> None:
        """
        More than 16 certificates, or too large a body, are refused.
        """
        pem = party().certificate_pem
        self.assertRaises(LimitExceeded, parse_ca_certificates, pem * 17)
        self.assertRaises(LimitExceeded, parse_ca_certificates, b"\x30" * 300_000)


class ChooseRecipientTests(SynchronousTestCase):
    """
    Tests of ``choose_recipient``.
    """

    def test_registration_authority(self) -> None:
        """
        Of CA, signing and enciphering RA certificates, the last is chosen in any order.
        """
        ca = party("CN=ca", ca=True, usage="sign encipher")
        name = x509.Name.from_rfc4514_string("CN=ca")
        ra = x509.Name.from_rfc4514_string("CN=ra")
        sign = issue(rsa_key(1), ra, ca.key, name, usage="sign")
        encipher = issue(rsa_key(2), ra, ca.key, name, usage="encipher")
        for order in ((ca.certificate, sign, encipher), (encipher, sign, ca.certificate)):
            self.assertEqual(choose_recipient(order), encipher)

    def test_ca_alone(self) -> None:
        """
        A CA without an RA is chosen, though it may lack keyEncipherment.
        """
        ca = party("CN=ca only", ca=True, usage="sign").certificate
        self.assertEqual(choose_recipient((ca,)), ca)

    def test_chain(self) -> None:
        """
        Of a chain of CAs the one that issued none of the others is chosen.
        """
        root = party("CN=root", ca=True)
        issuing = issue(
            rsa_key(1),
            x509.Name.from_rfc4514_string("CN=issuing"),
            root.key,
            x509.Name.from_rfc4514_string("CN=root"),
            ca=True,
        )
        self.assertEqual(choose_recipient((root.certificate, issuing)), issuing)
        self.assertEqual(choose_recipient((issuing, root.certificate)), issuing)

    def test_no_rsa(self) -> None:
        """
        Without an RSA key there is nothing to encrypt to.
        """
        self.assertRaises(UnsupportedAlgorithm, choose_recipient, ())


class IdentityTests(SynchronousTestCase):
    """
    Tests of ``identify`` and ``same_name``.
    """

    def test_key_hash(self) -> None:
        """
        The key's name is the SHA-256 of what openssl writes as the public key.
        """
        one = party()
        digest = openssl("dgst", "-sha256", "-r", stdin=one.public_key_info).decode("ascii")
        self.assertEqual(identify(one.certificate).public_key_sha256, digest.split()[0])

    def test_odd_certificates(self) -> None:
        """
        Devices' own certificates are identified, though ``cryptography`` refuses some of them.
        """
        for at, octets in ((1, b"\x00\x00\x05"), (1, b"\xff\xf0"), (4, b"")):
            root = tree_of(party().certificate)
            field = root.children[0].children[at]
            field.octets, field.children = octets, []
            odd = root.der()
            self.assertEqual(identify(odd), CertificateIdentity(*second_reader.identity(odd)))
            self.assertRaises(ValueError, _touch_all, odd)

    @FEW
    @given(st.integers(0, 2**32))
    def test_broken_names(self, seed: int) -> None:
        """
        Names with changed parts are compared, or are an error of ours.
        """
        name = x509.Name.from_rfc4514_string("CN=Zürich,O=x,C=DE,DC=example").public_bytes()
        try:
            same_name(name, changed(Random(seed), name))
        except MessageError:
            return

    def test_names(self) -> None:
        """
        Names are the same but for case and string type, and others are not.
        """
        self.assertTrue(same_name(_common_name(0x13, b"Example"), _common_name(0x0C, b"example")))
        self.assertFalse(same_name(_common_name(0x13, b"Example"), _common_name(0x13, b"Sample")))
        self.assertRaises(EncodingError, same_name, _common_name(0x13, b"x"), b"\x30\x01")

    def test_long_names(self) -> None:
        """
        A name that fills a message is compared at once, as the spelling of no real one needs that
        room.
        """
        longest, longer = (b"x" * (length - 21) for length in (1024, 1025))
        self.assertEqual(len(_common_name(0x13, longest)), 1024)
        self.assertTrue(same_name(_common_name(0x13, longest), _common_name(0x0C, longest)))
        self.assertFalse(same_name(_common_name(0x13, longer), _common_name(0x0C, longer)))
        self.assertTrue(same_name(_common_name(0x13, longer), _common_name(0x13, longer)))


def _common_name(tag: int, text: bytes) -> bytes:
    oid = tlv(0x06, bytes.fromhex("55 04 03"))
    return tlv(0x30, tlv(0x31, tlv(0x30, oid, tlv(tag, text))))


def _touch_all(der: bytes) -> None:
    certificate = x509.load_der_x509_certificate(der)
    _ = certificate.serial_number, certificate.not_valid_before_utc


class BuildSelfSignedTests(SynchronousTestCase):
    """
    Tests of ``build_self_signed``.
    """

    def test_openssl_verifies(self) -> None:
        """
        openssl takes the certificate for a self-signed one of that key.
        """
        now = datetime.now(UTC)
        name = x509.Name.from_rfc4514_string("CN=client")
        der = build_self_signed(rsa_key(), name, now, lambda size: b"\x07" * size)
        pem = openssl("x509", "-inform", "DER", stdin=der)
        said = openssl("verify", "-CAfile", "c.pem", "c.pem", files={"c.pem": pem})
        self.assertIn(b"OK", said)
        self.assertEqual(summarize(der).subject, "CN=client")
