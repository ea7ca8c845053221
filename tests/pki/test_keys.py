"""
Tests of ``scepd.pki.keys``.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import EncodingError, MessageError, UnsupportedAlgorithm
from scepd.pki.keys import rsa_public_key
from tests.support.pki import oid, openssl, party, tlv

# 2**(bits - 1) + 1 is odd, has that many bits, and is no product that anybody could use.
ODD = 1


def key_info(bits: int, exponent: int = 65537, low: int = ODD) -> bytes:
    """
    Encode an RSA public key by hand; no library makes the bad ones.
    """
    numbers = (1 << bits - 1 | low, exponent)
    encoded = [tlv(0x02, n.to_bytes(n.bit_length() // 8 + 1, "big")) for n in numbers]
    algorithm = tlv(0x30, oid("1.2.840.113549.1.1.1"), tlv(0x05))
    return tlv(0x30, algorithm, tlv(0x03, b"\x00", tlv(0x30, *encoded)))


class RSAPublicKeyTests(SynchronousTestCase):
    """
    Tests of ``rsa_public_key``.
    """

    def test_real_key(self) -> None:
        """
        A key of openssl is read, again and again.
        """
        for _ in range(2):
            key = rsa_public_key(party().public_key_info, minimum_bits=2048)
            self.assertEqual(key.public_numbers(), party().key.public_key().public_numbers())

    def test_sizes(self) -> None:
        """
        1024 to 8192 bits, or from as many as are asked for; however often it is tried.
        """
        for bits in (1024, 2048, 8192):
            self.assertEqual(rsa_public_key(key_info(bits)).key_size, bits)
        for _ in range(2):
            self.assertRaises(UnsupportedAlgorithm, rsa_public_key, key_info(1023))
            self.assertRaises(UnsupportedAlgorithm, rsa_public_key, key_info(8193))
            self.assertRaises(
                UnsupportedAlgorithm, rsa_public_key, key_info(1024), minimum_bits=2048
            )
        error = self.assertRaises(
            UnsupportedAlgorithm, rsa_public_key, key_info(2047), minimum_bits=2048
        )
        self.assertEqual(str(error), "the RSA key has 2047 bits; 2048 to 8192 are accepted")

    def test_exponents(self) -> None:
        """
        The exponent is odd, at least 3 and not huge.
        """
        for exponent in (3, 5, 2**63 + 1):
            rsa_public_key(key_info(2048, exponent))
        for exponent in (0, 1, 2, 65536, 2**64 + 1):
            self.assertRaises(MessageError, rsa_public_key, key_info(2048, exponent))

    def test_even_modulus(self) -> None:
        """
        An even modulus is the product of no two large primes.
        """
        self.assertRaises(MessageError, rsa_public_key, key_info(2048, low=2))

    def test_other_keys(self) -> None:
        """
        Keys of other kinds are not accepted, and other bytes are no keys.
        """
        curve = ("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
        private = openssl(*curve, "-outform", "DER")
        public = openssl("pkey", "-inform", "DER", "-pubout", "-outform", "DER", stdin=private)
        self.assertRaises(UnsupportedAlgorithm, rsa_public_key, public)
        for octets in (b"", b"\x30\x00", key_info(2048)[:-1]):
            self.assertRaises(EncodingError, rsa_public_key, octets)
