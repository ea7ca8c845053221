"""
The short-lived certificate by which a client without one signs its first request.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

# Clocks differ; RFC 8894 section 2.3 leaves the validity to the client.
_BACKDATED = timedelta(hours=1)


def build_self_signed(
    private_key: rsa.RSAPrivateKey,
    subject: x509.Name,
    now: datetime,
    random: Callable[[int], bytes],
    *,
    lifetime: timedelta = timedelta(days=7),
) -> bytes:
    """
    Certify a key with itself (RFC 8894 section 2.3).

    :param private_key: the client's.
    :param subject: the same name as in the certification request.
    :param now: aware.
    :param random: gives that many unpredictable octets; makes the serial number.
    :param lifetime: from ``now`` on.
    :returns: the DER of the certificate.
    """
    usage = x509.KeyUsage(True, False, True, False, False, False, False, False, False)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(private_key.public_key())
        .serial_number(int.from_bytes(b"\x01" + random(15), "big"))
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + lifetime)
        .add_extension(usage, critical=True)
        .sign(private_key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.DER)
