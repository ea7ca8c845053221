"""
Reading DER: first one quick look over all of it, then element by element.

``is_der`` checks every length in the bytes, however deep; a ``DERReader`` takes apart what is
needed, by offsets into the same bytes, so that what was signed stays as it came.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import cast

BOOLEAN = 0x01
INTEGER = 0x02
BIT_STRING = 0x03
OCTET_STRING = 0x04
OBJECT_IDENTIFIER = 0x06
SEQUENCE = 0x30
SET = 0x31
CONSTRUCTED = 0x20
UNIVERSAL_CONSTRUCTED = frozenset({0x28, 0x2B, SEQUENCE, SET})
LONG_TAG = 0x1F
MAX_DEPTH = 32
# The largest messages that are known have some hundreds; each takes some microseconds in BER.
MAX_ELEMENTS = 10_000
# Arcs of an object identifier become integers, at a cost that is quadratic in their length.
LONGEST_IDENTIFIER = 64

_OTHER, _PRIMITIVE, _CONSTRUCTED, _IDENTIFIER = range(4)


def is_der(data: bytes, max_depth: int = MAX_DEPTH, max_elements: int = MAX_ELEMENTS) -> bool:
    """
    Tell whether bytes are one element with definite, minimal lengths and whole strings all through.

    One loop without recursion; its time is bounded by the number of elements.

    :param data: any octets.
    :param max_depth: how many elements may be nested in each other.
    :param max_elements: how many elements there may be in all.
    :returns: False for anything else, above the limits, and for tags of several octets, which no
        message of ours has: ``to_der`` tells what it is.
    """
    return der_elements(data, max_depth, max_elements) is not None


def der_elements(
    data: bytes, max_depth: int = MAX_DEPTH, max_elements: int = MAX_ELEMENTS
) -> int | None:
    """
    Count the elements of what :func:`is_der` takes for DER.

    :returns: how many there are, however deep; None when it is not DER, or above the limits.
    """
    try:
        return _der_elements(data, max_depth, max_elements)
    except IndexError:
        return None


def _der_elements(data: bytes, max_depth: int, max_elements: int) -> int | None:
    kinds, at, end = _KINDS, 0, len(data)
    ends: list[int] = []
    # Behind a first element that is primitive there must be nothing.
    most = max_elements if data[0] & CONSTRUCTED else min(max_elements, 1)
    for count in range(1, most + 1):
        kind, length = kinds[data[at]], data[at + 1]
        at += 2
        if length > 0x7F:
            # Nearly all that are long have these; the others are left to a function.
            if length == 0x82 and data[at]:
                length, at = data[at] << 8 | data[at + 1], at + 2
            elif length == 0x81 and data[at] > 0x7F:
                length, at = data[at], at + 1
            else:
                length, at = _long_length(data, length, at)
        after = at + length
        if length < 0 or after > end:
            return None
        if kind == _PRIMITIVE or (kind == _IDENTIFIER and length <= LONGEST_IDENTIFIER):
            at = after
        elif kind == _CONSTRUCTED:
            if length and len(ends) + 1 >= max_depth:
                return None
            ends.append(end)
            end = after
        else:
            return None
        while at == end:
            if not ends:
                return count
            end = ends.pop()
            if not ends and at != end:
                return None
    return None


class DERReader:
    """
    The elements that fill a range, taken one after the other; DER, as ``to_der`` left it.

    The methods raise ValueError for what is not there; call them inside ``reading``.

    :param data: the octets in which the range is.
    :param at: the offset of the first element.
    :param end: the offset behind the last one; None for the end of the data.
    """

    __slots__ = ("_at", "_data", "_end")

    def __init__(self, data: bytes, at: int = 0, end: int | None = None) -> None:
        self._data = data
        self._at = at
        self._end = len(data) if end is None else end

    @property
    def tag(self) -> int:
        """
        The identifier octet of the next element; 0 when there is none.
        """
        return self._data[self._at] if self._at < self._end else 0

    def enter(self, tag: int) -> DERReader:
        """
        Take the next element, and read what is in it.

        :param tag: the identifier octet that it must have; of a constructed element.
        :returns: a reader of its contents.
        """
        body = self._next(tag)
        inner = _new_reader(DERReader)
        inner._data, inner._at, inner._end = self._data, body, self._at
        return inner

    def octets(self, tag: int = OCTET_STRING) -> bytes:
        """
        Take the next element, and return its contents.

        :param tag: the identifier octet that it must have; of a primitive element.
        """
        body = self._next(tag)
        return self._data[body : self._at]

    def encoded(self, tag: int | None = None) -> bytes:
        """
        Take the next element, and return it as it came.

        :param tag: the identifier octet that it must have; None for any.
        """
        start = self._at
        self._next(self.tag if tag is None else tag)
        return self._data[start : self._at]

    def skip(self, *tags: int) -> None:
        """
        Pass over the next elements.

        :param tags: the identifier octets that they must have.
        """
        for tag in tags:
            self._next(tag)

    def skip_optional(self, tag: int) -> None:
        """
        Pass over the next element if it has a tag.

        :param tag: an identifier octet.
        """
        if self.tag == tag:
            self._next(tag)

    def identifier(self) -> str:
        """
        Take an OBJECT IDENTIFIER, and return it dotted.
        """
        return identifier_of(self.encoded(OBJECT_IDENTIFIER))

    def remaining(self) -> list[bytes]:
        """
        Take all elements that are left, and return each as it came.
        """
        found, data, end = [], self._data, self._end
        while (start := self._at) < end:
            self._next(data[start])
            found.append(data[start : self._at])
        return found

    def finish(self) -> None:
        """
        Check that nothing is left.
        """
        if self._at != self._end:
            raise ValueError("an ASN.1 element has more in it than it may have")

    def _next(self, tag: int) -> int:
        """
        Take an element; return the offset of its contents.
        """
        data, at = self._data, self._at
        if at >= self._end or data[at] != tag:
            raise ValueError("an ASN.1 element is missing or has another type")
        length = data[at + 1]
        if tag & LONG_TAG == LONG_TAG:
            at = (long_tag_end(data, at, self._end) or self._end) - 1
            length = data[at + 1]
        at += 2
        if length == 0x82 and data[at]:
            length, at = data[at] << 8 | data[at + 1], at + 2
        elif length == 0x81 and data[at] > 0x7F:
            length, at = data[at], at + 1
        elif length > 0x7F:
            length, at = _long_length(data, length, at)
        if length < 0 or at + length > self._end:
            raise ValueError("an ASN.1 length is not well-formed")
        self._at = at + length
        return at


def split(element: bytes, tag: int) -> list[bytes]:
    """
    Take one element apart, all at once; call it inside ``reading``.

    :param element: one constructed element of DER; one that ``to_der`` has not seen is taken for it
        as far as its elements' lengths allow.
    :param tag: the identifier octet that it must have.
    :returns: each of the elements in it, as it came.
    :raises ValueError: another tag, or a length that is not DER's or does not fit.
    """
    if element[0] != tag:
        raise ValueError("an ASN.1 element has another type")
    first, end = element[1], len(element)
    at = 2 if first < 0x80 else 2 + (first & 0x7F)
    found = []
    while at < end:
        length = element[at + 1]
        if element[at] & LONG_TAG == LONG_TAG:
            after = at + len(DERReader(element, at, end).encoded())
        elif length < 0x80:
            after = at + 2 + length
        elif length == 0x82 and element[at + 2]:
            after = at + 4 + (element[at + 2] << 8 | element[at + 3])
        elif length == 0x81 and element[at + 2] > 0x7F:
            after = at + 3 + element[at + 2]
        else:
            after = at + len(DERReader(element, at, end).encoded())
        found.append(element[at:after])
        at = after
    if at != end:
        raise ValueError("an ASN.1 length is not well-formed")
    return found


def octets_of(element: bytes, tag: int = OCTET_STRING) -> bytes:
    """
    Return the contents of a string; call it inside ``reading``.

    :param element: one primitive element of DER, as ``to_der`` left it.
    :param tag: the identifier octet that it must have.
    :returns: its contents.
    :raises ValueError: another tag.
    """
    if element[0] != tag:
        raise ValueError("an ASN.1 element has another type")
    first = element[1]
    return element[2:] if first < 0x80 else element[2 + (first & 0x7F) :]


def integer_of(element: bytes) -> int:
    """
    Read an INTEGER of any sign and size; one with more octets than it needs will do.

    :param element: the element; call it inside ``reading``.
    :raises ValueError: something else, or nothing in it.
    """
    contents = octets_of(element, INTEGER)
    if not contents:
        raise ValueError("an INTEGER is empty")
    return int.from_bytes(contents, "big", signed=True)


@lru_cache(maxsize=512)
def identifier_of(element: bytes) -> str:
    """
    Read an OBJECT IDENTIFIER; call it inside ``reading``.

    :param element: the element, of at most 66 octets.
    :returns: dotted.
    :raises ValueError: something else.
    """
    return dotted(octets_of(element, OBJECT_IDENTIFIER))


def dotted(contents: bytes) -> str:
    """
    Write the contents of an OBJECT IDENTIFIER with dots.

    :param contents: at most 64 octets.
    :returns: such as ``1.2.840.113549``.
    :raises ValueError: empty, cut off, or with an arc that is longer than it need be.
    """
    if not 0 < len(contents) <= LONGEST_IDENTIFIER or contents[-1] & 0x80:
        raise ValueError("an OBJECT IDENTIFIER is not well-formed")
    arcs, arc, begins = [], 0, True
    for octet in contents:
        if begins and octet == 0x80:
            raise ValueError("an OBJECT IDENTIFIER is not well-formed")
        arc = arc << 7 | octet & 0x7F
        begins = not octet & 0x80
        if begins:
            arcs.append(arc)
            arc = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(str(number) for number in (first, arcs[0] - 40 * first, *arcs[1:]))


def long_tag_end(data: bytes, at: int, end: int) -> int | None:
    """
    Find the end of a tag that has more than one octet (X.690 section 8.1.2.4).

    :param data: any octets.
    :param at: the offset of the first octet, whose five lowest bits are set.
    :param end: the offset behind all that may be read.
    :returns: the offset behind the tag; None if it is cut off, above four octets, or too long for
        its number.
    """
    for stop in range(at + 1, min(at + 4, end)):
        if not data[stop] & 0x80:
            is_minimal = data[at + 1] >= LONG_TAG and data[at + 1] != 0x80
            return stop + 1 if is_minimal else None
    return None


def _long_length(data: bytes, first: int, at: int) -> tuple[int, int]:
    """
    Read the octets behind the first one of a length; -1 stands for what is not DER.
    """
    octets = first & 0x7F
    length = int.from_bytes(data[at : at + octets], "big")
    # No octet more than the length needs (X.690 section 10.1).
    if not 1 <= octets <= 4 or not data[at] or length < 0x80:
        return -1, at
    return length, at + octets


def _kind(tag: int) -> int:
    if tag & LONG_TAG == LONG_TAG or tag in (0x00, CONSTRUCTED):
        return _OTHER
    if tag == OBJECT_IDENTIFIER:
        return _IDENTIFIER
    if not tag & CONSTRUCTED:
        return _PRIMITIVE
    return _CONSTRUCTED if tag & 0xC0 or tag in UNIVERSAL_CONSTRUCTED else _OTHER


# Without the call of ``__init__``: readers are made for each constructed element of a message.
_new_reader = cast("Callable[[type[DERReader]], DERReader]", object.__new__)
_KINDS = bytes(_kind(tag) for tag in range(256))
