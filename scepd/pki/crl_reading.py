"""
Certificate revocation lists, as a client reads and verifies them (RFC 5280 section 5).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from cryptography import x509

from scepd.errors import SignatureInvalid, UnsupportedAlgorithm
from scepd.pki.certificates import load_certificate
from scepd.pki.decoding import reading

_DIGESTS = frozenset({"sha1", "sha256", "sha384", "sha512"})


@dataclass(frozen=True, slots=True)
class RevocationList:
    """
    A list whose signature is its authority's; whether it is still current is not judged.

    :param der: the list.
    :param issuer: RFC 4514 text.
    :param this_update: aware, UTC.
    :param next_update: aware, UTC; None when the authority does not say.
    :param serial_numbers: of the certificates that are revoked.
    """

    der: bytes = field(repr=False)
    issuer: str
    this_update: datetime
    next_update: datetime | None
    serial_numbers: frozenset[int] = field(repr=False)


def read_revocation_list(der: bytes, authorities: Iterable[bytes]) -> RevocationList:
    """
    Read a list, and verify that one of some authorities signed it.

    :param der: the list.
    :param authorities: the DER of the certificates of those that may have signed it.
    :returns: the list.
    :raises EncodingError: not a revocation list, or an authority's certificate can't be read.
    :raises UnsupportedAlgorithm: a digest or key that is not accepted.
    :raises SignatureInvalid: none of the authorities signed it.
    """
    with reading("the revocation list"):
        parsed = x509.load_der_x509_crl(der)
        _check_digest(parsed)
        if not any(_signed_by(parsed, load_certificate(each)) for each in authorities):
            raise SignatureInvalid("the revocation list was not signed by the authority")
        return RevocationList(
            der,
            parsed.issuer.rfc4514_string(),
            parsed.last_update_utc,
            parsed.next_update_utc,
            frozenset(entry.serial_number for entry in parsed),
        )


def _check_digest(parsed: x509.CertificateRevocationList) -> None:
    algorithm = parsed.signature_hash_algorithm
    # Ed25519 has no digest apart.
    if algorithm is not None and algorithm.name not in _DIGESTS:
        raise UnsupportedAlgorithm("the digest algorithm is not accepted")


def _signed_by(parsed: x509.CertificateRevocationList, authority: x509.Certificate) -> bool:
    if parsed.issuer != authority.subject:
        return False
    key = authority.public_key()
    return parsed.is_signature_valid(key)  # type: ignore[arg-type]
