"""
The facts of a host that operators tell, for the variables of profiles: names and values.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from scepd.errors import Fault
from scepd.plist.xml_text import is_carriable
from scepd.profiles.variables import FACTS, HostValues, host_value

FACT_NAMES = tuple(FACTS)
"""
The names of facts: those of their variables, without ``FLEET_VAR_``.
"""

LONGEST_VALUE = 1024
"""
Characters of a fact's value.
"""

_EMAIL = "HOST_END_USER_EMAIL_IDP"
_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def fact_faults(facts: Mapping[str, str | None], prefix: str = "") -> Iterator[Fault]:
    """
    Check facts that an operator tells of a host.

    :param facts: value by name; None: the fact is taken away.
    :param prefix: what the field of a fault begins with, before the fact's name.
    :returns: every fault; none of them shows a value.
    """
    for name, value in facts.items():
        if name not in FACTS:
            shown = ascii(name[:100])[1:-1]
            yield Fault(
                f"{prefix}{shown}", f"There is no such fact; allowed: {', '.join(FACT_NAMES)}."
            )
        elif value is not None and (message := _value_message(name, value)):
            yield Fault(f"{prefix}{name}", message)


def _value_message(name: str, value: str) -> str:
    """
    Say what is wrong with a value, or nothing.
    """
    if not value.strip():
        return "A value must not be empty; to take a fact away, unset it."
    if value != value.strip():
        return "A value must not begin or end with a space."
    if len(value) > LONGEST_VALUE:
        return f"A value has at most {LONGEST_VALUE} characters; this one has {len(value)}."
    if _CONTROL.search(value) or not is_carriable(value):
        return "A value must not hold control characters, or others that XML can't carry."
    if name == _EMAIL and not _ADDRESS.fullmatch(value):
        return "An e-mail address such as ann@example.com is allowed."
    return ""


def host_values(
    uuid: str, serial_number: str, platform: str, facts: Mapping[str, str]
) -> HostValues:
    """
    Gather what is known of a host.

    :param uuid: Apple's UDID.
    :param serial_number: of the hardware; empty: unknown.
    :param platform: ``macos``, ``ios`` or ``ipados``; empty: unknown.
    :param facts: values by the names of :data:`FACT_NAMES`; other names are ignored.
    :returns: the host as its variables see it.
    """
    known = {FACTS[name]: value for name, value in facts.items() if name in FACTS}
    return HostValues(uuid, serial_number, platform, known)


def changed_values(before: HostValues, after: HostValues) -> frozenset[str]:
    """
    Tell which variables of a host get another value.

    :param before: what was known of it.
    :param after: what is known of it now.
    :returns: the names of those variables, without ``FLEET_VAR_``; what follows from another fact,
        such as the local part of a user's name, is among them.
    """
    return frozenset(
        name
        for name in (*FACTS, "HOST_HARDWARE_SERIAL", "HOST_PLATFORM")
        if host_value(name, before) != host_value(name, after)
    )
