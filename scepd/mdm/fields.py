"""
The values of a device's message, read liberally: what is absent or odd counts as not given.
"""

from __future__ import annotations

from collections.abc import Mapping

from scepd.plist.values import PlistValue

LONGEST_TEXT = 255
"""
Characters of a text that a device says of itself; what is longer is cut.
"""


def text_of(root: Mapping[str, PlistValue], key: str) -> str:
    """
    Read a text that is shown and stored, such as a name.

    :param root: a dictionary of a message.
    :param key: Apple's name of the value.
    :returns: its printable characters, at most ``LONGEST_TEXT``; nothing when there is no text.
    """
    value = root.get(key)
    if not isinstance(value, str):
        return ""
    return "".join(each for each in value if each.isprintable())[:LONGEST_TEXT].strip()


def data_of(root: Mapping[str, PlistValue], key: str) -> bytes | None:
    """
    Read data.

    :param root: a dictionary of a message.
    :param key: Apple's name of the value.
    :returns: the octets, as they came; None when there are none.
    """
    value = root.get(key)
    return value if isinstance(value, bytes) and value else None


def flag_of(root: Mapping[str, PlistValue], key: str) -> bool:
    """
    Read a truth value.

    :param root: a dictionary of a message.
    :param key: Apple's name of the value.
    :returns: whether it is there and true; 1 will do for true.
    """
    value = root.get(key)
    return isinstance(value, int) and value == 1


def dictionaries_of(root: Mapping[str, PlistValue], key: str) -> list[dict[str, PlistValue]] | None:
    """
    Read an array of dictionaries.

    :param root: a dictionary of a message.
    :param key: Apple's name of the value.
    :returns: its dictionaries, without what else is in it; None when there is no array.
    """
    value = root.get(key)
    if not isinstance(value, list):
        return None
    return [each for each in value if isinstance(each, dict)]
