"""
The signed attributes that make a CMS message a SCEP message (RFC 8894 section 3.2.1).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import TypeVar

from scepd.errors import EncodingError, LimitExceeded
from scepd.pki import der
from scepd.pki.ber import contents_of
from scepd.pki.signed_data import Attribute

MESSAGE_TYPE = "2.16.840.1.113733.1.9.2"
PKI_STATUS = "2.16.840.1.113733.1.9.3"
FAIL_INFO = "2.16.840.1.113733.1.9.4"
SENDER_NONCE = "2.16.840.1.113733.1.9.5"
RECIPIENT_NONCE = "2.16.840.1.113733.1.9.6"
TRANSACTION_ID = "2.16.840.1.113733.1.9.7"
FAIL_INFO_TEXT = "1.3.6.1.5.5.7.24.1"

NONCE_SIZE = 16
LONGEST_TRANSACTION_ID = 256
LONGEST_FAIL_INFO_TEXT = 1024
_LONGEST_NUMBER = 16
_LONGEST_NONCE = 64
_PRINTABLE_STRING = 0x13
_UTF8_STRING = 0x0C
_OCTET_STRING = 0x04
_Number = TypeVar("_Number", bound=IntEnum)
_Values = dict[str, bytes | None]


class MessageType(IntEnum):
    """
    The messages of RFC 8894 section 3.2.1.2; every other number is refused.
    """

    CERT_REP = 3
    RENEWAL_REQ = 17
    PKCS_REQ = 19
    CERT_POLL = 20
    GET_CERT = 21
    GET_CRL = 22

    @property
    def word(self) -> str:
        """
        The name in the RFC's spelling, such as ``PKCSReq``.
        """
        return _MESSAGE_WORDS[self]


class PKIStatus(IntEnum):
    """
    RFC 8894 section 3.2.1.3; the names are the RFC's.
    """

    SUCCESS = 0
    FAILURE = 2
    PENDING = 3

    @property
    def word(self) -> str:
        """
        The name in the RFC's spelling, such as ``SUCCESS``.
        """
        return self.name


class FailInfo(IntEnum):
    """
    RFC 8894 section 3.2.1.4; our errors carry these numbers as ``fail_info``.
    """

    BAD_ALG = 0
    BAD_MESSAGE_CHECK = 1
    BAD_REQUEST = 2
    BAD_TIME = 3
    BAD_CERT_ID = 4

    @property
    def word(self) -> str:
        """
        The name in the RFC's spelling, such as ``badMessageCheck``.
        """
        return _FAIL_INFO_WORDS[self]


_MESSAGE_WORDS = {
    MessageType.CERT_REP: "CertRep",
    MessageType.RENEWAL_REQ: "RenewalReq",
    MessageType.PKCS_REQ: "PKCSReq",
    MessageType.CERT_POLL: "CertPoll",
    MessageType.GET_CERT: "GetCert",
    MessageType.GET_CRL: "GetCRL",
}
_FAIL_INFO_WORDS = {
    FailInfo.BAD_ALG: "badAlg",
    FailInfo.BAD_MESSAGE_CHECK: "badMessageCheck",
    FailInfo.BAD_REQUEST: "badRequest",
    FailInfo.BAD_TIME: "badTime",
    FailInfo.BAD_CERT_ID: "badCertId",
}
# By their decimal digits, as they stand in the attributes.
_MESSAGE_TYPES = {str(int(each)): each for each in MessageType}
_PKI_STATUSES = {str(int(each)): each for each in PKIStatus}
_FAIL_INFOS = {str(int(each)): each for each in FailInfo}


@dataclass(frozen=True, slots=True)
class SCEPAttributes:
    """
    The attributes of one message; those that are None did not come.

    :param message_type: what kind of message it is.
    :param transaction_id: opaque, 1 to 256 printable ASCII characters.
    :param sender_nonce: 1 to 64 octets; 16 in what we make.
    :param recipient_nonce: 1 to 64 octets.
    :param pki_status: of a CertRep.
    :param fail_info: of a CertRep with status FAILURE.
    :param fail_info_text: words of the authority to its failInfo, at most 1 kB in UTF-8.
    """

    message_type: MessageType
    transaction_id: str
    sender_nonce: bytes | None = None
    recipient_nonce: bytes | None = None
    pki_status: PKIStatus | None = None
    fail_info: FailInfo | None = None
    fail_info_text: str | None = None


def read_message_type(attributes: tuple[Attribute, ...]) -> MessageType:
    """
    Read the messageType, by which a message is let in at all.

    :param attributes: the signed attributes.
    :returns: one of the types that RFC 8894 knows.
    :raises EncodingError: missing, doubled, of another ASN.1 type, or any other number.
    """
    return _message_type(_single_values(attributes))


def read_transaction_id(attributes: tuple[Attribute, ...]) -> str:
    """
    Read the transactionID.

    :param attributes: the signed attributes.
    :returns: 1 to 256 printable ASCII characters, to be taken as they are.
    :raises EncodingError: missing, empty, doubled, or of another ASN.1 type.
    :raises LimitExceeded: too long.
    """
    return _transaction_id(_single_values(attributes))


def read_scep_attributes(attributes: tuple[Attribute, ...]) -> SCEPAttributes:
    """
    Read all SCEP attributes of a message; attributes of others are left alone.

    :param attributes: the signed attributes.
    :returns: their values.
    :raises EncodingError: one is missing that its messageType needs, is doubled, has another
        type or a value that RFC 8894 does not know.
    :raises LimitExceeded: one is too long.
    """
    values = _single_values(attributes)
    message_type = _message_type(values)
    found = SCEPAttributes(
        message_type,
        _transaction_id(values),
        _nonce(values, SENDER_NONCE),
        _nonce(values, RECIPIENT_NONCE),
        _numbered(values, PKI_STATUS, _PKI_STATUSES),
        _numbered(values, FAIL_INFO, _FAIL_INFOS),
        _fail_info_text(values),
    )
    if message_type is MessageType.CERT_REP:
        if found.pki_status is None:
            raise EncodingError("the CertRep has no pkiStatus")
    elif found.sender_nonce is None:
        raise EncodingError("the request has no senderNonce")
    return found


def read_nonce(attributes: tuple[Attribute, ...], oid: str) -> bytes | None:
    """
    Read a nonce.

    :param attributes: the signed attributes.
    :param oid: ``SENDER_NONCE`` or ``RECIPIENT_NONCE``.
    :returns: 1 to 64 octets; None when there is none.
    :raises EncodingError: empty, doubled, or of another ASN.1 type.
    :raises LimitExceeded: too long.
    """
    return _nonce(_single_values(attributes), oid)


def encode_scep_attributes(attributes: SCEPAttributes) -> list[tuple[str, bytes]]:
    """
    Encode the attributes of a message that is to be signed.

    :param attributes: their values; what is None is left out.
    :returns: dotted type and the DER of the one value, for each.
    """
    encoded = [
        (MESSAGE_TYPE, der.printable_string(str(int(attributes.message_type)))),
        (TRANSACTION_ID, der.printable_string(attributes.transaction_id)),
    ]
    for oid, nonce in (
        (SENDER_NONCE, attributes.sender_nonce),
        (RECIPIENT_NONCE, attributes.recipient_nonce),
    ):
        if nonce is not None:
            encoded.append((oid, der.octet_string(nonce)))
    for oid, number in ((PKI_STATUS, attributes.pki_status), (FAIL_INFO, attributes.fail_info)):
        if number is not None:
            encoded.append((oid, der.printable_string(str(int(number)))))
    if attributes.fail_info_text is not None:
        encoded.append((FAIL_INFO_TEXT, der.utf8_string(attributes.fail_info_text)))
    return encoded


def _single_values(attributes: tuple[Attribute, ...]) -> _Values:
    """
    The DER of each attribute's value by its type; None: it is there twice, or has not one value.
    """
    found: _Values = {}
    for oid, values in attributes:
        found[oid] = values[0] if len(values) == 1 and oid not in found else None
    return found


def _message_type(values: _Values) -> MessageType:
    found = _MESSAGE_TYPES.get(_printable(values, MESSAGE_TYPE, _LONGEST_NUMBER) or "")
    if found is None:
        raise EncodingError("the messageType is missing or not one that is accepted")
    return found


def _transaction_id(values: _Values) -> str:
    text = _printable(values, TRANSACTION_ID, LONGEST_TRANSACTION_ID)
    if not text:
        raise EncodingError("the transactionID is missing or empty")
    return text


def _nonce(values: _Values, oid: str) -> bytes | None:
    value = _octets(values, oid, _OCTET_STRING, _LONGEST_NONCE)
    if value == b"":
        raise EncodingError("a nonce is empty")
    return value


def _numbered(values: _Values, oid: str, known: Mapping[str, _Number]) -> _Number | None:
    text = _printable(values, oid, _LONGEST_NUMBER)
    if text is None:
        return None
    if text not in known:
        raise EncodingError("a pkiStatus or failInfo has a value that is not known")
    return known[text]


def _printable(values: _Values, oid: str, longest: int) -> str | None:
    octets = _octets(values, oid, _PRINTABLE_STRING, longest)
    if octets is None:
        return None
    # Clients put more than X.680's PrintableString there, so any visible ASCII will do.
    text = octets.decode("ascii", "replace")
    if not octets.isascii() or not text.isprintable():
        raise EncodingError("an attribute holds characters that it may not hold")
    return text


def _fail_info_text(values: _Values) -> str | None:
    octets = _octets(values, FAIL_INFO_TEXT, _UTF8_STRING, LONGEST_FAIL_INFO_TEXT)
    if octets is None:
        return None
    try:
        text = octets.decode("utf-8")
    except UnicodeDecodeError:
        raise EncodingError("the failInfoText is not UTF-8") from None
    # It is shown and stored, and PostgreSQL stores no NUL; lines stay apart.
    shown = "".join(each if each.isprintable() else " " for each in text)
    return " ".join(shown.split())


def _octets(values: _Values, oid: str, tag: int, longest: int) -> bytes | None:
    if oid not in values:
        return None
    encoded = values[oid]
    if encoded is None:
        raise EncodingError("an attribute is doubled, empty or has several values")
    if encoded[0] != tag:
        raise EncodingError("an attribute has the wrong ASN.1 type")
    contents = contents_of(encoded)
    if len(contents) > longest:
        raise LimitExceeded("an attribute is too long")
    return contents
