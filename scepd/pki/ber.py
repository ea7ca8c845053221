"""
BER to DER: the one door through which foreign ASN.1 enters, with every length checked first.

Clients send BER with indefinite lengths and with OCTET STRINGs cut into segments (X.690 sections
8.1.3.6 and 8.7). What leaves here has definite, minimal lengths and whole strings, so that the
code behind needs to know one form only. SETs keep the order in which they came.
"""

from __future__ import annotations

from scepd.errors import EncodingError, LimitExceeded
from scepd.pki.der_reader import (
    CONSTRUCTED,
    LONGEST_IDENTIFIER,
    MAX_DEPTH,
    MAX_ELEMENTS,
    OBJECT_IDENTIFIER,
    UNIVERSAL_CONSTRUCTED,
    der_elements,
    is_der,
    long_tag_end,
)

# BIT STRING can't be joined (each segment has its own unused bits); the others are plain octets.
_JOINED_STRINGS = frozenset({0x04, 0x0C, 0x12, 0x13, 0x14, 0x16, 0x1A, 0x1B, 0x1C, 0x1E})


def to_der(data: bytes, *, max_depth: int = MAX_DEPTH, max_elements: int = MAX_ELEMENTS) -> bytes:
    """
    Give one BER element definite lengths and whole strings; DER comes back unchanged.

    :param data: exactly one BER element, with nothing behind it.
    :param max_depth: how many elements may be nested in each other.
    :param max_elements: how many elements there may be in all; bounds the time that this takes.
    :returns: the same element in the shape of DER (X.690 section 10.1 and 10.2).
    :raises EncodingError: truncated, trailing or otherwise impossible bytes.
    :raises LimitExceeded: too deep, too many elements, or too long an object identifier.
    """
    if is_der(data, max_depth, max_elements):
        return data
    return _transcoded(data, max_depth, max_elements)


def implicit_octets(element: bytes, tag: int) -> bytes:
    """
    Return the octets of an implicitly tagged OCTET STRING, whole or in segments.

    ``to_der`` can't join these, as their tag does not tell that they are strings.

    :param element: one element as ``to_der`` left it.
    :param tag: the identifier octet of the primitive form, such as 0x80 for ``[0]``.
    :returns: the octets, with the segments of a constructed form joined.
    :raises EncodingError: another tag, or segments that are not OCTET STRINGs.
    """
    found, contents = element[:1], contents_of(element)
    if found == bytes([tag]):
        return contents
    if found != bytes([tag | CONSTRUCTED]):
        raise EncodingError("an OCTET STRING has the wrong tag")
    children = _Transcoder(contents, 4, MAX_ELEMENTS).children(0, len(contents), 2)
    return _join(children, 0x04)


def contents_of(element: bytes) -> bytes:
    """
    Take the identifier and length octets off an element with a one-octet tag.

    :param element: one element as ``to_der`` left it.
    :returns: its contents.
    :raises EncodingError: it is empty.
    """
    if len(element) < 2:
        raise EncodingError("the ASN.1 ends too early")
    first = element[1]
    return element[2:] if first < 0x80 else element[2 + (first & 0x7F) :]


def encode_length(length: int) -> bytes:
    """
    Encode a length as DER does (X.690 section 10.1).

    :param length: a number of octets, zero or more.
    :returns: one to five octets.
    """
    if length < 0x80:
        return bytes([length])
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([0x80 | len(octets)]) + octets


def _transcoded(data: bytes, max_depth: int, max_elements: int) -> bytes:
    transcoder = _Transcoder(data, max_depth, max_elements)
    encoded, after = transcoder.element(0, len(data), 1)
    if after != len(data):
        raise EncodingError("bytes follow the end of the ASN.1 element")
    return encoded


