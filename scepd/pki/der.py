"""
The few DER encodings from which messages are put together.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from scepd.pki.ber import encode_length

NULL = b"\x05\x00"


def sequence(*parts: bytes) -> bytes:
    """
    Encode a SEQUENCE.

    :param parts: the DER of each element, in order.
    :returns: DER.
    """
    return _element(0x30, parts)


def set_of(parts: Iterable[bytes]) -> bytes:
    """
    Encode a SET OF, whose elements DER sorts by their encodings (X.690 section 11.6).

    :param parts: the DER of each element, in any order.
    :returns: DER.
    """
    return _element(0x31, sorted(parts))


def tagged(number: int, *parts: bytes) -> bytes:
    """
    Encode a constructed, context-specific element.

    :param number: the tag number, 0 to 30.
    :param parts: the DER of what is in it.
    :returns: DER.
    """
    return _element(0xA0 | number, parts)


def implicit_octet_string(number: int, octets: bytes) -> bytes:
    """
    Encode an implicitly tagged OCTET STRING.

    :param number: the tag number, 0 to 30.
    :param octets: its value.
    :returns: DER.
    """
    return _element(0x80 | number, (octets,))


def octet_string(octets: bytes) -> bytes:
    """
    Encode an OCTET STRING.

    :param octets: its value.
    :returns: DER.
    """
    return _element(0x04, (octets,))


def integer(value: int) -> bytes:
    """
    Encode an INTEGER.

    :param value: of any sign and size.
    :returns: DER.
    """
    # Of two's complement; one bit more than the number has, for its sign.
    size = (value if value >= 0 else ~value).bit_length() // 8 + 1
    return _element(0x02, (value.to_bytes(size, "big", signed=True),))


@lru_cache(maxsize=256)
def object_identifier(dotted: str) -> bytes:
    """
    Encode an OBJECT IDENTIFIER.

    :param dotted: such as ``1.2.840.113549``.
    :returns: DER.
    :raises ValueError: not an object identifier.
    """
    first, second, *others = (int(arc) for arc in dotted.split("."))
    # X.660: there are three roots, and 40 arcs below each of the first two.
    fits = 0 <= first <= 2 and (0 <= second < 40 or (first == 2 and second >= 0))
    if not fits or min(others, default=0) < 0:
        raise ValueError("not an object identifier")
    return _element(0x06, [_arc(arc) for arc in (40 * first + second, *others)])


def printable_string(text: str) -> bytes:
    """
    Encode a PrintableString.

    :param text: ASCII.
    :returns: DER.
    """
    return _element(0x13, (text.encode("ascii"),))


def utf8_string(text: str) -> bytes:
    """
    Encode a UTF8String.

    :param text: any text.
    :returns: DER.
    """
    return _element(0x0C, (text.encode("utf-8"),))


def _arc(number: int) -> bytes:
    octets = bytearray([number & 0x7F])
    while number := number >> 7:
        octets.append(number & 0x7F | 0x80)
    octets.reverse()
    return bytes(octets)


def _element(tag: int, parts: Iterable[bytes]) -> bytes:
    body = b"".join(parts)
    length = len(body)
    if length < 0x80:
        return bytes((tag, length)) + body
    return bytes((tag,)) + encode_length(length) + body
