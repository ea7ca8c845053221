"""
JSON bodies of osquery's TLS API, in and out.

Source: osquery's documentation, "Remote settings".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TypeAlias

from scepd.errors import EncodingError, LimitExceeded

LARGEST_BODY = 1024 * 1024
"""
Bytes of a request's body, unless the caller says otherwise.
"""
JSONValue: TypeAlias = "str | int | float | bool | list[JSONValue] | dict[str, JSONValue] | None"
"""
A value of a JSON document.
"""
_LONGEST_TEXT = 4096


def read_object(body: bytes, *, max_size: int = LARGEST_BODY) -> dict[str, JSONValue]:
    """
    Read a request's body.

    :param body: JSON in UTF-8.
    :param max_size: bytes.
    :returns: the object.
    :raises EncodingError: not JSON, nested too deeply, or not an object.
    :raises LimitExceeded: too large.
    """
    if len(body) > max_size:
        raise LimitExceeded(f"the request is longer than {max_size} bytes")
    try:
        value: JSONValue = json.loads(body)
    except (ValueError, RecursionError):
        raise EncodingError("the request is not JSON") from None
    if not isinstance(value, dict):
        raise EncodingError("the request is not a JSON object")
    return value


def write_object(value: Mapping[str, object]) -> bytes:
    """
    Write an answer.

    :param value: made of what JSON has.
    :returns: JSON in UTF-8.
    """
    return json.dumps(value, separators=(",", ":")).encode("utf-8")


def required_text(root: Mapping[str, JSONValue], key: str) -> str:
    """
    Read a text that must be there.

    :param root: an object.
    :param key: its name.
    :returns: the text, which is not empty.
    :raises EncodingError: no text, or an empty one.
    :raises LimitExceeded: above 4096 characters.
    """
    value = root.get(key)
    if not isinstance(value, str) or not value:
        raise EncodingError(f"the request has no {key}")
    if len(value) > _LONGEST_TEXT:
        raise LimitExceeded(f"the request's {key} is longer than {_LONGEST_TEXT} characters")
    return value


def object_in(root: Mapping[str, JSONValue], key: str) -> dict[str, JSONValue]:
    """
    Read an object in an object.

    :param root: the outer object.
    :param key: its name.
    :returns: the inner object; an empty one when there is none.
    """
    value = root.get(key)
    return value if isinstance(value, dict) else {}
