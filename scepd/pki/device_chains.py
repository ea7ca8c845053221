"""
Whether a certificate that a device came with was made by its maker's authorities.
"""

from __future__ import annotations

from collections.abc import Sequence

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from scepd.errors import EncodingError
from scepd.pki.certificates import load_certificate
from scepd.pki.decoding import reading

_LONGEST_CHAIN = 6


def read_anchors(pem: bytes) -> tuple[bytes, ...]:
    """
    Read the certificates of authorities.

    :param pem: one or more.
    :returns: the DER of each.
    :raises EncodingError: it is not PEM of certificates.
    """
    with reading("the certificates of device authorities"):
        found = x509.load_pem_x509_certificates(pem)
    return tuple(one.public_bytes(serialization.Encoding.DER) for one in found)


def chains_to(certificate: bytes, others: Sequence[bytes], anchors: Sequence[bytes]) -> bool:
    """
    Tell whether a certificate was issued by one of some authorities, directly or through others.

    Validity is not asked for: what is built into a device can't be renewed, and many devices are
    older than their certificates allow.

    :param certificate: DER.
    :param others: certificates that may lead to an anchor, DER.
    :param anchors: the certificates of the authorities, DER; one of them is itself accepted.
    :returns: whether each link of a chain of at most 6 is signed by the next one, a CA's.
    :raises EncodingError: the certificate can't be read.
    """
    trusted = [load_certificate(one) for one in anchors]
    links = [one for one in map(_loaded, others) if one is not None]
    current = load_certificate(certificate)
    for _ in range(_LONGEST_CHAIN):
        if current in trusted or any(_issued(current, one) for one in trusted):
            return True
        following = next((one for one in links if one != current and _issued(current, one)), None)
        if following is None:
            return False
        current = following
    return False


def _loaded(der: bytes) -> x509.Certificate | None:
    try:
        return load_certificate(der)
    except EncodingError:
        return None


def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        if not issuer.extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
            return False
        certificate.verify_directly_issued_by(issuer)
    except (
        ValueError,
        TypeError,
        InvalidSignature,
        UnsupportedAlgorithm,
        x509.ExtensionNotFound,
    ):
        return False
    return True
