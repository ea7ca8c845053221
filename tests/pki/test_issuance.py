"""
Tests for who issued which certificate.
"""

from __future__ import annotations

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import EncodingError
from scepd.pki.issuance import has_issued, strange_recipients
from tests.services.ca_certificates import certificate, der, ec_key, rsa_key, strange_key
from tests.support.pki import openssl

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def made(
    name: str, issuer: str | None = None, key: Key | None = None, signer: Key | None = None
) -> bytes:
    """
    A certificate; who has an issuer is no CA, unless its name says so.
    """
    is_ca = issuer is None or name.endswith("CA")
    return der(certificate(name, issuer=issuer, key=key, signer=signer, is_ca=is_ca))


def pem(key: rsa.RSAPrivateKey) -> bytes:
    """
    A key as OpenSSL reads it.
    """
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


class IssuedTests(SynchronousTestCase):
    """
    Tests of ``has_issued``.
    """

    def test_issued(self) -> None:
        """
        Name and signature have to be the issuer's, whatever kind of key that has.
        """
        for key in (rsa_key(), ec_key()):
            authority = made("CA", key=key)
            self.assertTrue(has_issued(authority, made("RA", "CA", strange_key(), key)))
            self.assertTrue(has_issued(authority, authority))
            self.assertFalse(has_issued(authority, made("RA", "CA", strange_key())))
            self.assertFalse(has_issued(authority, made("RA", "Other", strange_key(), key)))

    def test_digests(self) -> None:
        """
        A signature with SHA-1 or PSS will do, as old and new authorities make them; MD5 won't.
        """
        options = ("req", "-x509", "-subj", "/CN=CA", "-outform", "DER", "-key", "key.pem")
        for more, expected in (
            (("-sha1",), True),
            (("-sha256", "-sigopt", "rsa_padding_mode:pss"), True),
            (("-md5",), False),
        ):
            authority, other = (
                openssl(*options, *more, files={"key.pem": pem(key)})
                for key in (rsa_key(), strange_key())
            )
            self.assertIs(has_issued(authority, authority), expected)
            self.assertFalse(has_issued(authority, other))

    def test_broken(self) -> None:
        """
        A signature of no sense is none.
        """
        authority = made("CA")
        issued = made("RA", "CA", strange_key(), rsa_key())
        broken = issued[:-8] + bytes(8)
        x509.load_der_x509_certificate(broken)
        self.assertFalse(has_issued(authority, broken))
        self.assertRaises(EncodingError, has_issued, authority, issued[:-1])


class StrangeRecipientTests(SynchronousTestCase):
    """
    Tests of ``strange_recipients``.
    """

    def setUp(self) -> None:
        """
        Make a root, an authority below it, and one that nobody knows.
        """
        self.root = made("Root CA", key=rsa_key(3072))
        self.own = made("CA", "Root CA", rsa_key(), rsa_key(3072))
        self.evil = made("Evil CA", key=strange_key())

    def strange(self, *others: bytes) -> tuple[bytes, ...]:
        """
        Who is strange beside the authority, in either order.
        """
        found = strange_recipients((self.own, *others), self.own)
        self.assertEqual(strange_recipients((*others[::-1], self.own), self.own), found[::-1])
        return found

    def test_vouched_for(self) -> None:
        """
        Authorities above, and all whom one of them or the authority issued, are none.
        """
        by_own = made("RA", "CA", strange_key(), rsa_key())
        by_root = made("RA", "Root CA", strange_key(), rsa_key(3072))
        beside = made("Other CA", "Root CA", strange_key(), rsa_key(3072))
        self.assertEqual(self.strange(), ())
        self.assertEqual(self.strange(self.root, by_own, by_root, beside), ())

    def test_strange(self) -> None:
        """
        An authority that nobody vouches for vouches for nobody, also when it takes the name of one
        that does.
        """
        by_evil = made("RA", "Evil CA", strange_key(), strange_key())
        self.assertEqual(self.strange(self.evil, by_evil), (self.evil, by_evil))
        false_root = made("Root CA", key=strange_key())
        by_false_root = made("RA", "Root CA", strange_key(), strange_key())
        expected = (false_root, by_false_root)
        self.assertEqual(self.strange(*expected), expected)
        by_root = made("RA", "Root CA", strange_key(), rsa_key(3072))
        self.assertEqual(self.strange(by_root), (by_root,))

    def test_cannot_be_encrypted_to(self) -> None:
        """
        Who has no RSA key is nobody's recipient.
        """
        self.assertEqual(self.strange(made("RA", "Evil CA", ec_key())), ())