class _Transcoder:
    """
    One walk over one input; positions are offsets into it, ends are exclusive.
    """

    def __init__(self, data: bytes, max_depth: int, max_elements: int) -> None:
        self._data = data
        self._max_depth = max_depth
        self._elements_left = max_elements

    def element(
        self, at: int, end: int, depth: int, *, may_be_der: bool = False
    ) -> tuple[bytes, int]:
        """
        Transcode the element that starts at an offset; return it and the offset behind it.

        :param may_be_der: whether it is worth a look if there is nothing to do in it: what is
            inside indefinite lengths has definite ones mostly, and is then DER to the bottom.
        """
        start = at
        self._count(depth)
        tag_end = self._tag_end(at, end)
        length, body = self._length(tag_end, end)
        tag = self._data[at:tag_end]
        if not tag[0] & CONSTRUCTED:
            return self._primitive(tag, length, body)
        if length is None:
            children, after = self._until_end_of_contents(body, end, depth + 1)
        else:
            after = body + length
            if may_be_der and self._is_der(self._data[start:after], depth):
                return self._data[start:after], after
            children = self.children(body, after, depth + 1)
        return _rebuild(tag, children), after

    def children(self, at: int, end: int, depth: int) -> list[bytes]:
        """
        Transcode the elements that fill a range exactly.
        """
        found = []
        while at < end:
            encoded, at = self.element(at, end, depth)
            found.append(encoded)
        return found

    def _until_end_of_contents(self, at: int, end: int, depth: int) -> tuple[list[bytes], int]:
        found = []
        while self._data[at : min(at + 2, end)] != b"\x00\x00":
            encoded, at = self.element(at, end, depth, may_be_der=True)
            found.append(encoded)
        return found, at + 2

    def _is_der(self, element: bytes, depth: int) -> bool:
        # It was counted itself.
        count = der_elements(element, self._max_depth - depth + 1, self._elements_left + 1)
        if count is not None:
            self._elements_left -= count - 1
        return count is not None

    def _count(self, depth: int) -> None:
        self._elements_left -= 1
        if depth > self._max_depth:
            raise LimitExceeded("the ASN.1 elements are nested too deeply")
        if self._elements_left < 0:
            raise LimitExceeded("there are too many ASN.1 elements")

    def _primitive(self, tag: bytes, length: int | None, body: int) -> tuple[bytes, int]:
        if length is None:
            raise EncodingError("a primitive ASN.1 element has an indefinite length")
        if tag[0] == OBJECT_IDENTIFIER and length > LONGEST_IDENTIFIER:
            raise LimitExceeded("an object identifier is too long")
        after = body + length
        return tag + encode_length(length) + self._data[body:after], after

    def _tag_end(self, at: int, end: int) -> int:
        if at >= end:
            raise EncodingError("the ASN.1 ends too early")
        first = self._data[at]
        if first in (0x00, CONSTRUCTED):
            raise EncodingError("an end-of-contents mark is out of place")
        if first & 0x1F != 0x1F:
            return at + 1
        stop = long_tag_end(self._data, at, end)
        if stop is None:
            raise EncodingError("an ASN.1 tag is too long or cut off")
        return stop

    def _length(self, at: int, end: int) -> tuple[int | None, int]:
        if at >= end:
            raise EncodingError("the ASN.1 ends too early")
        first = self._data[at]
        at += 1
        if first == 0x80:
            return None, at
        length = first
        if first > 0x80:
            # Four octets hold any length up to 4 GB, far above every size that is accepted.
            octets = first & 0x7F
            if octets > 4:
                raise EncodingError("an ASN.1 length is written with too many octets")
            length = int.from_bytes(self._data[at : min(at + octets, end)], "big")
            at += octets
        if length > end - at:
            raise EncodingError("an ASN.1 length reaches beyond the end")
        return length, at


def _rebuild(tag: bytes, children: list[bytes]) -> bytes:
    if tag[0] & 0xC0 == 0 and tag[0] not in UNIVERSAL_CONSTRUCTED:
        kind = tag[0] & ~CONSTRUCTED
        if kind not in _JOINED_STRINGS:
            raise EncodingError("a constructed ASN.1 element has a primitive type")
        tag, body = bytes([kind]), _join(children, kind)
    else:
        body = b"".join(children)
    return tag + encode_length(len(body)) + body


def _join(children: list[bytes], kind: int) -> bytes:
    # Segments of a character string are OCTET STRINGs by the letter of X.690 section 8.23.
    if any(child[0] not in (kind, 0x04) for child in children):
        raise EncodingError("a string in segments holds something else")
    return b"".join(contents_of(child) for child in children)
