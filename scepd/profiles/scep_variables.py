"""
The variables that belong into a SCEP payload: their places, their pairs, their numbers.

Source: Fleet's checks, whose words the messages are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from scepd.errors import Fault
from scepd.profiles.occurrences import Occurrence, Path, shown_path
from scepd.profiles.scep_payload import SCEPPayload
from scepd.profiles.variables import (
    CHALLENGE_PREFIX,
    PROXY_URL_PREFIX,
    RENEWAL_NAMES,
    authority_of,
    is_whole_variable,
    spelled,
)

ONLY_ONE = "Add only one SCEP payload."
ONLY_IN_PAYLOAD = (
    'Variables prefixed with "$FLEET_VAR_SCEP_" and "$FLEET_VAR_CUSTOM_SCEP_" must only be in the '
    "SCEP payload."
)


def is_scep_variable(name: str) -> bool:
    """
    Tell whether a variable may stand in a SCEP payload only.

    :param name: a variable's name.
    :returns: True for challenges, proxy URLs and renewal markers.
    """
    return authority_of(name) is not None or name in RENEWAL_NAMES


def scep_variable_faults(
    occurrences: Sequence[Occurrence], payloads: Sequence[SCEPPayload]
) -> Iterator[Fault]:
    """
    Check the SCEP variables of a profile.

    :param occurrences: where SCEP variables stand in values; others are not for this function.
    :param payloads: the profile's SCEP payloads.
    :returns: every fault.
    """
    yield from _pairing_faults(occurrences, payloads)
    if occurrences:
        for payload in payloads[1:]:
            yield Fault(shown_path(("PayloadContent", payload.index, "PayloadType")), ONLY_ONE)
    yield from _placement_faults(occurrences, payloads)
    yield from _repetition_faults(occurrences)


def _placement_faults(
    occurrences: Sequence[Occurrence], payloads: Sequence[SCEPPayload]
) -> Iterator[Fault]:
    """
    Check that each variable stands where it may.
    """
    by_path = {payload.path(): payload for payload in payloads}
    for each in occurrences:
        message = _placement_message(each, by_path.get(each.path[:3]))
        if message:
            yield Fault(shown_path(each.path), message)


def _placement_message(each: Occurrence, payload: SCEPPayload | None) -> str:
    """
    Say what is wrong with the place of a variable, or nothing.

    :param payload: the SCEP payload that it stands in, if it is in one.
    """
    if each.name in RENEWAL_NAMES:
        if payload is not None and each.path in payload.names:
            return ""
        return (
            f"Variable {spelled(each.name)} must be in the SCEP certificate's organizational unit "
            "(OU)."
        )
    if payload is None:
        return ONLY_IN_PAYLOAD
    key = "Challenge" if each.name.startswith(CHALLENGE_PREFIX) else "URL"
    if each.path == payload.path(key) and is_whole_variable(each.text):
        return ""
    return f'Variable "{spelled(each.name)}" must be in the SCEP certificate\'s "{key}" field.'


def _repetition_faults(occurrences: Sequence[Occurrence]) -> Iterator[Fault]:
    """
    Check that no variable stands twice.
    """
    seen: set[str] = set()
    for each in occurrences:
        if each.name in seen:
            yield Fault(
                shown_path(each.path),
                f"Variable {spelled(each.name)} is already present in configuration profile.",
            )
        seen.add(each.name)


def _pairing_faults(
    occurrences: Sequence[Occurrence], payloads: Sequence[SCEPPayload]
) -> Iterator[Fault]:
    """
    Check that challenge and proxy URL come as a pair, of the same certificate authority.
    """
    challenges = _authorities(occurrences, CHALLENGE_PREFIX)
    urls = _authorities(occurrences, PROXY_URL_PREFIX)
    alone = sorted(challenges.keys() - urls.keys()), sorted(urls.keys() - challenges.keys())
    for first, second in zip(*alone, strict=False):
        yield Fault(
            shown_path(urls[second]),
            f"CA name mismatch between {spelled(CHALLENGE_PREFIX + first)} and "
            f"{spelled(PROXY_URL_PREFIX + second)} in the profile.",
        )
    pairs = min(len(names) for names in alone)
    yield from _missing_faults("URL", PROXY_URL_PREFIX, alone[0][pairs:], payloads)
    yield from _missing_faults("Challenge", CHALLENGE_PREFIX, alone[1][pairs:], payloads)


def _authorities(occurrences: Sequence[Occurrence], prefix: str) -> dict[str, Path]:
    """
    List the authorities that a kind of variable names.

    :returns: the path where each is first named.
    """
    found: dict[str, Path] = {}
    for each in occurrences:
        if each.name.startswith(prefix):
            found.setdefault(each.name.removeprefix(prefix), each.path)
    return found


def _missing_faults(
    key: str, prefix: str, authorities: Sequence[str], payloads: Sequence[SCEPPayload]
) -> Iterator[Fault]:
    """
    Report the variables that should be there; the first SCEP payload is where they belong.
    """
    field = shown_path(payloads[0].path(key)) if payloads else "PayloadContent"
    for name in authorities:
        yield Fault(field, f"Missing {spelled(prefix + name)} in the profile")
