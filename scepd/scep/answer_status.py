"""
What an answer says of itself, read no more strictly than devices read it.

A device goes by the pkiStatus and has no opinion on what :mod:`scepd.scep.attributes` refuses: a
long failInfoText, an odd nonce, many certificates, a failInfo that is not known. For the record of
what passed by only; nothing is verified, and nothing that is read here may be acted upon otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass

from scepd.errors import MessageError
from scepd.pki import der
from scepd.pki.ber import contents_of, to_der
from scepd.pki.decoding import reading
from scepd.pki.der_reader import SEQUENCE, SET, DERReader, split
from scepd.pki.structures import SIGNED_DATA
from scepd.scep.attributes import (
    FAIL_INFO,
    FAIL_INFO_TEXT,
    LONGEST_FAIL_INFO_TEXT,
    LONGEST_TRANSACTION_ID,
    MESSAGE_TYPE,
    PKI_STATUS,
    TRANSACTION_ID,
    FailInfo,
    MessageType,
    PKIStatus,
)

_EXPLICIT = _SIGNED_ATTRIBUTES = 0xA0
# Version, sid and digestAlgorithm; in BER a sid may have the tag of the signedAttrs.
_BEFORE_ATTRIBUTES = 3
# Some times what any authority sends.
_MOST_ATTRIBUTES = 256
# UTF8String, PrintableString, TeletexString, IA5String, VisibleString.
_STRINGS = frozenset({0x0C, 0x13, 0x14, 0x16, 0x1A})
_SIGNED_DATA = der.object_identifier(SIGNED_DATA)
_READ = {
    der.object_identifier(oid): oid
    for oid in (MESSAGE_TYPE, PKI_STATUS, FAIL_INFO, FAIL_INFO_TEXT, TRANSACTION_ID)
}
_STATUSES = {b"%d" % each: each for each in PKIStatus}
_FAIL_INFOS = {b"%d" % each: each for each in FailInfo}
_CERT_REP = b"%d" % MessageType.CERT_REP
_Strings = dict[str, bytes | None]


@dataclass(frozen=True, slots=True)
class AnswerStatus:
    """
    What a CertRep says of itself; what is None is not there, or not as RFC 8894 has it.

    :param transaction_id: 1 to 256 printable ASCII characters.
    :param fail_info_text: its first 1,024 octets; what is no UTF-8 is replaced.
    """

    pki_status: PKIStatus
    fail_info: FailInfo | None
    fail_info_text: str | None
    transaction_id: str | None


def read_answer_status(data: bytes) -> AnswerStatus | None:
    """
    Read the status of an answer, in DER or BER, whatever is behind it.

    Its time is bounded by the size of the answer, and in BER by what ``to_der`` takes.

    :param data: the body, whole or cut off.
    :returns: None where the bytes do not say it without a doubt: they are no CertRep, are cut off,
        have not one signer, or tell two things.
    """
    try:
        return _status_of(data) or _status_of(to_der(data))
    except MessageError:
        return None


def _status_of(data: bytes) -> AnswerStatus | None:
    try:
        with reading("the answer"):
            strings = _strings(_attributes(data))
    except MessageError:
        return None
    status = _STATUSES.get(strings.get(PKI_STATUS) or b"")
    if status is None or strings.get(MESSAGE_TYPE) != _CERT_REP:
        return None
    text = strings.get(FAIL_INFO_TEXT)
    return AnswerStatus(
        status,
        _FAIL_INFOS.get(strings.get(FAIL_INFO) or b""),
        None if text is None else text[:LONGEST_FAIL_INFO_TEXT].decode("utf-8", "replace"),
        _transaction_id(strings.get(TRANSACTION_ID)),
    )


def _attributes(data: bytes) -> list[bytes]:
    content_type, explicit, *_ = split(DERReader(data).encoded(SEQUENCE), SEQUENCE)
    if content_type != _SIGNED_DATA:
        raise ValueError("the answer is no SignedData")
    signed = split(explicit, _EXPLICIT)[0]
    (signer,) = split(split(signed, SEQUENCE)[-1], SET)
    fields = split(signer, SEQUENCE)[_BEFORE_ATTRIBUTES:]
    attributes = next((each for each in fields if each[0] == _SIGNED_ATTRIBUTES), None)
    if attributes is None:
        raise ValueError("the answer has no signed attributes")
    elements = split(attributes, _SIGNED_ATTRIBUTES)
    if len(elements) > _MOST_ATTRIBUTES:
        raise ValueError("the answer has too many attributes")
    return elements


def _strings(attributes: list[bytes]) -> _Strings:
    """
    The octets of the strings that are read; None: an attribute has another type, or two values.
    """
    found: _Strings = {}
    for element in attributes:
        kind, values = split(element, SEQUENCE)[:2]
        oid = _READ.get(kind)
        if oid is None:
            continue
        for value in split(values, SET):
            text = contents_of(value) if value[0] in _STRINGS else None
            found[oid] = text if found.get(oid, text) == text else None
    return found


def _transaction_id(octets: bytes | None) -> str | None:
    if not octets or len(octets) > LONGEST_TRANSACTION_ID or not octets.isascii():
        return None
    text = octets.decode("ascii")
    return text if text.isprintable() else None
