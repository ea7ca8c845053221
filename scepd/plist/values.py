"""
What a property list may hold, and how much of it: shared by the XML and the binary reader.
"""

from __future__ import annotations

from datetime import datetime
from typing import TypeAlias

from scepd.errors import EncodingError, LimitExceeded

PlistValue: TypeAlias = (
    "str | int | float | bool | bytes | datetime | list[PlistValue] | dict[str, PlistValue]"
)
"""
A value of a property list; dates carry UTC as their time zone.
"""

# An integer of a property list is a signed or an unsigned one of 64 bits.
SMALLEST_INTEGER = -(1 << 63)
LARGEST_INTEGER = (1 << 64) - 1


class Budget:
    """
    Counts down what a property list may still hold while it is read.

    :param max_depth: how many dictionaries and arrays may be nested.
    :param max_objects: how many values and keys there may be, shared ones counted at each use.
    :param max_content: how many characters and bytes all values may have, counted likewise.
    """

    def __init__(self, *, max_depth: int, max_objects: int, max_content: int) -> None:
        self._max_depth = max_depth
        self._objects = max_objects
        self._content = max_content

    def spend(self, content: int = 0) -> None:
        """
        Count one value or key.

        :param content: its length in characters or bytes.
        :raises LimitExceeded: when there are too many of them, or they are too long together.
        """
        self._objects -= 1
        self._content -= content
        if self._objects < 0:
            raise LimitExceeded("the property list holds too many values")
        if self._content < 0:
            raise LimitExceeded("the values of the property list are too long together")

    def check_depth(self, depth: int) -> None:
        """
        Check the nesting of a dictionary or array.

        :param depth: 1 for the outermost one.
        :raises LimitExceeded: when it is nested too deeply.
        """
        if depth > self._max_depth:
            raise LimitExceeded(f"the property list is nested deeper than {self._max_depth} levels")


def checked_integer(value: int) -> int:
    """
    Let pass an integer that a property list may hold.

    :param value: any integer.
    :returns: the same integer.
    :raises EncodingError: when it fits neither a signed nor an unsigned 64-bit integer.
    """
    if not SMALLEST_INTEGER <= value <= LARGEST_INTEGER:
        raise EncodingError("an integer of the property list has more than 64 bits")
    return value
