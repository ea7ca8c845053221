"""
The checks that a profile passes when it is uploaded, all reported together.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice

from scepd.errors import Fault, InvalidInput, MessageError
from scepd.plist.reading import DEFAULT_MAX_SIZE, is_binary, read_plist
from scepd.plist.values import PlistValue
from scepd.profiles.mobileconfig import is_signed, signed_content
from scepd.profiles.occurrences import Occurrence, Place, find_occurrences, shown_path
from scepd.profiles.rendering import plain_variables
from scepd.profiles.scep_payload import (
    find_scep_payloads,
    length_faults,
    subject_faults,
    weaknesses,
)
from scepd.profiles.scep_variables import is_scep_variable, scep_variable_faults
from scepd.profiles.suggestions import authority_suggestion, variable_suggestion
from scepd.profiles.variables import authority_of, is_supported, spelled, unsupported_message

SIGNED_WITH_VARIABLES = "a signed profile can't contain variables ($FLEET_VAR_*)"

# Enough for every mistake of a person; a hostile profile could have a hundred thousand.
_MOST_FAULTS = 100
# By these a device and scepd know a profile again: they are the same on every host.
_FIXED_KEYS = frozenset(
    {"PayloadIdentifier", "PayloadUUID", "PayloadType", "PayloadScope", "PayloadVersion"}
)


@dataclass(frozen=True, slots=True)
class ValidatedProfile:
    """
    What the checks found in a profile that passed them.

    :param identifier: its ``PayloadIdentifier``.
    :param display_name: its ``PayloadDisplayName``.
    :param scope: ``System`` or ``User``.
    :param variables: the names of its variables.
    :param certificate_authorities: the certificate authorities that these name, sorted.
    :param signed: whether it is wrapped in a CMS signature.
    :param warnings: a sentence for each thing that is allowed but unwise.
    """

    identifier: str
    display_name: str
    scope: str
    variables: frozenset[str]
    certificate_authorities: tuple[str, ...]
    signed: bool
    warnings: tuple[str, ...]


def validate_profile(
    content: bytes, *, known_authorities: Collection[str], max_size: int = DEFAULT_MAX_SIZE
) -> ValidatedProfile:
    """
    Check a profile that an operator uploads.

    :param content: the profile as it came: XML or binary, signed or not.
    :param known_authorities: the names of the certificate authorities that exist.
    :param max_size: the most bytes a profile may have.
    :returns: what is in it.
    :raises InvalidInput: with every fault; a fault's field is the path of payload and key, or
        ``profile`` where the whole of it is meant. After a hundred the rest is left out.
    """
    signed = is_signed(content)
    root, bare = _read(content, signed, max_size)
    occurrences = tuple(_occurrences(root, bare))
    found = chain(
        _header_faults(root),
        _writing_faults(bare, signed, occurrences),
        _variable_faults(occurrences, frozenset(known_authorities)),
        _scep_faults(root, occurrences),
    )
    faults = tuple(islice(found, _MOST_FAULTS))
    if faults:
        raise InvalidInput(faults)
    return _summary(root, occurrences, signed)


def _read(content: bytes, signed: bool, max_size: int) -> tuple[dict[str, PlistValue], bytes]:
    """
    Read the profile.

    :returns: the profile, and its property list without the signature.
    """
    try:
        bare = signed_content(content, max_size=max_size) if signed else content
        root = read_plist(bare, max_size=max_size)
    except MessageError as error:
        raise InvalidInput((Fault("profile", str(error)),)) from error
    if not isinstance(root, dict):
        raise InvalidInput((Fault("profile", "A profile must be a dictionary."),))
    return root, bare


def _occurrences(root: PlistValue, bare: bytes) -> Iterator[Occurrence]:
    """
    Find the variables; data in XML is base64, where none can be seen.
    """
    for each in find_occurrences(root):
        if each.place is not Place.DATA or is_binary(bare):
            yield each


def _summary(
    root: Mapping[str, PlistValue], occurrences: Sequence[Occurrence], signed: bool
) -> ValidatedProfile:
    """
    Collect what is known of a profile without faults.
    """
    names = frozenset(each.name for each in occurrences)
    authorities = {authority_of(name) for name in names} - {None}
    return ValidatedProfile(
        identifier=str(root["PayloadIdentifier"]),
        display_name=str(root["PayloadDisplayName"]),
        scope=str(root.get("PayloadScope", "System")),
        variables=names,
        certificate_authorities=tuple(sorted(str(name) for name in authorities)),
        signed=signed,
        warnings=tuple(text for each in find_scep_payloads(root) for text in weaknesses(each)),
    )


def _header_faults(root: Mapping[str, PlistValue]) -> Iterator[Fault]:
    """
    Check what every profile must have.
    """
    if root.get("PayloadType") != "Configuration":
        yield Fault("PayloadType", "PayloadType must be Configuration.")
    for key in ("PayloadIdentifier", "PayloadDisplayName"):
        value = root.get(key)
        if not isinstance(value, str) or not value.strip():
            yield Fault(key, f"{key} must be present, and a text that is not empty.")
        elif key == "PayloadIdentifier" and not _is_told_alike(value):
            yield Fault(
                key,
                f"{key} must not begin or end with a space, nor hold control characters: devices"
                " and their agents don't all tell it with them.",
            )
        elif "\0" in value:
            yield Fault(key, f"{key} must not hold a NUL.")
    if root.get("PayloadScope", "System") not in ("System", "User"):
        yield Fault("PayloadScope", "PayloadScope must be System or User.")
    payloads = root.get("PayloadContent", [])
    if not isinstance(payloads, list):
        yield Fault("PayloadContent", "PayloadContent must be an array of payloads.")
        return
    for index, payload in enumerate(payloads):
        if not isinstance(payload, dict):
            yield Fault(f"PayloadContent[{index}]", "A payload must be a dictionary.")


def _is_told_alike(identifier: str) -> bool:
    """
    Whether a host's lists of profiles can be trusted to show an identifier as it is.
    """
    return identifier == identifier.strip() and not any(map(_is_control, identifier))


def _is_control(character: str) -> bool:
    return unicodedata.category(character) == "Cc"


def _variable_faults(
    occurrences: Sequence[Occurrence], authorities: frozenset[str]
) -> Iterator[Fault]:
    """
    Check each variable: that it is known, may stand there, and its authority exists.
    """
    for each in occurrences:
        message = _place_message(each)
        if message:
            yield Fault(shown_path(each.path), message)
        if each.name and not is_supported(each.name):
            message = f"{unsupported_message(each.name)} {variable_suggestion(each.name)}"
            yield Fault(shown_path(each.path), message)
        authority = authority_of(each.name)
        if authority is not None and authority not in authorities:
            yield Fault(
                shown_path(each.path),
                f"Variable {spelled(each.name)} names a certificate authority that doesn't exist."
                f" {authority_suggestion(authority, authorities)}",
            )


def _place_message(each: Occurrence) -> str:
    """
    Say what is wrong with the place of any variable, or nothing.
    """
    if each.place is Place.DATA:
        return "Variables ($FLEET_VAR_*) can't be in data, only in text."
    if not each.name:
        return "A variable that begins here has no name, or no closing brace."
    if each.place is Place.KEY:
        return f"Variable {spelled(each.name)} can't be in a key, only in a value."
    if each.path[-1:] and each.path[-1] in _FIXED_KEYS:
        return f"Variable {spelled(each.name)} can't be in {each.path[-1]}."
    return ""


def _scep_faults(
    root: Mapping[str, PlistValue], occurrences: Sequence[Occurrence]
) -> Iterator[Fault]:
    """
    Check the SCEP payload, when the profile has SCEP variables.
    """
    payloads = find_scep_payloads(root)
    ours = [
        each for each in occurrences if each.place is Place.VALUE and is_scep_variable(each.name)
    ]
    yield from scep_variable_faults(ours, payloads)
    for payload in payloads:
        yield from length_faults(payload)
        yield from subject_faults(payload)


def _writing_faults(
    bare: bytes, signed: bool, occurrences: Sequence[Occurrence]
) -> Iterator[Fault]:
    """
    Check that the variables can be replaced in the profile's bytes.
    """
    if signed and occurrences:
        yield Fault("profile", SIGNED_WITH_VARIABLES)
    named = Counter(each.name for each in occurrences if each.name)
    if named != Counter(plain_variables(bare)):
        yield Fault(
            "profile",
            "Variables ($FLEET_VAR_*) must be written in plain text: without character references "
            "(&#36;), comments or CDATA sections inside or right behind them.",
        )
