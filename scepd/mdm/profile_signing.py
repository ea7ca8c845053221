"""
Profiles in a CMS signature (RFC 5652 section 5), so that a device shows who made them.
"""

from __future__ import annotations

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs7

from scepd.errors import EncodingError, LimitExceeded, UnsupportedAlgorithm
from scepd.pki.decoding import reading
from scepd.pki.signed_data import parse_signed_data

_SEQUENCE = 0x30


def sign_profile(content: bytes, key: bytes, certificate: bytes, chain: bytes = b"") -> bytes:
    """
    Sign a profile; the profile stands in the signature.

    :param content: the unsigned profile.
    :param key: the signer's RSA or EC key: PEM, not encrypted.
    :param certificate: the signer's certificate: PEM; more certificates behind it go along.
    :param chain: more certificates that go along: PEM; may be empty.
    :returns: the DER of a ContentInfo.
    :raises EncodingError: not PEM of such things, or the key is not the certificate's.
    :raises UnsupportedAlgorithm: another type of key.
    """
    signing_key = _signing_key(key)
    with reading("the signing certificate"):
        own, *others = x509.load_pem_x509_certificates(certificate)
        others += x509.load_pem_x509_certificates(chain) if chain.strip() else []
        fits = own.public_key() == signing_key.public_key()
    if not fits:
        raise EncodingError("the signing key does not belong to the signing certificate")
    builder = pkcs7.PKCS7SignatureBuilder().set_data(content)
    builder = builder.add_signer(own, signing_key, hashes.SHA256())
    for other in others:
        builder = builder.add_certificate(other)
    options = [pkcs7.PKCS7Options.Binary, pkcs7.PKCS7Options.NoCapabilities]
    return builder.sign(serialization.Encoding.DER, options)


def profile_content(content: bytes, *, max_size: int) -> bytes:
    """
    Take a profile out of its signature, which is **not** verified: a device takes a profile of a
    signer whom it does not know as well.

    :param content: a profile, signed or not.
    :param max_size: bytes, signature included.
    :returns: the unsigned profile; the same bytes when it is not signed.
    :raises EncodingError: signed, but not a SignedData with content.
    :raises LimitExceeded: too large.
    """
    if len(content) > max_size:
        raise LimitExceeded(f"the profile is longer than {max_size} bytes")
    if content[:1] != bytes([_SEQUENCE]):
        return content
    signed = parse_signed_data(content).content
    if signed is None:
        raise EncodingError("the signed profile holds no content")
    return signed


def _signing_key(pem: bytes) -> rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey:
    with reading("the signing key"):
        key = serialization.load_pem_private_key(pem, None)
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise UnsupportedAlgorithm("the signing key is neither an RSA nor an EC key")
    return key
