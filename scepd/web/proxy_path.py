"""
The path of a proxy URL: its parts, and how it is written to a log.
"""

from __future__ import annotations

import re

PREFIX = b"/mdm/scep/proxy/"
SEPARATOR = re.compile(rb"%2[Cc]|,")
"""
What stands between its parts.
"""

_MASK = b"********"
_SUBJECT_PARTS = 3


def loggable(path: bytes) -> bytes:
    """
    A path as a log may show it: of a one-time URL without its token, and whatever follows.
    """
    if not path.startswith(PREFIX):
        return path
    separators = list(SEPARATOR.finditer(path, len(PREFIX)))
    if len(separators) < _SUBJECT_PARTS:
        return path
    return path[: separators[_SUBJECT_PARTS - 1].end()] + _MASK
