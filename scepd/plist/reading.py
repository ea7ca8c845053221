"""
Reading a property list, whichever of its forms it comes in.
"""

from __future__ import annotations

from scepd.errors import LimitExceeded
from scepd.plist.binary import MAGIC, read_binary_plist
from scepd.plist.flat import read_flat_plist
from scepd.plist.values import Budget, PlistValue
from scepd.plist.xml import read_xml_plist

DEFAULT_MAX_SIZE = 1024 * 1024

# Strings of a binary list can be shared: its values may be so many times longer than its bytes,
# and this much more. The limit hangs on the bytes alone, so that what was read once always is.
_SHARING = 4
_SHARED = 64 * 1024


def read_plist(
    data: bytes,
    *,
    max_size: int = DEFAULT_MAX_SIZE,
    max_depth: int = 32,
    max_objects: int = 100_000,
) -> PlistValue:
    """
    Read a property list, XML or binary, that may be hostile.

    There are no entities, no internal document type, no fetches; keys are unique; dates are in UTC.

    :param data: the whole property list.
    :param max_size: the most bytes that are looked at.
    :param max_depth: how many dictionaries and arrays may be nested; at most 200.
    :param max_objects: how many values and keys there may be in all.
    :returns: its value, made of plain Python values.
    :raises EncodingError: when it is not a property list.
    :raises LimitExceeded: when it is too large, too deep or holds too much.
    """
    if len(data) > max_size:
        raise LimitExceeded(f"the property list is longer than {max_size} bytes")
    flat = read_flat_plist(data)
    if flat is not None and max_depth > 0 and 2 * len(flat) < max_objects:
        return flat
    budget = Budget(
        max_depth=min(max_depth, 200),
        max_objects=max_objects,
        max_content=_SHARING * len(data) + _SHARED,
    )
    if is_binary(data):
        return read_binary_plist(data, budget)
    return read_xml_plist(data, budget)


def is_binary(data: bytes) -> bool:
    """
    Tell a binary property list from one in XML.

    :param data: a property list.
    :returns: whether it starts like a binary one.
    """
    return data.startswith(MAGIC)
