"""
The names that a SCEP payload makes a device ask for, and whether a request asks for just these.

Apple's variables, such as ``%SerialNumber%``, are filled in by the device: one whose value is not
known here may stand for any text but an empty one. All else must be equal, character by character.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from cryptography import x509

from scepd.errors import EncodingError
from scepd.pki.alternative_names import name_texts
from scepd.pki.ber import contents_of, to_der
from scepd.pki.decoding import reading
from scepd.plist.reading import read_plist
from scepd.plist.values import PlistValue
from scepd.profiles.certificate_names import attribute_type
from scepd.profiles.certificate_subject import subject_of_payload
from scepd.profiles.mobileconfig import is_signed, signed_content
from scepd.profiles.scep_payload import find_scep_payloads

_VARIABLE = re.compile(r"%([A-Za-z_]{1,40})%")
_PRINCIPAL_NAME = "1.3.6.1.4.1.311.20.2.3"
# Apple's SCEP payload reference, SubjectAltName; how name_texts calls each.
_ALTERNATIVE_KINDS: Mapping[str, str] = {
    "dNSName": "dns",
    "rfc822Name": "email",
    "uniformResourceIdentifier": "uri",
    "ntPrincipalName": "upn",
}


@dataclass(frozen=True, slots=True)
class NamePattern:
    """
    One part of a name.

    :param kind: an attribute's type as ``attribute_type`` names it, or ``dns``, ``email``, ``uri``
        or ``upn``.
    :param pieces: the texts between what may be anything; a single one is the whole value.
    """

    kind: str
    pieces: tuple[str, ...]

    def matches(self, kind: str, value: str) -> bool:
        """
        Compare it with a part of a request's name.

        :param kind: likewise.
        :param value: as it stands in the request.
        :returns: whether it is this one.
        """
        first, *rest = self.pieces
        if kind != self.kind or not value.startswith(first):
            return False
        return _follow(value, len(first), rest) if rest else value == first


@dataclass(frozen=True, slots=True)
class RequestedNames:
    """
    What a request must ask for.

    :param subject: its RDNs in order, each with its attributes sorted by their type.
    :param alternative_names: sorted by their kind.
    """

    subject: tuple[tuple[NamePattern, ...], ...]
    alternative_names: tuple[NamePattern, ...]

    def fault(self, csr: x509.CertificateSigningRequest) -> str:
        """
        Compare it with what a request asks for.

        :param csr: a request that was loaded.
        :returns: which names differ, in a sentence that holds none of them; empty: none.
        :raises EncodingError: its names can't be read.
        """
        with reading("the names of the request"):
            subject = tuple(_asked_rdn(rdn) for rdn in csr.subject.rdns)
            names = _by_kind([_split(text) for text in name_texts(csr.extensions)])
        if len(subject) != len(self.subject) or not all(map(_are_same, self.subject, subject)):
            return "the request is for another subject than the profile's"
        if not _are_same(self.alternative_names, names):
            return "the request is for other alternative names than the profile's"
        return ""


def requested_names(rendered: bytes, apple_values: Mapping[str, str]) -> RequestedNames:
    """
    Find what a device asks for when it installs a profile.

    :param rendered: the profile as the device gets it, signed or not.
    :param apple_values: such as ``SerialNumber``, without percent signs; one that is missing or
        empty may be any text that is not empty.
    :returns: the names of its first SCEP payload; none when it has none.
    :raises EncodingError: not a profile, or its names have another shape than Apple's.
    :raises LimitExceeded: too deep, or too much in it.
    """
    size = len(rendered)
    content = signed_content(rendered, max_size=size) if is_signed(rendered) else rendered
    root = read_plist(content, max_size=size)
    payloads = find_scep_payloads(root) if isinstance(root, dict) else ()
    if not payloads:
        return RequestedNames((), ())
    payload = payloads[0].content
    subject = tuple(
        _patterns([(attribute_type(kind), value) for kind, value in rdn], apple_values)
        for rdn in subject_of_payload(payload)
    )
    spelled = list(_spelled_alternatives(payload.get("SubjectAltName")))
    return RequestedNames(subject, _patterns(spelled, apple_values))


def _patterns(
    pairs: Sequence[tuple[str, str]], apple_values: Mapping[str, str]
) -> tuple[NamePattern, ...]:
    return tuple(NamePattern(kind, _filled(value, apple_values)) for kind, value in _by_kind(pairs))


def _filled(value: str, apple_values: Mapping[str, str]) -> tuple[str, ...]:
    """
    Fill in the variables that are known, and cut the value at the others.
    """
    # Texts and the names of variables take turns.
    texts = _VARIABLE.split(value)
    pieces = [texts[0]]
    for name, text in zip(texts[1::2], texts[2::2], strict=True):
        known = apple_values.get(name)
        if known:
            pieces[-1] += known + text
        else:
            pieces.append(text)
    return tuple(pieces)


def _spelled_alternatives(spelled: PlistValue | None) -> Iterator[tuple[str, str]]:
    """
    List the alternative names of a payload: a dictionary, whose values are texts or arrays of them.
    """
    if spelled is None:
        return
    if not isinstance(spelled, dict) or spelled.keys() - _ALTERNATIVE_KINDS.keys():
        raise EncodingError("the SCEP payload's SubjectAltName is none of Apple's")
    for key, value in spelled.items():
        for text in value if isinstance(value, list) else [value]:
            if not isinstance(text, str):
                raise EncodingError("a part of the SCEP payload's SubjectAltName is no text")
            yield _ALTERNATIVE_KINDS[key], text


def _asked_rdn(rdn: x509.RelativeDistinguishedName) -> tuple[tuple[str, str], ...]:
    return _by_kind(
        [
            (
                attribute_type(each.oid.dotted_string),
                each.value if isinstance(each.value, str) else each.value.hex(),
            )
            for each in rdn
        ]
    )


def _split(text: str) -> tuple[str, str]:
    """
    Cut an alternative name that ``name_texts`` wrote; Apple's ntPrincipalName becomes readable.
    """
    kind, _, value = text.partition(":")
    oid, _, encoded = value.partition(":")
    if kind == "other" and oid == _PRINCIPAL_NAME and encoded.startswith("0c"):
        return "upn", contents_of(to_der(bytes.fromhex(encoded))).decode("utf-8")
    return kind, value


def _by_kind(pairs: Sequence[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """
    Sort by kind alone: those of one kind stay in their order.
    """
    return tuple(sorted(pairs, key=lambda pair: pair[0]))


def _are_same(patterns: Sequence[NamePattern], asked: Sequence[tuple[str, str]]) -> bool:
    return len(patterns) == len(asked) and all(
        pattern.matches(kind, value) for pattern, (kind, value) in zip(patterns, asked, strict=True)
    )


def _follow(value: str, position: int, pieces: Sequence[str]) -> bool:
    """
    Tell whether the pieces follow one another, the last one at the end, with something before each.
    """
    *middle, last = pieces
    for piece in middle:
        found = value.find(piece, position + 1)
        if found < 0:
            return False
        position = found + len(piece)
    return value.endswith(last) and len(value) - len(last) > position
