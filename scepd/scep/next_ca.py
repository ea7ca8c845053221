"""
The answer to GetNextCACert, as a client reads it (RFC 8894 section 4.7.1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from scepd.errors import EncodingError, LimitExceeded, SignatureInvalid
from scepd.pki.certificates import summarize
from scepd.pki.certificates_only import parse_certificates_only
from scepd.pki.identity import identify
from scepd.pki.signed_data import SignedData, parse_signed_data
from scepd.pki.verifying import the_signer, verify_signed_data
from scepd.scep.messages import MAX_MESSAGE_SIZE


def read_next_ca_certificates(
    body: bytes, authorities: Sequence[bytes], *, max_size: int = MAX_MESSAGE_SIZE
) -> tuple[bytes, ...]:
    """
    Read the certificates of an authority's next key, for which its current key vouches.

    :param body: a SignedData over a certs-only SignedData, in DER or BER.
    :param authorities: the DER of the current certificates that are trusted; what the answer
        itself holds in its bag is not.
    :param max_size: octets.
    :returns: the DER of each certificate, in the order in which they came; at least one.
    :raises EncodingError: anything else, or without a certificate.
    :raises LimitExceeded: too large, too deep, too many of something.
    :raises SignatureInvalid: the signature is wrong, or of none of the authorities.
    :raises UnsupportedAlgorithm: a digest, signature algorithm or key that is not accepted.
    """
    if len(body) > max_size:
        raise LimitExceeded("the answer is too large")
    signed = parse_signed_data(body)
    verify_signed_data(replace(signed, certificates=(_signer(signed, authorities),)))
    if not signed.content:
        raise EncodingError("the answer has no content")
    found = parse_certificates_only(signed.content).certificates
    if not found:
        raise EncodingError("the answer holds no certificate")
    for certificate in found:
        summarize(certificate)
    return found


def _signer(signed: SignedData, authorities: Sequence[bytes]) -> bytes:
    reference = the_signer(signed).reference
    for certificate in authorities:
        if reference.names(identify(certificate)):
            return certificate
    raise SignatureInvalid("the answer was signed by somebody else than the current CA")
