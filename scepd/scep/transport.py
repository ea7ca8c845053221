"""
How messages are wrapped in HTTP, in all the forms that clients and authorities use.

RFC 8894 section 4.1 asks for base64 in a URL's query and for two media types; what is really
sent differs from client to client.
"""

from __future__ import annotations

import base64
import binascii
import re
from urllib.parse import unquote_to_bytes

from scepd.errors import EncodingError, LimitExceeded

PKI_MESSAGE = "application/x-pki-message"
CA_CERTIFICATE = "application/x-x509-ca-cert"
CA_CERTIFICATES = "application/x-x509-ca-ra-cert"
NEXT_CA_CERTIFICATES = "application/x-x509-next-ca-cert"

_SIGNED_DATA_OID = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02"
_LONGEST_OPERATION = 64
_BASE64 = re.compile(rb"[A-Za-z0-9+/]*")
_URL_ALPHABET = bytes.maketrans(b"-_ ", b"+/+")
_LINE_BREAKS = b"\r\n\t"


def operation_of(raw_query: bytes) -> str | None:
    """
    Find the ``operation`` of a request.

    :param raw_query: the query string as it came, without the question mark.
    :returns: its value; None when there is none, or none that could be an operation's name.
    """
    value = _parameter(raw_query, b"operation")
    if not value or len(value) > _LONGEST_OPERATION * 3:
        return None
    name = unquote_to_bytes(value)
    if len(name) > _LONGEST_OPERATION or not name.isalnum():
        return None
    return name.decode("ascii")


def has_parameter(raw_query: bytes, name: bytes) -> bool:
    """
    Tell whether a query has a parameter, even one without a value.

    :param raw_query: the query string as it came, without the question mark.
    :param name: of the parameter.
    """
    return _parameter(raw_query, name) is not None


def decode_message(raw_query: bytes, *, max_size: int = 262_144) -> bytes:
    """
    Decode the ``message`` of a PKIOperation that came by GET.

    Accepted are base64 with everything, something or nothing escaped, with line breaks, without
    padding, and base64url. A raw ``+`` stays one, and so does one that somebody on the way took
    for a blank.

    :param raw_query: the query string as it came, without the question mark.
    :param max_size: octets of the decoded message.
    :returns: the pkiMessage.
    :raises EncodingError: no message, or not base64.
    :raises LimitExceeded: too large.
    """
    value = _parameter(raw_query, b"message")
    if not value:
        raise EncodingError("the query has no message")
    # Every character may be escaped with three, and every 76 of them be followed by CR and LF.
    if len(value) > max_size * 4 + 1024:
        raise LimitExceeded("the message is too large")
    text = unquote_to_bytes(value).translate(_URL_ALPHABET, _LINE_BREAKS).rstrip(b"=")
    if _BASE64.fullmatch(text) is None:
        raise EncodingError("the message is not base64")
    try:
        message = base64.b64decode(text + b"=" * (-len(text) % 4))
    except binascii.Error:
        raise EncodingError("the message is not base64") from None
    if len(message) > max_size:
        raise LimitExceeded("the message is too large")
    return message


def classify_ca_body(head: bytes) -> str | None:
    """
    Tell what a GetCACert answer is by its first octets, whatever its Content-Type says.

    :param head: the first octets of the body; 32 are always enough.
    :returns: ``CA_CERTIFICATE``, ``CA_CERTIFICATES`` (PKCS #7), or None for neither.
    """
    inner = _after_header(head, 0)
    if inner is None:
        return None
    if head.startswith(_SIGNED_DATA_OID, inner):
        return CA_CERTIFICATES
    # A TBSCertificate starts with its [0] version, or in version 1 with the serial number.
    second = _after_header(head, inner)
    if second is not None and head[second : second + 1] in (b"\xa0", b"\x02"):
        return CA_CERTIFICATE
    return None


def looks_like_pki_message(head: bytes) -> bool | None:
    """
    Tell whether a body starts as a pkiMessage does: a ContentInfo with a SignedData, DER or BER.

    :param head: the first octets of the body; 32 are always enough.
    :returns: None while there are too few octets to tell.
    """
    if not head:
        return None
    if head[:1] != b"\x30":
        return False
    if len(head) < 2:
        return None
    inner = _after_header(head, 0)
    if inner is None:
        return False
    found = head[inner : inner + len(_SIGNED_DATA_OID)]
    if len(found) == len(_SIGNED_DATA_OID):
        return found == _SIGNED_DATA_OID
    return None if _SIGNED_DATA_OID.startswith(found) else False


def _parameter(raw_query: bytes, name: bytes) -> bytes | None:
    # Split by hand: the standard library's parser turns a raw "+" into a blank.
    for pair in raw_query.split(b"&"):
        key, _, value = pair.partition(b"=")
        if key == name:
            return value
    return None


def _after_header(head: bytes, at: int) -> int | None:
    """
    Return the offset of a SEQUENCE's contents, or None when there is no whole SEQUENCE header.
    """
    if len(head) < at + 2 or head[at] != 0x30:
        return None
    more = _more_length_octets(head[at + 1])
    return at + 2 + more if more <= 4 else None


def _more_length_octets(first: int) -> int:
    return first & 0x7F if first > 0x80 else 0
