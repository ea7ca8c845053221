"""
Profiles on standard output, and from files.
"""

from __future__ import annotations

from pathlib import Path

from scepd.ctl.failures import Refused
from scepd.ctl.json_values import JsonValue
from scepd.ctl.output import show_fields, shown

_RULES = (("labels_any", "any of"), ("labels_all", "all of"), ("labels_none", "none of"))


def profile_content(file: Path) -> bytes:
    """
    The bytes of a profile's file.

    :raises Refused: it can't be read.
    """
    try:
        return file.read_bytes()
    except OSError as error:
        raise Refused(f"{file}: can't be read: {error.strerror}") from None


def show_profile(profile: JsonValue) -> None:
    """
    Write a profile of the admin API, a field a line.
    """
    if not isinstance(profile, dict):
        return
    fields: list[tuple[str, JsonValue]] = []
    for key, value in profile.items():
        if key == "targets":
            fields.append(("targets", targets_sentence(value)))
        elif key == "hosts":
            fields.append(("hosts", _hosts_sentence(value)))
        else:
            fields.append((key.replace("_", " "), value))
    show_fields(fields)


def targets_sentence(targets: JsonValue) -> str:
    """
    The targets of a profile in words.
    """
    given = targets if isinstance(targets, dict) else {}
    parts = [f"{words} {shown(given[rule])}" for rule, words in _RULES if given.get(rule)]
    return "; ".join(parts) if parts else "all hosts"


def _hosts_sentence(hosts: JsonValue) -> str:
    if not isinstance(hosts, dict):
        return "-"
    text = shown(hosts.get("targeted"))
    if hosts.get("leaving"):
        text += f", and {shown(hosts['leaving'])} to lose it"
    return text if hosts.get("applied", True) else f"{text} (the last change is on its way)"
