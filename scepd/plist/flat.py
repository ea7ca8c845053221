"""
A quick reader for what devices send most: a small dictionary of texts and truth values in XML.

It takes nothing that the whole reader would take in another way, and leaves to that one whatever
is not as plain as can be.
"""

from __future__ import annotations

import re

from scepd.plist.values import PlistValue

LARGEST = 4096
"""
Octets of a property list that is tried.
"""
_SPACE = rb"[ \t\r\n]*+"
# Printable ASCII without what means something to XML.
_TEXT = rb"[ !-%'-;=?-~]*+"
_PAIR = (
    rb"<key>(" + _TEXT + rb")</key>" + _SPACE + rb"<(?:string>(" + _TEXT + rb")</string|"
    rb"(true|false)/)>" + _SPACE
)
_PAIRS = re.compile(_PAIR)
_DOCUMENT = re.compile(
    rb'<\?xml version="1\.0" encoding="(?:UTF|utf)-8"\?>'
    + _SPACE
    + rb'<!DOCTYPE plist PUBLIC "-//Apple(?: Computer)?//DTD PLIST 1\.0//EN" '
    rb'"https?://www\.apple\.com/DTDs/PropertyList-1\.0\.dtd">'
    + _SPACE
    + rb'<plist version="1\.0">'
    + _SPACE
    + rb"<dict>"
    + _SPACE
    + rb"((?:"
    + _PAIR
    + rb")*+)</dict>"
    + _SPACE
    + rb"</plist>"
    + _SPACE
)


def read_flat_plist(data: bytes) -> dict[str, PlistValue] | None:
    """
    Read a property list if it is a plain one.

    :param data: the whole property list.
    :returns: its dictionary; None: it is to be read in the usual way, or it is none.
    """
    if len(data) > LARGEST:
        return None
    found = _DOCUMENT.fullmatch(data)
    if found is None:
        return None
    pairs = _PAIRS.findall(found[1])
    read: dict[str, PlistValue] = {
        key.decode("ascii"): flag == b"true" if flag else text.decode("ascii")
        for key, text, flag in pairs
    }
    # Of a key that is there twice the other reader tells.
    return read if len(read) == len(pairs) else None
