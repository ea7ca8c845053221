"""
Tests of SignedData: ``scepd.pki.signed_data``, ``scepd.pki.verifying`` and ``scepd.pki.signing``.
"""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import padding
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import (
    EncodingError,
    LimitExceeded,
    MessageError,
    SignatureInvalid,
    UnsupportedAlgorithm,
)
from scepd.pki.digests import hash_algorithm
from scepd.pki.signed_data import parse_signed_data
from scepd.pki.signing import build_certificates_only, build_signed_data
from scepd.pki.verifying import verify_detached, verify_signed_data
from tests.support.pki import (
    oid,
    openssl,
    openssl_sign,
    openssl_verify,
    party,
    tlv,
)

FEW = settings(max_examples=150, deadline=None, derandomize=True, database=None)
CONTENT = b"some content, long enough to be found again in the message"


class VerifySignedDataTests(SynchronousTestCase):
    """
    Tests of ``parse_signed_data`` and ``verify_signed_data``.
    """

    def test_digests(self) -> None:
        """
        Messages of openssl verify with each accepted digest, and tell who signed.
        """
        for name in ("sha1", "sha256", "sha384", "sha512"):
            signed = parse_signed_data(openssl_sign(party(), CONTENT, "-nodetach", "-md", name))
            verified = verify_signed_data(signed)
            self.assertEqual(signed.content, CONTENT)
            self.assertEqual(verified.digest, name)
            self.assertEqual(verified.identity.der, party().certificate)

    def test_ber(self) -> None:
        """
        A message in BER, with indefinite lengths and content in segments, verifies too.
        """
        message = openssl_sign(party(), CONTENT * 400, "-nodetach", "-stream", "-indef")
        self.assertEqual(message[:2], b"\x30\x80")
        signed = parse_signed_data(message)
        self.assertEqual(signed.content, CONTENT * 400)
        verify_signed_data(signed)

    def test_key_identifier(self) -> None:
        """
        A signer may be named by its subjectKeyIdentifier.
        """
        signed = parse_signed_data(openssl_sign(party(), CONTENT, "-nodetach", "-keyid"))
        self.assertEqual(verify_signed_data(signed).identity.der, party().certificate)

    def test_weak_digests(self) -> None:
        """
        SHA-1 can be forbidden, and MD5 is never accepted.
        """
        sha1 = parse_signed_data(openssl_sign(party(), CONTENT, "-nodetach", "-md", "sha1"))
        self.assertRaises(UnsupportedAlgorithm, verify_signed_data, sha1, allow_sha1=False)
        md5 = parse_signed_data(openssl_sign(party(), CONTENT, "-nodetach", "-md", "md5"))
        self.assertRaises(UnsupportedAlgorithm, verify_signed_data, md5)

    def test_small_key(self) -> None:
        """
        A signer's key may have 1024 bits, unless more are asked for.
        """
        signed = parse_signed_data(openssl_sign(party("CN=s", bits=1024), CONTENT, "-nodetach"))
        verify_signed_data(signed)
        self.assertRaises(UnsupportedAlgorithm, verify_signed_data, signed, minimum_key_bits=2048)

    def test_padding(self) -> None:
        """
        Another signature scheme than PKCS #1 v1.5 is not accepted.
        """
        options = ("-nodetach", "-keyopt", "rsa_padding_mode:pss")
        signed = parse_signed_data(openssl_sign(party(), CONTENT, *options))
        self.assertRaises(UnsupportedAlgorithm, verify_signed_data, signed)

    def test_signature_algorithms(self) -> None:
        """
        A signature algorithm may name the digest too, but no other than was signed.
        """
        plain, named = (oid(f"1.2.840.113549.1.1.{number}") for number in (1, 11))
        before, _, after = _MESSAGE.rpartition(plain)
        verify_signed_data(parse_signed_data(before + named + after))
        for number, error in (
            (5, SignatureInvalid),
            (13, SignatureInvalid),
            (4, UnsupportedAlgorithm),
        ):
            other = parse_signed_data(before + oid(f"1.2.840.113549.1.1.{number}") + after)
            self.assertRaises(error, verify_signed_data, other)

    def test_digest_mismatch(self) -> None:
        """
        Changed content does not fit the signed digest.
        """
        message = openssl_sign(party(), CONTENT, "-nodetach")
        broken = message.replace(CONTENT, CONTENT.upper())
        signed = parse_signed_data(broken)
        self.assertRaises(SignatureInvalid, verify_signed_data, signed)

    def test_wrong_signature(self) -> None:
        """
        A changed signature is wrong.
        """
        message = openssl_sign(party(), CONTENT, "-nodetach")
        signed = parse_signed_data(message[:-1] + bytes([message[-1] ^ 1]))
        self.assertRaises(SignatureInvalid, verify_signed_data, signed)

    def test_wrong_signer(self) -> None:
        """
        A signature by another key than that of the certificate named is wrong.
        """
        message = openssl_sign(party(), CONTENT, "-nodetach")
        other = party().key.public_key().public_numbers().n.to_bytes(256, "big")
        mine = party("CN=other", 1).key.public_key().public_numbers().n.to_bytes(256, "big")
        signed = parse_signed_data(message.replace(other, mine))
        self.assertRaises(SignatureInvalid, verify_signed_data, signed)

    def test_no_certificate(self) -> None:
        """
        The signer's certificate must be in the message.
        """
        signed = parse_signed_data(openssl_sign(party(), CONTENT, "-nodetach", "-nocerts"))
        self.assertRaises(SignatureInvalid, verify_signed_data, signed)

    def test_no_signed_attributes(self) -> None:
        """
        An attached message needs signedAttrs.
        """
        signed = parse_signed_data(openssl_sign(party(), CONTENT, "-nodetach", "-noattr"))
        self.assertRaises(SignatureInvalid, verify_signed_data, signed)

    def test_two_signers(self) -> None:
        """
        Two signers are one too many, and so is none too few.
        """
        first = openssl_sign(party(), CONTENT, "-nodetach")
        both = openssl(
            *("cms", "-resign", "-inform", "DER", "-outform", "DER", "-in", "first.der"),
            *("-signer", "cert.pem", "-inkey", "key.pem"),
            files={
                "first.der": first,
                "cert.pem": party("CN=second", 1).certificate_pem,
                "key.pem": party("CN=second", 1).key_pem,
            },
        )
        signed = parse_signed_data(both)
        self.assertEqual(len(signed.signers), 2)
        self.assertRaises(SignatureInvalid, verify_signed_data, signed)
        none = parse_signed_data(build_certificates_only([party().certificate]))
        self.assertRaises(SignatureInvalid, verify_signed_data, none)

    def test_unsorted_attributes(self) -> None:
        """
        Signed attributes verify as received where a sender signed them in its own order.
        """
        for signs_der in (True, False):
            signed = parse_signed_data(_with_unsorted_attributes(signs_der=signs_der))
            self.assertEqual(verify_signed_data(signed).digest, "sha256")

    def test_many_certificates(self) -> None:
        """
        A bag with 17 certificates is refused.
        """
        bag = [party(f"CN={number}").certificate for number in range(17)]
        self.assertRaises(LimitExceeded, parse_signed_data, build_certificates_only(bag))

    def test_other_messages(self) -> None:
        """
        A CMS message of another type is refused.
        """
        data = openssl("cms", "-data_create", "-outform", "DER", stdin=b"x")
        self.assertRaises(EncodingError, parse_signed_data, data)

    @FEW
    @given(st.data())
    def test_broken(self, data: st.DataObject) -> None:
        """
        Truncated or changed messages verify or end in an error of ours.
        """
        message = bytearray(_MESSAGE)
        at = data.draw(st.integers(0, len(message) - 1))
        message[at] = data.draw(st.integers(0, 255))
        for broken in (bytes(message), bytes(message[:at]), data.draw(st.binary(max_size=64))):
            try:
                verify_signed_data(parse_signed_data(broken))
            except MessageError:
                continue


