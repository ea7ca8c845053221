"""
Names of certificates, from DER and from the texts that OpenSSL makes of them.

Certificate authorities and inventories write the same name differently; here all forms become one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeAlias

from cryptography import x509

from scepd.pki.decoding import reading

Name: TypeAlias = tuple[tuple[str, str], ...]
"""
A name as sorted pairs of attribute type (see ``attribute_type``) and folded value.

Which attributes share an RDN is not kept: the text ``/C=…/CN=…`` doesn't tell it.
"""

COMMON_NAME = "2.5.4.3"
ORGANIZATIONAL_UNIT = "2.5.4.11"
MOST_ATTRIBUTES = 64
"""
Attributes of a name; one that has more is not read.
"""

_TYPES: Mapping[str, str] = {
    "cn": COMMON_NAME,
    "ou": ORGANIZATIONAL_UNIT,
    "sn": "2.5.4.4",
    "surname": "2.5.4.4",
    "serialnumber": "2.5.4.5",
    "c": "2.5.4.6",
    "l": "2.5.4.7",
    "s": "2.5.4.8",
    "st": "2.5.4.8",
    "street": "2.5.4.9",
    "o": "2.5.4.10",
    "title": "2.5.4.12",
    "t": "2.5.4.12",
    "description": "2.5.4.13",
    "postalcode": "2.5.4.17",
    "name": "2.5.4.41",
    "gn": "2.5.4.42",
    "givenname": "2.5.4.42",
    "initials": "2.5.4.43",
    "dnqualifier": "2.5.4.46",
    "uid": "0.9.2342.19200300.100.1.1",
    "userid": "0.9.2342.19200300.100.1.1",
    "dc": "0.9.2342.19200300.100.1.25",
    "e": "1.2.840.113549.1.9.1",
    "emailaddress": "1.2.840.113549.1.9.1",
}
_TYPE = re.compile(r"(?:[A-Za-z][A-Za-z0-9-]{0,63}|[0-9]{1,3}(?:\.[0-9]{1,40}){1,20})")
# From version 3 on OpenSSL escapes the slashes and pluses of values, and nothing else.
_SLASH = re.compile(r"(?<!\\)/(?=[A-Za-z0-9][A-Za-z0-9.-]{0,63}=)")
_ESCAPE = re.compile(r"((?:\\[0-9A-Fa-f]{2})+)|\\(.)", re.DOTALL)
_LEGACY_ESCAPE = re.compile(r"((?:\\x[0-9A-Fa-f]{2})+)|\\([/+])")


def attribute_type(spelled: str) -> str:
    """
    Name an attribute type in one way.

    :param spelled: a short name of any case, such as ``CN``, or a dotted OID.
    :returns: the dotted OID where it is known; else the text in lower case.
    """
    lower = spelled.strip().lower()
    return _TYPES.get(lower, lower)


def folded(value: str) -> str:
    """
    Make values equal that differ in case and white space alone (RFC 5280 section 7.1).

    :param value: of an attribute.
    :returns: lower case, each run of white space one blank, none at the ends.
    """
    return " ".join(value.lower().split())


def name_of(attributes: Iterable[tuple[str, str]]) -> Name:
    """
    Make a name.

    :param attributes: pairs of type, spelled in any way, and value.
    :returns: the name.
    """
    return tuple(sorted((attribute_type(kind), folded(value)) for kind, value in attributes))


def name_from_x509(name: x509.Name) -> Name:
    """
    Take over a name of a certificate that was loaded.

    :param name: subject or issuer.
    :returns: the name; a value that is no text counts as its hexadecimal digits.
    :raises EncodingError: the name can't be read.
    """
    with reading("a name"):
        return name_of(
            (
                each.oid.dotted_string,
                each.value if isinstance(each.value, str) else each.value.hex(),
            )
            for each in name
        )


def name_from_texts(exact: str, legacy: str) -> Name | None:
    """
    Read a name as osquery tells it.

    :param exact: OpenSSL's form ``CN = x, O = y``; may be empty.
    :param legacy: OpenSSL's form ``/C=…/CN=…``, where a slash in a value is hard to tell from the
        next attribute; used when the other form is empty or can't be read.
    :returns: the name, empty when both texts are; None when it can't be read.
    """
    if not exact.strip() and not legacy.strip():
        return ()
    for attributes in (_from_exact(exact), _from_legacy(legacy)):
        if attributes and len(attributes) <= MOST_ATTRIBUTES:
            return name_of(attributes)
    return None


def _from_exact(text: str) -> list[tuple[str, str]] | None:
    found: list[tuple[str, str]] = []
    for part in _parts(text):
        kind, equals, value = part.partition("=")
        if equals and _TYPE.fullmatch(kind.strip()):
            found.append((kind.strip(), value))
        elif found:
            # A comma or plus that nobody escaped.
            found[-1] = (found[-1][0], f"{found[-1][1]},{part}")
        else:
            return None
    return [(kind, _unescaped(value)) for kind, value in found]


def _parts(text: str) -> Iterator[str]:
    """
    Cut at the commas and pluses that are neither quoted nor escaped.
    """
    start, quoted, escaped = 0, False, False
    for index, character in enumerate(text):
        if escaped:
            escaped = False
        elif character == "\\":
            escaped = True
        elif character == '"':
            quoted = not quoted
        elif character in ",+" and not quoted:
            yield text[start:index]
            start = index + 1
    yield text[start:]


def _unescaped(value: str) -> str:
    # Only a quoted value has its end stripped here: the last blank of another may be escaped.
    quoted = value.strip()
    if len(quoted) > 1 and quoted[0] == quoted[-1] == '"':
        value = quoted[1:-1]
    return _ESCAPE.sub(lambda found: _octets(found[1], "\\") if found[1] else found[2], value)


def _from_legacy(text: str) -> list[tuple[str, str]] | None:
    empty, *parts = _SLASH.split(text.strip())
    if empty or not parts:
        return None
    pairs = [part.partition("=") for part in parts]
    if not all(_TYPE.fullmatch(kind) for kind, _, _ in pairs):
        return None
    return [(kind, _unescaped_legacy(value)) for kind, _, value in pairs]


def _unescaped_legacy(value: str) -> str:
    return _LEGACY_ESCAPE.sub(
        lambda found: _octets(found[1], "\\x") if found[1] else found[2], value
    )


def _octets(escapes: str, mark: str) -> str:
    return bytes.fromhex(escapes.replace(mark, "")).decode("utf-8", "replace")
