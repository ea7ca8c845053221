"""
Putting the values of variables into the bytes of a profile.
"""

from __future__ import annotations

import plistlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime

from scepd.errors import Fault, InvalidInput, MessageError
from scepd.plist.reading import is_binary, read_plist
from scepd.plist.values import PlistValue
from scepd.plist.xml_text import (
    Stretch,
    decode_xml,
    escape_text,
    is_carriable,
    stretches,
)
from scepd.profiles.mobileconfig import is_signed
from scepd.profiles.variables import find_variables, spelled, substitute


def render(content: bytes, values: Mapping[str, str]) -> bytes:
    """
    Put values in the place of a profile's variables.

    In XML nothing else changes by a byte; values are escaped. A binary profile is written anew with
    the same values in the same order. What a value brings is never taken for a variable.

    :param content: a profile that ``validate_profile`` let pass; a signed one comes back as it is.
    :param values: the value of each variable, by name; more than the profile has are fine.
    :returns: the profile for one host.
    :raises InvalidInput: when a value is missing or holds characters that XML can't carry (the
        fault's field is the variable, and no fault shows a value), or the profile is not readable.
    """
    if is_signed(content):
        return content
    try:
        root = read_plist(content, max_size=len(content))
    except MessageError as error:
        raise InvalidInput((Fault("profile", str(error)),)) from error
    if is_binary(content):
        _check(_text_variables(root), values)
        return _render_binary(root, values)
    document = decode_xml(content)
    pieces = tuple(stretches(document.text))
    _check(_plain_variables(pieces), values)
    return document.encode(_render_xml(pieces, values))


def plain_variables(content: bytes) -> Iterator[str]:
    """
    List the variables that :func:`render` would replace, in keys too.

    :param content: an unsigned profile that is known to be readable.
    :returns: their names, repeated when they are.
    """
    if is_binary(content):
        yield from _text_variables(read_plist(content, max_size=len(content)))
        return
    yield from _plain_variables(stretches(decode_xml(content).text))


def _plain_variables(pieces: Iterable[Stretch]) -> Iterator[str]:
    """
    List the variables in the text of a document.
    """
    for stretch in pieces:
        if not stretch.is_markup:
            yield from find_variables(stretch.text)


def _text_variables(value: PlistValue) -> Iterator[str]:
    """
    List the variables in the texts of a property list.
    """
    if isinstance(value, str):
        yield from find_variables(value)
    elif isinstance(value, list):
        for item in value:
            yield from _text_variables(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from find_variables(key)
            yield from _text_variables(item)


def _check(names: Iterable[str], values: Mapping[str, str]) -> None:
    """
    Check that each variable has a value that a profile can hold.
    """
    faults = []
    for name in sorted(set(names)):
        if name not in values:
            faults.append(Fault(spelled(name), f"Variable {spelled(name)} has no value."))
        elif not is_carriable(values[name]):
            message = f"The value of {spelled(name)} holds characters that XML can't carry."
            faults.append(Fault(spelled(name), message))
    if faults:
        raise InvalidInput(tuple(faults))


def _render_xml(pieces: Iterable[Stretch], values: Mapping[str, str]) -> str:
    """
    Replace the variables in the text of a document, and leave its markup alone.
    """
    # A value inside a CDATA section interrupts it: nothing can be escaped in there.
    inside = {name: f"]]>{escape_text(values[name])}<![CDATA[" for name in values}
    outside = {name: escape_text(values[name]) for name in values}
    parts = []
    for stretch in pieces:
        if stretch.is_markup:
            parts.append(stretch.text)
        elif stretch.is_cdata:
            parts.append(f"<![CDATA[{substitute(stretch.text, inside.__getitem__)}]]>")
        else:
            parts.append(substitute(stretch.text, outside.__getitem__))
    return "".join(parts)


def _render_binary(root: PlistValue, values: Mapping[str, str]) -> bytes:
    """
    Replace the variables in the values of a binary profile, and write it anew.
    """
    replaced = _replaced(root, values.__getitem__)
    return plistlib.dumps(replaced, fmt=plistlib.FMT_BINARY, sort_keys=False)


def _replaced(value: PlistValue, value_of: Callable[[str], str]) -> PlistValue:
    """
    Replace the variables in all texts below a value, except in keys.
    """
    if isinstance(value, str):
        return substitute(value, value_of)
    if isinstance(value, datetime):
        # plistlib writes dates without a time zone only, and takes them for UTC.
        return value.replace(tzinfo=None)
    if isinstance(value, list):
        return [_replaced(item, value_of) for item in value]
    if isinstance(value, dict):
        return {key: _replaced(item, value_of) for key, item in value.items()}
    return value
