"""
Certificates and GetCACert answers for tests, made with ``cryptography`` alone.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from cryptography.x509.oid import NameOID

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
"""
The time of day in these tests.
"""


@lru_cache
def rsa_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    """
    An RSA key of that size, made once.
    """
    return rsa.generate_private_key(65537, bits)


@lru_cache
def strange_key() -> rsa.RSAPrivateKey:
    """
    An RSA key of somebody else.
    """
    return rsa.generate_private_key(65537, 2048)


@lru_cache
def ec_key() -> ec.EllipticCurvePrivateKey:
    """
    An EC key, made once.
    """
    return ec.generate_private_key(ec.SECP256R1())


def certificate(
    name: str = "Test CA",
    *,
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | None = None,
    issuer: str | None = None,
    signer: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | None = None,
    not_before: datetime = NOW - timedelta(days=1),
    not_after: datetime = NOW + timedelta(days=3650),
    is_ca: bool = True,
    serial: int = 1,
) -> x509.Certificate:
    """
    A certificate.

    :param issuer: the issuer's common name; None: as the subject's.
    :param signer: the issuer's key; None: the certificate's own, which is everybody's unless a test
        gives another.
    """
    key = key or rsa_key()
    return (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name(issuer or name))
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(not_before)
        .not_valid_after(not_after)
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        .sign(signer or key, hashes.SHA256())
    )


def der(made: x509.Certificate) -> bytes:
    """
    The DER of a certificate.
    """
    return made.public_bytes(Encoding.DER)


def bag(*made: x509.Certificate) -> bytes:
    """
    A certs-only PKCS#7 of certificates, in DER.
    """
    return pkcs7.serialize_certificates(list(made), Encoding.DER)


def sha256(made: x509.Certificate) -> str:
    """
    The fingerprint of a certificate, hex.
    """
    return made.fingerprint(hashes.SHA256()).hex()


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
