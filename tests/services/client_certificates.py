"""
Our certificates as a TLS client, for tests, made with ``cryptography`` alone.
"""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from tests.services.ca_certificates import certificate, ec_key


def certificate_pem(**fields: object) -> str:
    """
    A certificate for the EC key of these tests.
    """
    made = certificate("scepd", key=ec_key(), is_ca=False, **fields)  # type: ignore[arg-type]
    return made.public_bytes(Encoding.PEM).decode("ascii")


def key_pem(
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | None = None, password: bytes = b""
) -> str:
    """
    A private key as PKCS #8; by default the EC key of these tests.
    """
    encryption = BestAvailableEncryption(password) if password else NoEncryption()
    private = key or ec_key()
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
    return pem.decode("ascii")
