"""
The ``com.apple.security.scep`` payload: its subject, and what weakens its key.

Source: Apple's SCEP payload reference.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from scepd.errors import Fault
from scepd.plist.values import PlistValue
from scepd.profiles.occurrences import Path, shown_path
from scepd.profiles.variables import (
    MARKER_LENGTH,
    RENEWAL_NAMES,
    authority_of,
    find_variables,
    remove_variables,
    spelled,
)

PAYLOAD_TYPE = "com.apple.security.scep"

_SIGNING = 1
_SMALLEST_KEY = 2048
# Apple's default when the payload has no Keysize.
_DEFAULT_KEY = 1024
# RFC 5280 appendix A.1: ub-common-name, ub-organizational-unit-name.
_LONGEST_NAME = 64
_ATTRIBUTES: Mapping[str, str] = {
    "OU": "organizational unit (OU)",
    "2.5.4.11": "organizational unit (OU)",
    "CN": "common name (CN)",
    "2.5.4.3": "common name (CN)",
}
# What the shortest value of a variable adds; one that is not listed may be empty.
_SHORTEST: Mapping[str, int] = {"HOST_UUID": 25, "HOST_HARDWARE_SERIAL": 8}
_APPLE_SHORTEST: Mapping[str, int] = {"%HardwareUUID%": 36, "%SerialNumber%": 8}
_APPLE_VARIABLE = re.compile(r"%[A-Za-z]{1,40}%")


@dataclass(frozen=True, slots=True)
class SubjectName:
    """
    An OU or CN of a payload's subject.

    :param attribute: what it is called, such as ``organizational unit (OU)``.
    :param value: its text, with variables.
    """

    attribute: str
    value: str


@dataclass(frozen=True, slots=True)
class SCEPPayload:
    """
    One SCEP payload of a profile.

    :param index: its place in the profile's ``PayloadContent``.
    :param content: its own ``PayloadContent``.
    :param names: the OUs and CNs of its subject, by the path of their value.
    """

    index: int
    content: Mapping[str, PlistValue]
    names: Mapping[Path, SubjectName]

    def path(self, *steps: str | int) -> Path:
        """
        Make the path of something in its content.

        :param steps: keys and indices below its own ``PayloadContent``.
        :returns: the path from the profile down.
        """
        return (*_content_path(self.index), *steps)


def _content_path(index: int) -> Path:
    """
    Make the path of a payload's content.
    """
    return ("PayloadContent", index, "PayloadContent")


def find_scep_payloads(root: Mapping[str, PlistValue]) -> tuple[SCEPPayload, ...]:
    """
    Find the SCEP payloads of a profile.

    :param root: the profile.
    :returns: each of them; one without a dictionary as its content counts as empty.
    """
    payloads = root.get("PayloadContent")
    found = []
    for index, payload in enumerate(payloads if isinstance(payloads, list) else ()):
        if isinstance(payload, dict) and payload.get("PayloadType") == PAYLOAD_TYPE:
            given = payload.get("PayloadContent")
            content = given if isinstance(given, dict) else {}
            found.append(SCEPPayload(index, content, _names(index, content.get("Subject"))))
    return tuple(found)


def _names(index: int, subject: PlistValue | None) -> dict[Path, SubjectName]:
    """
    List the OUs and CNs of a subject: an array of RDNs, each an array of pairs of attribute (a
    short name or an OID) and value.
    """
    names: dict[Path, SubjectName] = {}
    for outer, pairs in enumerate(subject if isinstance(subject, list) else ()):
        for inner, pair in enumerate(pairs if isinstance(pairs, list) else ()):
            if isinstance(pair, list) and len(pair) == 2:
                attribute = _ATTRIBUTES.get(pair[0]) if isinstance(pair[0], str) else None
                if attribute and isinstance(pair[1], str):
                    path = (*_content_path(index), "Subject", outer, inner, 1)
                    names[path] = SubjectName(attribute, pair[1])
    return names


def subject_faults(payload: SCEPPayload) -> Iterator[Fault]:
    """
    Check that a device can read the subject; it would refuse the whole profile.

    :param payload: a SCEP payload.
    :returns: a fault for the first thing in it that is not as it should be.
    """
    subject = payload.content.get("Subject", [])
    wrong = _misshapen(subject)
    if wrong is not None:
        yield Fault(
            shown_path(payload.path("Subject", *wrong)),
            "Subject must be an array of arrays of pairs of texts, such as [[[CN, x]], [[OU, y]]].",
        )


def _misshapen(subject: PlistValue) -> Path | None:
    """
    Find the first part of a subject that has another shape than Apple's.

    :returns: its steps below ``Subject``; None where there is none.
    """
    if not isinstance(subject, list):
        return ()
    for outer, pairs in enumerate(subject):
        if not isinstance(pairs, list):
            return (outer,)
        for inner, pair in enumerate(pairs):
            if not _is_pair(pair):
                return (outer, inner)
    return None


def _is_pair(value: PlistValue) -> bool:
    return (
        isinstance(value, list) and len(value) == 2 and all(isinstance(text, str) for text in value)
    )


def length_faults(payload: SCEPPayload) -> Iterator[Fault]:
    """
    Check that the renewal marker is not cut off: many CAs cut a name at 64 characters silently.

    :param payload: a SCEP payload.
    :returns: a fault for each OU or CN that is surely longer once it holds the marker.
    """
    for path, name in payload.names.items():
        variables = find_variables(name.value)
        markers = [variable for variable in variables if variable in RENEWAL_NAMES]
        length = _shortest_length(name.value, variables)
        if markers and length > _LONGEST_NAME:
            yield Fault(
                shown_path(path),
                f"The {name.attribute} would be {length} characters long with "
                f"{spelled(markers[0])}; at most {_LONGEST_NAME} are allowed.",
            )


def _shortest_length(value: str, variables: Sequence[str]) -> int:
    """
    Count the characters that a value has at least once its variables are filled in.
    """
    fixed = remove_variables(value)
    ours = sum(
        MARKER_LENGTH if name in RENEWAL_NAMES else _SHORTEST.get(name, 0) for name in variables
    )
    theirs = sum(_APPLE_SHORTEST.get(name, 0) for name in _APPLE_VARIABLE.findall(fixed))
    return len(_APPLE_VARIABLE.sub("", fixed)) + ours + theirs


def weaknesses(payload: SCEPPayload) -> Iterator[str]:
    """
    List what is allowed but unwise in a SCEP payload.

    :param payload: a SCEP payload.
    :returns: one sentence for each; its key's path comes first.
    """
    size = payload.content.get("Keysize", _DEFAULT_KEY)
    usage = payload.content.get("Key Usage", _SIGNING)
    kind = payload.content.get("Key Type", "RSA")
    if not isinstance(size, int) or size < _SMALLEST_KEY:
        yield f"{shown_path(payload.path('Keysize'))}: the key should have 2048 bits or more."
    if not isinstance(usage, int) or not usage & _SIGNING:
        yield (
            f"{shown_path(payload.path('Key Usage'))}: the key can't sign; "
            "use 1 (signing) or 5 (signing and encryption)."
        )
    if kind != "RSA":
        yield f"{shown_path(payload.path('Key Type'))}: the key's type should be RSA."
    if _asks_us(payload) and not _is_marked(payload):
        yield (
            f"{shown_path(payload.path('Subject'))}: without {spelled('SCEP_RENEWAL_ID')} in its "
            "organizational unit (OU) the certificate is told from others of the same certificate "
            "authority by the rest of its subject only, which no other profile of a host must "
            "share."
        )


def _asks_us(payload: SCEPPayload) -> bool:
    """
    Whether its certificate comes through the proxy, and so is renewed.
    """
    url = payload.content.get("URL")
    return isinstance(url, str) and any(authority_of(name) for name in find_variables(url))


def _is_marked(payload: SCEPPayload) -> bool:
    """
    Whether an OU or CN of its subject holds the renewal marker.
    """
    return any(RENEWAL_NAMES & set(find_variables(name.value)) for name in payload.names.values())