class VerifyDetachedTests(SynchronousTestCase):
    """
    Tests of ``verify_detached``.
    """

    def test_like_a_device(self) -> None:
        """
        BER, no signedAttrs, SHA-1 or SHA-256: the signer's certificate comes back.
        """
        for digest in ("sha1", "sha256"):
            options = ("-noattr", "-md", digest, "-stream", "-indef")
            signature = openssl_sign(party(), CONTENT, *options)
            self.assertEqual(signature[:2], b"\x30\x80")
            self.assertEqual(verify_detached(signature, CONTENT), party().certificate)

    def test_signed_attributes(self) -> None:
        """
        A detached signature may have signedAttrs too.
        """
        signature = openssl_sign(party(), CONTENT)
        self.assertEqual(verify_detached(signature, CONTENT), party().certificate)
        self.assertRaises(SignatureInvalid, verify_detached, signature, CONTENT + b" ")

    def test_other_content(self) -> None:
        """
        Other content than was signed is refused, even if the signed content is inside.
        """
        detached = openssl_sign(party(), CONTENT, "-noattr")
        self.assertRaises(SignatureInvalid, verify_detached, detached, CONTENT[1:])
        attached = openssl_sign(party(), CONTENT, "-noattr", "-nodetach")
        self.assertRaises(SignatureInvalid, verify_detached, attached, CONTENT[1:])

    def test_forbidden_sha1(self) -> None:
        """
        SHA-1 can be forbidden.
        """
        signature = openssl_sign(party(), CONTENT, "-noattr", "-md", "sha1")
        self.assertRaises(
            UnsupportedAlgorithm, verify_detached, signature, CONTENT, allow_sha1=False
        )

    def test_too_large(self) -> None:
        """
        A signature above 64 kB is not even looked at.
        """
        self.assertRaises(LimitExceeded, verify_detached, b"\x30" * 65_537, CONTENT)


