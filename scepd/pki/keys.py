"""
RSA keys: which are accepted, and how they are named.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from scepd.errors import UnsupportedAlgorithm
from scepd.pki.decoding import reading

LARGEST_KEY_BITS = 8192
# Larger public exponents are legal and never seen; they only make a verification slow.
_LARGEST_EXPONENT_BITS = 64
# A key that was used before is ready to compute with: that takes as long as a verification does.
_REMEMBERED = 64


def rsa_public_key(public_key_info: bytes, *, minimum_bits: int = 1024) -> rsa.RSAPublicKey:
    """
    Load an RSA public key that is safe to compute with.

    :param public_key_info: a DER SubjectPublicKeyInfo.
    :param minimum_bits: the smallest modulus accepted; the largest has 8192 bits.
    :returns: the key.
    :raises EncodingError: not a SubjectPublicKeyInfo.
    :raises UnsupportedAlgorithm: not RSA, a size out of bounds, an even modulus, or an exponent
        that is even, below 3 or above 64 bits.
    """
    key = _loaded(public_key_info)
    if key.key_size < minimum_bits:
        raise UnsupportedAlgorithm(
            f"the RSA key has {key.key_size} bits;"
            f" {minimum_bits} to {LARGEST_KEY_BITS} are accepted"
        )
    return key


def public_key_sha256(public_key_info: bytes) -> str:
    """
    Name a key, whatever certificate it is in.

    :param public_key_info: a DER SubjectPublicKeyInfo.
    :returns: its SHA-256 as 64 lower-case hexadecimal digits.
    """
    return hashlib.sha256(public_key_info).hexdigest()


@lru_cache(maxsize=_REMEMBERED)
def _loaded(public_key_info: bytes) -> rsa.RSAPublicKey:
    with reading("the public key"):
        key = serialization.load_der_public_key(public_key_info)
    if not isinstance(key, rsa.RSAPublicKey):
        raise UnsupportedAlgorithm("the key is not an RSA key")
    if key.key_size > LARGEST_KEY_BITS:
        raise UnsupportedAlgorithm(
            f"the RSA key has {key.key_size} bits; {LARGEST_KEY_BITS} at most are accepted"
        )
    _check_numbers(key.public_numbers())
    return key


def _check_numbers(numbers: rsa.RSAPublicNumbers) -> None:
    exponent_fits = numbers.e >= 3 and numbers.e % 2 == 1
    if not exponent_fits or numbers.e.bit_length() > _LARGEST_EXPONENT_BITS:
        raise UnsupportedAlgorithm("the RSA key's exponent is not accepted")
    if numbers.n % 2 == 0:
        raise UnsupportedAlgorithm("the RSA key's modulus is even")
