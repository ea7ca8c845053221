"""
SignedData: its structure, read without believing any of it (RFC 5652 section 5).
"""

from __future__ import annotations

from dataclasses import dataclass

from scepd.errors import EncodingError, LimitExceeded
from scepd.pki.ber import to_der
from scepd.pki.decoding import reading
from scepd.pki.der import set_of
from scepd.pki.der_reader import INTEGER, SEQUENCE, SET, DERReader, identifier_of, split
from scepd.pki.identity import CertificateReference, read_reference
from scepd.pki.structures import SIGNED_DATA, read_algorithm, read_content_info

MAX_CERTIFICATES = 16
# Two would do to see that there is not exactly one.
_MAX_SIGNERS = 4
_MAX_ATTRIBUTES = 64
_CERTIFICATES = _SIGNED_ATTRIBUTES = _EXPLICIT_CONTENT = 0xA0
_REVOCATION_LISTS = _UNSIGNED_ATTRIBUTES = 0xA1


@dataclass(frozen=True, slots=True)
class Attribute:
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
            return set_of(DERReader(self.signed_attributes).enter(SET).remaining())


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


def parse_signed_data(data: bytes) -> SignedData:
    """
    Read a ContentInfo that holds a SignedData, in DER or BER.

    :param data: the ContentInfo, and nothing behind it.
    :returns: its parts, unverified.
    :raises EncodingError: anything else.
    :raises LimitExceeded: more than 16 certificates or 4 signers, or too deep.
    """
    der = to_der(data)
    with reading("the SignedData"):
        content_type, reader = read_content_info(der)
        if content_type != SIGNED_DATA:
            raise EncodingError("the CMS message is not a SignedData")
        signed = reader.enter(SEQUENCE)
        reader.finish()
        signed.skip(INTEGER, SET)
        inner_type, content = _encapsulated(signed.enter(SEQUENCE))
        certificates = _certificates(signed)
        signed.skip_optional(_REVOCATION_LISTS)
        signers = _signers(signed.enter(SET))
        signed.finish()
        return SignedData(inner_type, content, certificates, signers)


def single_value(attributes: tuple[Attribute, ...], oid: str) -> bytes | None:
    """
    Return the one value of the one attribute of a type.

    :param attributes: of a signer or request.
    :param oid: the type, dotted.
    :returns: the DER of the value; None when there is no such attribute.
    :raises EncodingError: the attribute occurs twice, or does not have exactly one value.
    """
    found = [attribute for attribute in attributes if attribute.oid == oid]
    if not found:
        return None
    if len(found) > 1 or len(found[0].values) != 1:
        raise EncodingError("an attribute is doubled, empty or has several values")
    return found[0].values[0]


def read_attributes(reader: DERReader) -> tuple[Attribute, ...]:
    """
    Take attributes apart; call it inside ``reading``.

    :param reader: of what is in the SET.
    :returns: the attributes, in order.
    :raises LimitExceeded: more than 64.
    """
    found: list[Attribute] = []
    while reader.tag:
        if len(found) == _MAX_ATTRIBUTES:
            raise LimitExceeded("there are too many attributes")
        oid, values = split(reader.encoded(), SEQUENCE)
        found.append(Attribute(identifier_of(oid), tuple(split(values, SET))))
    return tuple(found)


def _encapsulated(info: DERReader) -> tuple[str, bytes | None]:
    content_type, content = info.identifier(), None
    if info.tag == _EXPLICIT_CONTENT:
        explicit = info.enter(_EXPLICIT_CONTENT)
        content = explicit.octets()
        explicit.finish()
    info.finish()
    return content_type, content


def _certificates(signed: DERReader) -> tuple[bytes, ...]:
    if signed.tag != _CERTIFICATES:
        return ()
    bag = signed.enter(_CERTIFICATES).remaining()
    if len(bag) > MAX_CERTIFICATES:
        raise LimitExceeded("there are too many certificates")
    # Other choices than Certificate (attribute certificates) have tags of their own.
    return tuple(der for der in bag if der[0] == SEQUENCE)


def _signers(infos: DERReader) -> tuple[Signer, ...]:
    found: list[Signer] = []
    while infos.tag:
        if len(found) == _MAX_SIGNERS:
            raise LimitExceeded("there are too many signers")
        found.append(_signer(infos.enter(SEQUENCE)))
    return tuple(found)


def _signer(info: DERReader) -> Signer:
    info.skip(INTEGER)
    reference, digest_oid = read_reference(info), read_algorithm(info)[0]
    received: bytes | None = None
    attributes: tuple[Attribute, ...] = ()
    if info.tag == _SIGNED_ATTRIBUTES:
        received = b"\x31" + info.encoded()[1:]
        attributes = read_attributes(DERReader(received).enter(SET))
    signature_oid, signature = read_algorithm(info)[0], info.octets()
    info.skip_optional(_UNSIGNED_ATTRIBUTES)
    info.finish()
    return Signer(reference, digest_oid, signature_oid, received, attributes, signature)
