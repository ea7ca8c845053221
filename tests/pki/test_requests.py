"""
Tests of ``scepd.pki.requests``.
"""

from __future__ import annotations

import ipaddress

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import EncodingError, MessageError, SignatureInvalid, UnsupportedAlgorithm
from scepd.pki.requests import build_request, parse_request
from tests.support.pki import openssl, party, rsa_key, tlv

FEW = settings(max_examples=200, deadline=None, derandomize=True, database=None)
CONFIG = b"""
[req]
distinguished_name = dn
attributes = attributes
req_extensions = extensions
prompt = no
[dn]
CN = device.example
O = Example
[attributes]
challengePassword = open sesame
[extensions]
subjectAltName = DNS:device.example,email:a@example.org,IP:192.0.2.1,URI:https://example.org/
"""


def openssl_request(*options: str, config: bytes = CONFIG, bits: int = 2048) -> bytes:
    """
    Make a request with openssl.
    """
    files = {"key.pem": party(bits=bits).key_pem, "req.cnf": config}
    fixed = ["req", "-new", "-key", "key.pem", "-config", "req.cnf", "-outform", "DER"]
    return openssl(*fixed, *options, files=files)


class ParseRequestTests(SynchronousTestCase):
    """
    Tests of ``parse_request``.
    """

    def test_openssl_request(self) -> None:
        """
        A request from openssl is read: names, key, challenge, extensions.
        """
        request = parse_request(openssl_request())
        self.assertEqual(request.subject, "O=Example,CN=device.example")
        self.assertEqual(request.challenge_password, "open sesame")
        self.assertEqual(
            request.alternative_names,
            (
                "dns:device.example",
                "email:a@example.org",
                "ip:192.0.2.1",
                "uri:https://example.org/",
            ),
        )
        self.assertEqual([each.oid for each in request.extensions], ["2.5.29.17"])
        self.assertEqual(request.public_key_info, party().public_key_info)
        self.assertEqual((request.key_bits, request.digest), (2048, "sha256"))
        self.assertNotIn("sesame", repr(request))

    def test_digests(self) -> None:
        """
        SHA-1 needs an opt-in, and MD5 is never accepted.
        """
        sha1 = openssl_request("-sha1")
        self.assertRaises(UnsupportedAlgorithm, parse_request, sha1)
        self.assertEqual(parse_request(sha1, allow_sha1=True).digest, "sha1")
        md5 = openssl_request("-md5")
        self.assertRaises(UnsupportedAlgorithm, parse_request, md5, allow_sha1=True)

    def test_key_sizes(self) -> None:
        """
        A 1024-bit key needs an opt-in.
        """
        small = openssl_request(bits=1024)
        self.assertRaises(UnsupportedAlgorithm, parse_request, small)
        self.assertEqual(parse_request(small, minimum_key_bits=1024).key_bits, 1024)

    def test_other_keys(self) -> None:
        """
        An elliptic-curve key is refused, since no answer can be encrypted to it.
        """
        name = x509.Name.from_rfc4514_string("CN=x")
        builder = x509.CertificateSigningRequestBuilder().subject_name(name)
        request = builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
        der = request.public_bytes(serialization.Encoding.DER)
        self.assertRaises(UnsupportedAlgorithm, parse_request, der)

    def test_wrong_signature(self) -> None:
        """
        A request that its key did not sign is refused.
        """
        der = openssl_request()
        broken = der.replace(b"device.example", b"device.exempla")
        self.assertRaises(SignatureInvalid, parse_request, broken)

    def test_no_name(self) -> None:
        """
        An empty subject needs an alternative name.
        """
        empty = x509.Name([])
        self.assertRaises(EncodingError, parse_request, build_request(rsa_key(), empty, None))
        named = build_request(
            rsa_key(), empty, None, alternative_names=[x509.DNSName("device.example")]
        )
        self.assertEqual(parse_request(named).alternative_names, ("dns:device.example",))

    def test_two_challenges(self) -> None:
        """
        A second challengePassword is refused, in the same attribute or in another.
        """
        one = bytes.fromhex("3018 06092a864886f70d010907 310b 0c09") + b"challenge"
        value = bytes.fromhex("0c09") + b"challenge"
        self.assertEqual(parse_request(_with_attributes([one])).challenge_password, "challenge")
        doubled = _with_attributes([one, one])
        several = _with_attributes(
            [bytes.fromhex("3023 06092a864886f70d010907 3116") + value + value]
        )
        for broken in (doubled, several):
            self.assertRaises(EncodingError, parse_request, broken)

    @FEW
    @given(st.data())
    def test_broken(self, data: st.DataObject) -> None:
        """
        A request with a changed or missing octet gives an error of ours.
        """
        der = bytearray(_REQUEST)
        at = data.draw(st.integers(0, len(der) - 1))
        der[at] ^= data.draw(st.integers(1, 255))
        for broken in (bytes(der), bytes(der[:at])):
            self.assertRaises(MessageError, parse_request, broken)


class BuildRequestTests(SynchronousTestCase):
    """
    Tests of ``build_request``.
    """

    def test_openssl_reads_it(self) -> None:
        """
        openssl verifies the request and finds what was put in.
        """
        der = build_request(
            rsa_key(),
            x509.Name.from_rfc4514_string("CN=device.example"),
            "open sesame",
            alternative_names=[x509.IPAddress(ipaddress.ip_address("192.0.2.1"))],
        )
        text = openssl("req", "-inform", "DER", "-noout", "-text", "-verify", stdin=der)
        for expected in (b"CN = device.example", b"open sesame", b"192.0.2.1", b"sha256With"):
            self.assertIn(expected, text)


def _with_attributes(attributes: list[bytes]) -> bytes:
    """
    Sign a request by hand, since no builder doubles an attribute.
    """
    one = party("CN=hand")
    name = x509.load_der_x509_certificate(one.certificate).subject.public_bytes()
    info = tlv(0x30, tlv(0x02, b"\x00"), name, one.public_key_info, tlv(0xA0, *sorted(attributes)))
    algorithm = bytes.fromhex("300d06092a864886f70d01010b0500")
    signature = one.key.sign(info, padding.PKCS1v15(), hashes.SHA256())
    return tlv(0x30, info, algorithm, tlv(0x03, b"\x00", signature))


_REQUEST = build_request(rsa_key(), x509.Name.from_rfc4514_string("CN=x"), "open sesame")
