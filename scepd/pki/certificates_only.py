"""
Certs-only SignedData: certificates and revocation lists without a signature of their own.

RFC 8894 section 3.4 calls them degenerate; they are the content of every CertRep SUCCESS.
"""

from __future__ import annotations

from dataclasses import dataclass

from asn1crypto import core

from scepd.errors import EncodingError, LimitExceeded
from scepd.pki import structures
from scepd.pki.ber import to_der
from scepd.pki.decoding import reading
from scepd.pki.signed_data import MAX_CERTIFICATES

MAX_CRLS = 16


@dataclass(frozen=True, slots=True)
class CertificatesOnly:
    """
    What a certs-only SignedData carries; nothing of it is verified.

    :param certificates: the DER of each X.509 certificate, in the order in which they came.
    :param crls: the DER of each revocation list, in the order in which they came.
    """

    certificates: tuple[bytes, ...]
    crls: tuple[bytes, ...]


def parse_certificates_only(data: bytes, *, max_elements: int = 50_000) -> CertificatesOnly:
    """
    Read a ContentInfo with a SignedData of which only the certificates and lists are of interest.

    :param data: the ContentInfo, in DER or BER, and nothing behind it.
    :param max_elements: as for ``to_der``; a long revocation list has many.
    :returns: what it carries; both may be empty.
    :raises EncodingError: anything else.
    :raises LimitExceeded: more than 16 certificates or lists, too deep, or too many elements.
    """
    encoded = to_der(data, max_elements=max_elements)
    with reading("the certificates"):
        signed = structures.ContentInfo.load(encoded, strict=True)["content"]
        if not isinstance(signed, structures.SignedData):
            raise EncodingError("the certificates are not in a SignedData")
        return CertificatesOnly(
            _sequences(signed["certificates"], MAX_CERTIFICATES),
            _sequences(signed["crls"], MAX_CRLS),
        )


def _sequences(bag: core.Asn1Value, most: int) -> tuple[bytes, ...]:
    if isinstance(bag, core.Void):
        return ()
    if len(bag) > most:
        raise LimitExceeded("there are too many certificates or revocation lists")
    # Other choices than Certificate and CertificateList have tags of their own.
    return tuple(der for der in (structures.raw(item) for item in bag) if der[0] == 0x30)
