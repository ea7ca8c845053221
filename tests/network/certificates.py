"""
Certificates for TLS tests, made by ``cryptography``.
"""

from __future__ import annotations

import functools
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from OpenSSL.crypto import X509, PKey
from twisted.internet.ssl import CertificateOptions

_DAY = timedelta(days=1)


@functools.cache
def key() -> ec.EllipticCurvePrivateKey:
    """
    One key is enough for everybody.
    """
    return ec.generate_private_key(ec.SECP256R1())


def key_pem(private_key: ec.EllipticCurvePrivateKey | None = None) -> bytes:
    """
    A private key as PKCS #8 in PEM.
    """
    private_key = private_key or key()
    return private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def certificate(
    *names: str, issuer: str = "Test Root", since: float = -1, until: float = 1
) -> x509.Certificate:
    """
    A certificate for these host names and addresses, issued by the root of that name; without
    names, that root itself.

    :param since: the first day of its validity, from now.
    :param until: the last.
    """
    now = datetime.now(UTC)
    subject = names[0] if names else issuer
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, issuer)]))
        .public_key(key().public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + since * _DAY)
        .not_valid_after(now + until * _DAY)
        .add_extension(x509.BasicConstraints(not names, None), critical=True)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(map(_name, names)), False)
    return builder.sign(key(), SHA256())


def _name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def pem(*certificates: x509.Certificate) -> str:
    """
    Certificates in PEM.
    """
    return "".join(each.public_bytes(Encoding.PEM).decode("ascii") for each in certificates)


def server_options(*chain: x509.Certificate, **options: object) -> CertificateOptions:
    """
    TLS for a server with this chain.

    :param options: further ones of CertificateOptions.
    """
    shown = [X509.from_cryptography(each) for each in chain]
    return CertificateOptions(
        privateKey=PKey.from_cryptography_key(key()),
        certificate=shown[0],
        extraCertChain=shown[1:],
        acceptableProtocols=[b"http/1.1"],
        **options,  # type: ignore[arg-type]
    )
