"""
Certs-only SignedData: certificates and revocation lists without a signature of their own.

RFC 8894 section 3.4 calls them degenerate; they are the content of every CertRep SUCCESS.
"""

from __future__ import annotations

from dataclasses import dataclass

from scepd.errors import EncodingError, LimitExceeded
from scepd.pki.ber import to_der
from scepd.pki.decoding import reading
from scepd.pki.der_reader import INTEGER, MAX_ELEMENTS, SEQUENCE, SET, DERReader
from scepd.pki.signed_data import MAX_CERTIFICATES
from scepd.pki.structures import SIGNED_DATA, read_content_info

MAX_CRLS = 16
_CERTIFICATES, _REVOCATION_LISTS = 0xA0, 0xA1


@dataclass(frozen=True, slots=True)
class CertificatesOnly:
    """
    What a certs-only SignedData carries; nothing of it is verified.

    :param certificates: the DER of each X.509 certificate, in the order in which they came.
    :param crls: the DER of each revocation list, in the order in which they came.
    """

    certificates: tuple[bytes, ...]
    crls: tuple[bytes, ...]


def parse_certificates_only(data: bytes, *, max_elements: int = MAX_ELEMENTS) -> CertificatesOnly:
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
        content_type, content = read_content_info(encoded)
        if content_type != SIGNED_DATA:
            raise EncodingError("the certificates are not in a SignedData")
        signed = DERReader(content).enter(SEQUENCE)
        signed.skip(INTEGER, SET, SEQUENCE)
        certificates = _sequences(signed, _CERTIFICATES, MAX_CERTIFICATES)
        crls = _sequences(signed, _REVOCATION_LISTS, MAX_CRLS)
        signed.skip(SET)
        signed.finish()
        return CertificatesOnly(certificates, crls)


def _sequences(signed: DERReader, tag: int, most: int) -> tuple[bytes, ...]:
    if signed.tag != tag:
        return ()
    bag = signed.enter(tag).remaining()
    if len(bag) > most:
        raise LimitExceeded("there are too many certificates or revocation lists")
    # Other choices than Certificate and CertificateList have tags of their own.
    return tuple(der for der in bag if der[0] == SEQUENCE)