class BuildTests(SynchronousTestCase):
    """
    Tests of ``build_signed_data`` and ``build_certificates_only``.
    """

    def test_openssl_verifies(self) -> None:
        """
        openssl verifies what was built, and finds plain rsaEncryption as signature algorithm.
        """
        attribute = ("2.16.840.1.113733.1.9.7", tlv(0x13, b"transaction"))
        for digest in ("sha1", "sha256", "sha512"):
            message = build_signed_data(
                CONTENT, [attribute], party().key, party().certificate, digest=digest
            )
            self.assertEqual(openssl_verify(message), CONTENT)
            printed = openssl("cms", "-cmsout", "-print", "-inform", "DER", stdin=message)
            after = printed.split(b"signatureAlgorithm:")[1]
            self.assertIn(b"rsaEncryption", after.split(b"signature:")[0])
            self.assertIn(b"PRINTABLESTRING:transaction", printed)

    def test_certificates_only(self) -> None:
        """
        openssl finds the one certificate that was put in, and no content.
        """
        der = build_certificates_only([party().certificate])
        pem = openssl("pkcs7", "-inform", "DER", "-print_certs", stdin=der)
        self.assertIn(party().certificate_pem.strip(), pem)
        printed = openssl("cms", "-cmsout", "-print", "-inform", "DER", stdin=der)
        self.assertIn(b"eContent: <ABSENT>", printed)


def _with_unsorted_attributes(*, signs_der: bool) -> bytes:
    """
    Take a message of openssl, turn its attributes round, and sign one of the two orders.
    """
    parsed = parse_signed_data(_MESSAGE).signers[0]
    received = parsed.signed_attributes
    assert received is not None
    elements = [tlv(0x30, oid(each.oid), tlv(0x31, *each.values)) for each in parsed.attributes]
    backwards = tlv(0x31, *sorted(elements, reverse=True))
    signed = tlv(0x31, *sorted(elements)) if signs_der else backwards
    signature = party().key.sign(signed, padding.PKCS1v15(), hash_algorithm("sha256"))
    changed = _MESSAGE.replace(received[1:], backwards[1:])
    assert changed != _MESSAGE
    return changed.replace(parsed.signature, signature)


_MESSAGE = openssl_sign(party(), CONTENT, "-nodetach")
