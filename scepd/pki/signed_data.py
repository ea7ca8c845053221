"""
SignedData: its structure, read without believing any of it (RFC 5652 section 5).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from scepd.errors import EncodingError, LimitExceeded
from scepd.pki.ber import to_der
from scepd.pki.decoding import reading
from scepd.pki.der import set_of
from scepd.pki.der_reader import (
    INTEGER,
    LONG_TAG,
    SEQUENCE,
    SET,
    identifier_of,
    octets_of,
    split,
)
from scepd.pki.identity import CertificateReference, read_reference
from scepd.pki.structures import SIGNED_DATA, read_algorithm, read_content_info

MAX_CERTIFICATES = 16
# Two would do to see that there is not exactly one.
_MAX_SIGNERS = 4
_MAX_ATTRIBUTES = 64
_CERTIFICATES = _SIGNED_ATTRIBUTES = _EXPLICIT_CONTENT = 0xA0
_REVOCATION_LISTS = _UNSIGNED_ATTRIBUTES = 0xA1


class Attribute(NamedTuple):
    """
    One attribute of a signer or of a certification request.

    :param oid: dotted.
    :param values: the DER of each value.
    """

    oid: str
    values: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Signer:
    """
    One SignerInfo.

    :param reference: names the signer's certificate.
    :param digest_oid: dotted.
    :param signature_oid: dotted.
    :param signed_attributes: the signedAttrs as they came, re-tagged as a SET; None when absent.
    :param attributes: the same, taken apart.
    :param signature: its octets.
    """

    reference: CertificateReference
    digest_oid: str
    signature_oid: str
    signed_attributes: bytes | None
    attributes: tuple[Attribute, ...]
    signature: bytes

    @property
    def sorted_attributes(self) -> bytes | None:
        """
        The signedAttrs in the order of DER, for a sender who signed that but sent BER.
        """
        if self.signed_attributes is None:
            return None
        with reading("the signed attributes"):
            return set_of(split(self.signed_attributes, SET))


@dataclass(frozen=True, slots=True)
class SignedData:
    """
    A SignedData of which nothing is verified.

    :param content_type: dotted.
    :param content: the eContent's octets; None when there is none.
    :param certificates: the DER of each X.509 certificate in the bag, in order.
    :param signers: the SignerInfos.
    """

    content_type: str
    content: bytes | None
    certificates: tuple[bytes, ...]
    signers: tuple[Signer, ...]


def parse_signed_data(data: bytes, *, as_der: bool = False) -> SignedData:
    """
    Read a ContentInfo that holds a SignedData, in DER or BER.

    :param data: the ContentInfo, and nothing behind it.
    :param as_der: take it for DER without a look at what lies deeper than the SignedData's own
        elements; then what is not DER may be an error here, or in what is read of the parts.
    :returns: its parts, unverified.
    :raises EncodingError: anything else.
    :raises LimitExceeded: more than 16 certificates or 4 signers, or too deep.
    """
    der = data if as_der else to_der(data)
    with reading("the SignedData"):
        content_type, content = read_content_info(der)
        if content_type != SIGNED_DATA:
            raise EncodingError("the CMS message is not a SignedData")
        version, digests, encapsulated, *others, signers = split(content, SEQUENCE)
        if version[0] != INTEGER or digests[0] != SET:
            raise ValueError("a field of the SignedData has another type")
        bag = _optional(others, _CERTIFICATES)
        _optional(others, _REVOCATION_LISTS)
        _nothing_left(others)
        inner_type, octets = _encapsulated(encapsulated)
        return SignedData(inner_type, octets, _certificates(bag), _signers(signers))


def single_value(attributes: tuple[Attribute, ...], oid: str) -> bytes | None:
    """
    Return the one value of the one attribute of a type.

    :param attributes: of a signer or request.
    :param oid: the type, dotted.
    :returns: the DER of the value; None when there is no such attribute.
    :raises EncodingError: the attribute occurs twice, or does not have exactly one value.
    """
    found: bytes | None = None
    for attribute in attributes:
        if attribute.oid == oid:
            if found is not None or len(attribute.values) != 1:
                raise EncodingError("an attribute is doubled, empty or has several values")
            found = attribute.values[0]
    return found


def read_attributes(encoded: bytes) -> tuple[Attribute, ...]:
    """
    Take attributes apart; call it inside ``reading``.

    :param encoded: the DER of the SET.
    :returns: the attributes, in order.
    :raises LimitExceeded: more than 64.
    """
    elements = split(encoded, SET)
    if len(elements) > _MAX_ATTRIBUTES:
        raise LimitExceeded("there are too many attributes")
    return tuple(_short_attribute(each) or _attribute(each) for each in elements)


def _attribute(element: bytes) -> Attribute:
    oid, values = split(element, SEQUENCE)
    return Attribute(identifier_of(oid), tuple(split(values, SET)))


def _short_attribute(element: bytes) -> Attribute | None:
    """
    Read an attribute of less than 128 octets with one value, as nearly all are; None: it is not
    one of those, or not well-formed.
    """
    size = len(element)
    if size < 9 or element[0] != SEQUENCE or element[1] != size - 2:
        return None
    at = 4 + element[3]
    # Behind the identifier: a SET that fills the rest, and in it a value that fills the SET.
    if at + 4 > size or element[at] != SET or element[at + 1] != size - at - 2:
        return None
    is_one = element[at + 3] == size - at - 4 and element[at + 2] & LONG_TAG != LONG_TAG
    return Attribute(identifier_of(element[2:at]), (element[at + 2 :],)) if is_one else None


def _optional(fields: list[bytes], tag: int) -> bytes | None:
    return fields.pop(0) if fields and fields[0][0] == tag else None


def _nothing_left(fields: list[bytes]) -> None:
    if fields:
        raise ValueError("there are more fields than there may be")


def _encapsulated(info: bytes) -> tuple[str, bytes | None]:
    content_type, *others = split(info, SEQUENCE)
    explicit = _optional(others, _EXPLICIT_CONTENT)
    _nothing_left(others)
    if explicit is None:
        return identifier_of(content_type), None
    (content,) = split(explicit, _EXPLICIT_CONTENT)
    return identifier_of(content_type), octets_of(content)


def _certificates(bag: bytes | None) -> tuple[bytes, ...]:
    if bag is None:
        return ()
    elements = split(bag, _CERTIFICATES)
    if len(elements) > MAX_CERTIFICATES:
        raise LimitExceeded("there are too many certificates")
    # Other choices than Certificate (attribute certificates) have tags of their own.
    return tuple(der for der in elements if der[0] == SEQUENCE)


def _signers(infos: bytes) -> tuple[Signer, ...]:
    elements = split(infos, SET)
    if len(elements) > _MAX_SIGNERS:
        raise LimitExceeded("there are too many signers")
    return tuple(_signer(element) for element in elements)


def _signer(info: bytes) -> Signer:
    version, sid, digest_algorithm, *others = split(info, SEQUENCE)
    signed = _optional(others, _SIGNED_ATTRIBUTES)
    signature_algorithm, signature, *others = others
    _optional(others, _UNSIGNED_ATTRIBUTES)
    _nothing_left(others)
    if version[0] != INTEGER:
        raise ValueError("a field of the SignerInfo has another type")
    received = None if signed is None else b"\x31" + signed[1:]
    return Signer(
        read_reference(sid),
        read_algorithm(digest_algorithm)[0],
        read_algorithm(signature_algorithm)[0],
        received,
        () if received is None else read_attributes(received),
        octets_of(signature),
    )
