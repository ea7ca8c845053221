"""
The variables of profiles: their grammar, their names, and where their values come from.

The names are exactly Fleet's, so that its profiles work unchanged. Apple's own variables, such as
``%SerialNumber%``, are the device's to fill in and mean nothing here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from scepd.errors import Fault, InvalidInput

PREFIX = "FLEET_VAR_"
CHALLENGE_PREFIX = "CUSTOM_SCEP_CHALLENGE_"
PROXY_URL_PREFIX = "CUSTOM_SCEP_PROXY_URL_"
RENEWAL_NAMES = frozenset({"SCEP_RENEWAL_ID", "CERTIFICATE_RENEWAL_ID"})
PLATFORMS = frozenset({"macos", "ios", "ipados"})

FACTS: Mapping[str, str] = {
    "HOST_END_USER_EMAIL_IDP": "end_user_email_idp",
    "HOST_END_USER_IDP_USERNAME": "end_user_idp_username",
    "HOST_END_USER_IDP_USERNAME_LOCAL_PART": "end_user_idp_username_local_part",
    "HOST_END_USER_IDP_GROUPS": "end_user_idp_groups",
    "HOST_END_USER_IDP_DEPARTMENT": "end_user_idp_department",
    "HOST_END_USER_IDP_FULL_NAME": "end_user_idp_full_name",
}
"""
The variables that stand for a host's facts, with the key of the fact.
"""

HOST_NAMES = frozenset({"HOST_UUID", "HOST_HARDWARE_SERIAL", "HOST_PLATFORM", *FACTS})

# fleet-, then a profile uuid: the letter a and the 36 characters of a UUID.
MARKER_LENGTH = len("fleet-") + 1 + 36

# A name longer than this is cut in messages; no supported name comes near.
_SHOWN_LENGTH = 300

# Go's \w, which Fleet uses, is ASCII only. A bare name takes every following word character.
_VARIABLE = re.compile(rf"\$(?:{PREFIX}(\w+)|\{{{PREFIX}(\w+)\}})", re.ASCII)
_OPENING = re.compile(rf"\$\{{?{PREFIX}")


@dataclass(frozen=True, slots=True)
class HostValues:
    """
    What is known of the host that a profile is made for.

    :param uuid: Apple's UDID.
    :param serial: the hardware serial number, or nothing when unknown.
    :param platform: ``macos``, ``ios`` or ``ipados``, or nothing when unknown.
    :param facts: the host's own facts as the operator set them, by the keys in :data:`FACTS`;
        other keys are ignored. Groups are one text, with commas between.
    """

    uuid: str
    serial: str = ""
    platform: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AuthorityValues:
    """
    What a certificate authority's variables stand for, for one host and profile.

    :param challenge: the challenge, which never shows in the representation.
    :param proxy_url: the proxy's URL, which can hold a token and does not show either.
    """

    challenge: str = field(repr=False)
    proxy_url: str = field(repr=False)


def spelled(name: str) -> str:
    """
    Spell a variable as it is written.

    :param name: its name, such as ``HOST_UUID``.
    :returns: the bare form, such as ``$FLEET_VAR_HOST_UUID``; a very long name is cut.
    """
    shown = name if len(name) <= _SHOWN_LENGTH else name[:_SHOWN_LENGTH] + "…"
    return f"${PREFIX}{shown}"


def find_variables(text: str) -> tuple[str, ...]:
    """
    Find the variables in a text, in the bare form and in the one with braces.

    :param text: any text.
    :returns: their names in order, repeated when they are, whether supported or not.
    """
    return tuple(found[1] or found[2] for found in _VARIABLE.finditer(text))


def has_broken_variable(text: str) -> bool:
    """
    Tell whether a variable is begun in a text but has no name, or no closing brace.

    :param text: any text.
    :returns: whether there is one that :func:`find_variables` passes over.
    """
    return len(_OPENING.findall(text)) > len(find_variables(text))


def is_whole_variable(text: str) -> bool:
    """
    Tell whether a text is one variable and nothing else.

    :param text: a value of a profile.
    :returns: whether that is all there is, in either form.
    """
    return _VARIABLE.fullmatch(text) is not None


def remove_variables(text: str) -> str:
    """
    Take the variables out of a text.

    :param text: any text.
    :returns: what is fixed in it.
    """
    return _VARIABLE.sub("", text)


def substitute(text: str, value_of: Callable[[str], str]) -> str:
    """
    Put values in the place of variables; what they bring is never looked at again.

    :param text: any text.
    :param value_of: gives the value of each name, escaped as the text needs it.
    :returns: the text with all its variables replaced.
    """
    return _VARIABLE.sub(lambda found: value_of(found[1] or found[2]), text)


def authority_of(name: str) -> str | None:
    """
    Tell which certificate authority a variable belongs to.

    :param name: a variable's name.
    :returns: the name of the authority, or None for a variable that belongs to none.
    """
    for prefix in (CHALLENGE_PREFIX, PROXY_URL_PREFIX):
        if name.startswith(prefix) and len(name) > len(prefix):
            return name[len(prefix) :]
    return None


def is_supported(name: str) -> bool:
    """
    Tell whether a variable is one of those that scepd fills in.

    :param name: its name; case counts.
    :returns: whether it is known; its certificate authority may still not exist.
    """
    return name in RENEWAL_NAMES or name in HOST_NAMES or authority_of(name) is not None


def renewal_marker(profile_uuid: str) -> str:
    """
    Make the marker by which a certificate is known to belong to a profile.

    :param profile_uuid: ``a`` and a UUID.
    :returns: :data:`MARKER_LENGTH` characters for the subject's OU or CN.
    """
    return f"fleet-{profile_uuid}"


def resolve_variables(
    names: Collection[str],
    *,
    host: HostValues,
    profile_uuid: str,
    authorities: Mapping[str, AuthorityValues],
) -> dict[str, str]:
    """
    Find the value of each variable of a profile, for one host.

    :param names: the names of the variables that the profile has.
    :param host: the host it is for.
    :param profile_uuid: ``a`` and a UUID.
    :param authorities: by name, the certificate authorities that exist.
    :returns: the value of each name.
    :raises InvalidInput: with a fault for each value that is missing; its field is the variable,
        its message a sentence that names what is missing.
    """
    values: dict[str, str] = {}
    faults: list[Fault] = []
    for name in sorted(set(names)):
        authority = authority_of(name)
        if authority is not None:
            value = _authority_value(name, authorities.get(authority))
        elif name in RENEWAL_NAMES:
            value = renewal_marker(profile_uuid)
        else:
            value = host_value(name, host) or None
        if value is None:
            faults.append(Fault(spelled(name), _missing(name, authority, host)))
        else:
            values[name] = value
    if faults:
        raise InvalidInput(tuple(faults))
    return values


def _authority_value(name: str, authority: AuthorityValues | None) -> str | None:
    """
    Find what an authority's variable stands for; its challenge may be empty.
    """
    if authority is None:
        return None
    return authority.challenge if name.startswith(CHALLENGE_PREFIX) else authority.proxy_url


def host_value(name: str, host: HostValues) -> str:
    """
    Find what a host's variable stands for.

    :param name: the variable's name.
    :param host: what is known of the host.
    :returns: the value; nothing when it is not known, or the variable is none of the host's.
    """
    if name in FACTS:
        value = host.facts.get(FACTS[name], "")
        if not value and name == "HOST_END_USER_IDP_USERNAME_LOCAL_PART":
            # As in Fleet, the local part follows from the user name when it is not given.
            value = host.facts.get(FACTS["HOST_END_USER_IDP_USERNAME"], "").partition("@")[0]
        return value
    platform = host.platform if host.platform in PLATFORMS else ""
    known = {
        "HOST_UUID": host.uuid,
        "HOST_HARDWARE_SERIAL": host.serial,
        "HOST_PLATFORM": platform,
    }
    return known.get(name, "")


_WORDS: Mapping[str, str] = {
    "HOST_UUID": "UUID",
    "HOST_HARDWARE_SERIAL": "hardware serial number",
    "HOST_PLATFORM": "platform (macos, ios or ipados)",
}


def _missing(name: str, authority: str | None, host: HostValues) -> str:
    """
    Say which value is missing.
    """
    variable = spelled(name)
    if authority is not None:
        return f'Variable {variable} needs the certificate authority "{authority}": there is none.'
    if not is_supported(name):
        return unsupported_message(name)
    what = _WORDS.get(name) or f"fact {name}"
    return f"Variable {variable} needs the {what} of host {host.uuid}, which is not known."


def unsupported_message(name: str) -> str:
    """
    Say that a variable is unknown, in Fleet's words.

    :param name: its name.
    :returns: the sentence.
    """
    return f"Variable {spelled(name)} is not supported in configuration profiles."
