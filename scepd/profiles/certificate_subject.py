"""
The subject that a SCEP payload asks for, and whether a certificate's is that one.

Apple's variables, such as ``%SerialNumber%``, are filled in by the device: one whose value is not
known here may stand for anything.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from scepd.errors import EncodingError
from scepd.plist.reading import read_plist
from scepd.plist.values import PlistValue
from scepd.profiles.certificate_names import MOST_ATTRIBUTES, Name, attribute_type, folded
from scepd.profiles.mobileconfig import is_signed, signed_content
from scepd.profiles.scep_payload import find_scep_payloads

Subject: TypeAlias = tuple[tuple[tuple[str, str], ...], ...]
"""
A name as the SCEP payload spells it: RDNs, each of pairs of attribute type and value.
"""

LONGEST_VALUE = 64
"""
Characters after which authorities cut a value (RFC 5280 appendix A.1).
"""
_VARIABLE = re.compile(r"%([A-Za-z_]{1,40})%")
_ANYTHING = "\0"


@dataclass(frozen=True, slots=True)
class ExpectedAttribute:
    """
    One attribute that a certificate should have.

    :param kind: as ``attribute_type`` names it.
    :param pieces: the folded texts between what may be anything; a single one is the whole value.
    """

    kind: str
    pieces: tuple[str, ...]

    def matches(self, kind: str, value: str) -> bool:
        """
        Compare it with an attribute of a certificate.

        :param kind: as ``attribute_type`` names it.
        :param value: folded.
        :returns: whether it can be this one; a value may be cut after ``LONGEST_VALUE`` characters.
        """
        if kind != self.kind:
            return False
        first, *rest = self.pieces
        if not rest:
            return value in (first, first[:LONGEST_VALUE].strip())
        if not value.startswith(first):
            return False
        return _follow(value, len(first), rest)


def scep_subject(rendered: bytes) -> Subject:
    """
    Take the subject out of a rendered profile.

    :param rendered: the profile as the device got it, signed or not.
    :returns: the subject of its first SCEP payload; empty when it has none.
    :raises EncodingError: not a profile, or the subject has another shape than Apple's.
    :raises LimitExceeded: too deep, or too much in it.
    """
    size = len(rendered)
    content = signed_content(rendered, max_size=size) if is_signed(rendered) else rendered
    root = read_plist(content, max_size=size)
    payloads = find_scep_payloads(root) if isinstance(root, dict) else ()
    return subject_of_payload(payloads[0].content) if payloads else ()


def subject_of_payload(content: Mapping[str, PlistValue]) -> Subject:
    """
    Take the subject out of a SCEP payload.

    :param content: the payload's own ``PayloadContent``.
    :returns: the subject; empty when it has none.
    :raises EncodingError: it has another shape than Apple's.
    """
    spelled = content.get("Subject")
    if spelled is None:
        return ()
    if not isinstance(spelled, list):
        raise EncodingError("the SCEP payload's Subject is not an array")
    return tuple(_rdn(rdn) for rdn in spelled)


def expected_subject(
    subject: Subject, apple_values: Mapping[str, str]
) -> tuple[ExpectedAttribute, ...]:
    """
    Fill in what is known of Apple's variables.

    :param subject: of the rendered profile.
    :param apple_values: such as ``SerialNumber``, ``HardwareUUID``, ``UDID`` and ``DeviceName``,
        without percent signs; one that is missing or empty may be anything.
    :returns: what the attributes of the certificate should be.
    """

    def filled(value: str) -> tuple[str, ...]:
        """
        Cut a value at the variables that may be anything.
        """
        text = _VARIABLE.sub(lambda found: apple_values.get(found[1]) or _ANYTHING, value)
        return tuple(folded(text).split(_ANYTHING))

    return tuple(
        ExpectedAttribute(attribute_type(kind), filled(value))
        for rdn in subject
        for kind, value in rdn
    )


def is_expected(expected: Sequence[ExpectedAttribute], name: Name) -> bool:
    """
    Compare a certificate's subject with the one that was asked for, in any order of attributes.

    :param expected: from ``expected_subject``.
    :param name: the certificate's subject.
    :returns: whether each expected attribute is there, and no other.
    """
    if not expected or not len(expected) == len(name) <= MOST_ATTRIBUTES:
        return False
    taken: dict[int, int] = {}
    return all(_assign(index, expected, name, taken, set()) for index in range(len(expected)))


def _assign(
    index: int,
    expected: Sequence[ExpectedAttribute],
    name: Name,
    taken: dict[int, int],
    tried: set[int],
) -> bool:
    """
    Find an attribute for one that is expected; those that are taken may have to move (Kuhn).
    """
    for place, (kind, value) in enumerate(name):
        if place in tried or not expected[index].matches(kind, value):
            continue
        tried.add(place)
        if place not in taken or _assign(taken[place], expected, name, taken, tried):
            taken[place] = index
            return True
    return False


def _follow(value: str, position: int, pieces: Sequence[str]) -> bool:
    """
    Tell whether the pieces follow one another in a value, the last one at its end.
    """
    *middle, last = pieces
    for piece in middle:
        found = value.find(piece, position)
        if found < 0:
            return False
        position = found + len(piece)
    return value.endswith(last) and len(value) - len(last) >= position


def _rdn(rdn: PlistValue) -> tuple[tuple[str, str], ...]:
    if not isinstance(rdn, list):
        raise EncodingError("an RDN of the SCEP payload's Subject is not an array")
    return tuple(_pair(pair) for pair in rdn)


def _pair(pair: PlistValue) -> tuple[str, str]:
    if isinstance(pair, list) and len(pair) == 2:
        kind, text = pair
        if isinstance(kind, str) and isinstance(text, str):
            return kind, text
    raise EncodingError("a part of the SCEP payload's Subject is not [type, value]")
