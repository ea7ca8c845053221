"""
Certificates, as an authority publishes them and as an operator wants to see them.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm as UnknownAlgorithm
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa

from scepd.errors import EncodingError, LimitExceeded, UnsupportedAlgorithm
from scepd.pki.ber import to_der
from scepd.pki.decoding import reading
from scepd.pki.signed_data import parse_signed_data

_SIGNED_DATA_START = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02"
_PEM_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]{1,30})-----([A-Za-z0-9+/=\s]*)-----END \1-----")


@dataclass(frozen=True, slots=True)
class CertificateSummary:
    """
    One certificate, as text and numbers.

    :param subject: RFC 4514 text; empty for an empty name.
    :param issuer: RFC 4514 text.
    :param serial: an even number of upper-case hexadecimal digits, as OpenSSL and osquery write it.
    :param sha256: fingerprint, 64 lower-case hexadecimal digits.
    :param sha1: fingerprint, 40 lower-case hexadecimal digits.
    :param not_before: aware, UTC.
    :param not_after: aware, UTC.
    :param key_type: ``RSA``, ``EC``, ``Ed25519``, ``Ed448``, ``DSA`` or ``unknown``.
    :param key_bits: the size of the modulus or curve; 0 when unknown.
    :param is_ca: BasicConstraints say so.
    :param can_encipher: keyEncipherment, or no KeyUsage at all.
    :param can_sign: digitalSignature, or no KeyUsage at all.
    """

    subject: str
    issuer: str
    serial: str
    sha256: str
    sha1: str
    not_before: datetime
    not_after: datetime
    key_type: str
    key_bits: int
    is_ca: bool
    can_encipher: bool
    can_sign: bool


def load_certificate(der: bytes) -> x509.Certificate:
    """
    Load one certificate.

    :param der: the certificate, and nothing behind it.
    :returns: the certificate of ``cryptography``; its properties may still raise ValueError.
    :raises EncodingError: not a certificate.
    """
    with reading("the certificate"):
        return x509.load_der_x509_certificate(der)


def summarize(der: bytes) -> CertificateSummary:
    """
    Describe one certificate.

    :param der: the certificate.
    :returns: its summary.
    :raises EncodingError: not a certificate, or one whose parts can't be read.
    """
    certificate = load_certificate(der)
    with reading("the certificate"):
        key_type, key_bits = _key_of(certificate)
        usage = _key_usage(certificate)
        return CertificateSummary(
            certificate.subject.rfc4514_string(),
            certificate.issuer.rfc4514_string(),
            _serial_text(certificate.serial_number),
            hashlib.sha256(der).hexdigest(),
            hashlib.sha1(der, usedforsecurity=False).hexdigest(),
            certificate.not_valid_before_utc,
            certificate.not_valid_after_utc,
            key_type,
            key_bits,
            _is_ca(certificate),
            usage is None or usage.key_encipherment,
            usage is None or usage.digital_signature,
        )


def parse_ca_certificates(body: bytes, *, max_size: int = 262_144) -> tuple[bytes, ...]:
    """
    Read the answer to a GetCACert (RFC 8894 section 4.2.1).

    :param body: one DER certificate, or a certs-only SignedData in DER or BER; PEM of either too,
        as some authorities send it.
    :param max_size: octets.
    :returns: the DER of each certificate, in the order in which they came; at least one.
    :raises EncodingError: anything else, or no certificate in it.
    :raises LimitExceeded: too large, or more than 16 certificates.
    """
    if len(body) > max_size:
        raise LimitExceeded("the certificates are too large")
    found: list[bytes] = []
    for der in _pem_blocks(body) or [body]:
        found.extend(_certificates_of(der))
    if not found:
        raise EncodingError("there is no certificate")
    if len(found) > 16:
        raise LimitExceeded("there are too many certificates")
    for certificate in found:
        load_certificate(certificate)
    return tuple(found)


def choose_recipient(ders: tuple[bytes, ...]) -> bytes:
    """
    Choose the certificate of a GetCACert answer that a client encrypts to (RFC 8894 section 4.2.1).

    A registration authority's certificate that may encipher comes first, then the certificate
    authority's own. Of a chain, the certificate that issued none of the others is taken.

    :param ders: what ``parse_ca_certificates`` returned.
    :returns: one of them.
    :raises UnsupportedAlgorithm: none holds an RSA key that may encipher.
    :raises EncodingError: one is not a certificate.
    """
    summaries = {der: summarize(der) for der in ders}
    usable = possible_recipients(ders)
    if not usable:
        raise UnsupportedAlgorithm("no certificate of the authority can be encrypted to")
    return min(usable, key=lambda der: _preference(summaries[der], [*summaries.values()]))


def possible_recipients(ders: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """
    The certificates of a GetCACert answer that some client might encrypt to, as they hold an RSA
    key: those that may encipher, and those of certificate authorities.

    :param ders: what ``parse_ca_certificates`` returned.
    :raises EncodingError: one is not a certificate.
    """
    summaries = ((der, summarize(der)) for der in ders)
    return tuple(
        der
        for der, summary in summaries
        if summary.key_type == "RSA" and (summary.can_encipher or summary.is_ca)
    )


def _preference(summary: CertificateSummary, others: list[CertificateSummary]) -> tuple[bool, ...]:
    issued_another = any(
        other.issuer == summary.subject and other.sha256 != summary.sha256 for other in others
    )
    # Many authorities' own certificates lack keyEncipherment; clients encrypt to them all the same.
    return (summary.is_ca, not summary.can_encipher, issued_another)


def _certificates_of(der: bytes) -> tuple[bytes, ...]:
    der = to_der(der)
    if _SIGNED_DATA_START in der[:16]:
        return parse_signed_data(der).certificates
    return (der,)


def _pem_blocks(body: bytes) -> list[bytes]:
    if b"-----BEGIN" not in body:
        return []
    try:
        return [base64.b64decode(match[2]) for match in _PEM_BLOCK.finditer(body)]
    except binascii.Error:
        raise EncodingError("the PEM block is not well-formed") from None


def _serial_text(number: int) -> str:
    digits = f"{abs(number):X}"
    return "-" * (number < 0) + "0" * (len(digits) % 2) + digits


def _is_ca(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _key_usage(certificate: x509.Certificate) -> x509.KeyUsage | None:
    try:
        return certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return None


def _key_of(certificate: x509.Certificate) -> tuple[str, int]:
    try:
        key = certificate.public_key()
    except (ValueError, UnknownAlgorithm):
        return "unknown", 0
    if isinstance(key, rsa.RSAPublicKey):
        return "RSA", key.key_size
    if isinstance(key, ec.EllipticCurvePublicKey):
        return "EC", key.curve.key_size
    if isinstance(key, dsa.DSAPublicKey):
        return "DSA", key.key_size
    if isinstance(key, ed25519.Ed25519PublicKey):
        return "Ed25519", 256
    if isinstance(key, ed448.Ed448PublicKey):
        return "Ed448", 456
    return "unknown", 0
