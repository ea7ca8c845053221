"""
The labels of hosts: which are allowed, and which follow by themselves from what a device is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from scepd.errors import Fault

PLATFORM_PREFIX = "platform:"
OS_PREFIX = "os:"
AUTOMATIC_PREFIXES = (PLATFORM_PREFIX, OS_PREFIX)
"""
What automatic labels begin with; nobody gives or takes such a label by hand.
"""

MOST_LABELS = 100
"""
How many labels may be given at one time.
"""

_LABEL = re.compile(r"[^\x00-\x1f\x7f]{1,255}")
_MAJOR = re.compile(r"([0-9]{1,3})(?:\.|\Z)", re.ASCII)


def automatic_labels(platform: str, os_version: str) -> frozenset[str]:
    """
    The labels that a host has by itself.

    :param platform: ``macos``, ``ios`` or ``ipados``; empty: unknown.
    :param os_version: such as ``15.3.1``; empty: unknown.
    :returns: such as ``platform:macos`` and ``os:15``, of what is known.
    """
    labels = {f"{PLATFORM_PREFIX}{platform}"} if platform else set()
    major = _MAJOR.match(os_version)
    if major is not None:
        labels.add(f"{OS_PREFIX}{int(major[1])}")
    return frozenset(labels)


def is_automatic(label: str) -> bool:
    """
    Tell whether a label is one of those that follow from what a device is.

    :param label: any label.
    :returns: whether it begins like one; nobody else may give such a one.
    """
    return label.startswith(AUTOMATIC_PREFIXES)


def label_faults(field: str, labels: Iterable[str], *, by_hand: bool) -> Iterator[Fault]:
    """
    Check labels that an operator wrote.

    :param field: what they are called there.
    :param labels: the labels.
    :param by_hand: whether they are to be given to, or taken from, hosts; else they only name
        hosts, and automatic ones are welcome.
    :returns: every fault.
    """
    labels = tuple(labels)
    if len(labels) > MOST_LABELS:
        yield Fault(field, f"At most {MOST_LABELS} labels are allowed.")
        return
    for label in labels:
        if not _LABEL.fullmatch(label) or label != label.strip():
            yield Fault(
                field,
                "A label has 1 to 255 characters, none of them a control character, and no space "
                "at its ends.",
            )
        elif by_hand and is_automatic(label):
            yield Fault(
                field,
                f"The label {label!r} is automatic: those that begin with "
                f"{' or '.join(AUTOMATIC_PREFIXES)} follow from what the device tells of itself, "
                "and can't be set by hand.",
            )
