"""
SignedData: its structure, read without believing any of it (RFC 5652 section 5).
"""

from __future__ import annotations

from dataclasses import dataclass

from asn1crypto import core

from scepd.errors import EncodingError, LimitExceeded
from scepd.pki import structures
from scepd.pki.ber import to_der
from scepd.pki.decoding import reading
from scepd.pki.der import set_of
from scepd.pki.identity import CertificateReference, reference_of
from scepd.pki.structures import raw

MAX_CERTIFICATES = 16
# Two would do to see that there is not exactly one.
_MAX_SIGNERS = 4
_MAX_ATTRIBUTES = 64


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
            parsed = structures.AnySet.load(self.signed_attributes, strict=True)
            return set_of(raw(child) for child in parsed)


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
        signed = structures.ContentInfo.load(der, strict=True)["content"]
        if not isinstance(signed, structures.SignedData):
            raise EncodingError("the CMS message is not a SignedData")
        encapsulated = signed["encap_content_info"]
        return SignedData(
            encapsulated["content_type"].native,
            encapsulated["content"].native,
            _certificates(signed["certificates"]),
            _signers(signed["signer_infos"]),
        )


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


def read_attributes(parsed: core.Asn1Value) -> tuple[Attribute, ...]:
    """
    Take attributes apart; call it inside ``reading``.

    :param parsed: ``structures.Attributes``, or what stands for an absent field.
    :returns: the attributes, in order.
    :raises LimitExceeded: more than 64.
    """
    if isinstance(parsed, core.Void):
        return ()
    if len(parsed) > _MAX_ATTRIBUTES:
        raise LimitExceeded("there are too many attributes")
    return tuple(
        Attribute(item["type"].native, tuple(raw(value) for value in item["values"]))
        for item in parsed
    )


def _certificates(bag: core.Asn1Value) -> tuple[bytes, ...]:
    if isinstance(bag, core.Void):
        return ()
    if len(bag) > MAX_CERTIFICATES:
        raise LimitExceeded("there are too many certificates")
    # Other choices than Certificate (attribute certificates) have tags of their own.
    return tuple(der for der in (raw(item) for item in bag) if der[0] == 0x30)


def _signers(infos: core.Asn1Value) -> tuple[Signer, ...]:
    if len(infos) > _MAX_SIGNERS:
        raise LimitExceeded("there are too many signers")
    return tuple(_signer(info) for info in infos)


def _signer(info: core.Asn1Value) -> Signer:
    attributes = info["signed_attrs"]
    received = None if isinstance(attributes, core.Void) else b"\x31" + raw(attributes)[1:]
    return Signer(
        reference_of(info["sid"].chosen),
        info["digest_algorithm"]["algorithm"].native,
        info["signature_algorithm"]["algorithm"].native,
        received,
        read_attributes(attributes),
        info["signature"].native,
    )
