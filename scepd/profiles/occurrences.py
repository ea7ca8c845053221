"""
Where the variables of a profile stand, and the paths that name such places.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from scepd.plist.values import PlistValue
from scepd.profiles.variables import find_variables, has_broken_variable

Path: TypeAlias = tuple[str | int, ...]
"""
The keys and indices that lead from the profile to a value.
"""

# A key that is longer is cut in the path of a fault.
_SHOWN_LENGTH = 80
_IN_DATA = re.compile(rb"\$\{?FLEET_VAR_\w")


class Place(Enum):
    """
    What kind of thing a variable stands in.
    """

    VALUE = "value"
    KEY = "key"
    DATA = "data"


@dataclass(frozen=True, slots=True)
class Occurrence:
    """
    One place where a variable stands.

    :param name: the variable's name; nothing when it has none, or no closing brace.
    :param path: where; for a key, the path of the value below it.
    :param text: the whole text that it stands in.
    :param place: whether that is a value, a key or data.
    """

    name: str
    path: Path
    text: str
    place: Place


def shown_path(path: Path) -> str:
    """
    Write a path for people, such as ``PayloadContent[0].PayloadContent.Challenge``.

    :param path: keys and indices.
    :returns: the path; very long keys are cut.
    """
    words: list[str] = []
    for step in path:
        if isinstance(step, int):
            words.append(f"[{step}]")
            continue
        shown = step if len(step) <= _SHOWN_LENGTH else step[:_SHOWN_LENGTH] + "…"
        words.append(f".{shown}" if words else shown)
    return "".join(words)


def find_occurrences(root: PlistValue, path: Path = ()) -> Iterator[Occurrence]:
    """
    Find every variable of a profile, in values as well as in keys.

    :param root: the profile, or a part of it; its depth was limited when it was read.
    :param path: where that part stands.
    :returns: each occurrence, in the profile's order.
    """
    if isinstance(root, str):
        yield from _in_text(root, path, Place.VALUE)
    elif isinstance(root, bytes):
        if _IN_DATA.search(root):
            yield Occurrence("", path, "", Place.DATA)
    elif isinstance(root, list):
        for index, item in enumerate(root):
            yield from find_occurrences(item, (*path, index))
    elif isinstance(root, dict):
        for key, item in root.items():
            below = (*path, key)
            yield from _in_text(key, below, Place.KEY)
            yield from find_occurrences(item, below)


def _in_text(text: str, path: Path, place: Place) -> Iterator[Occurrence]:
    """
    Find the variables of one text.
    """
    for name in find_variables(text):
        yield Occurrence(name, path, text, place)
    if has_broken_variable(text):
        yield Occurrence("", path, text, place)
