"""
Subjects as SCEP payloads spell them, with Apple's own variables.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from cryptography import x509
from cryptography.x509.oid import NameOID

from scepd.simulator.failures import PROFILE_INVALID, DeviceError

_TYPES = {
    "CN": NameOID.COMMON_NAME,
    "OU": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "O": NameOID.ORGANIZATION_NAME,
    "L": NameOID.LOCALITY_NAME,
    "ST": NameOID.STATE_OR_PROVINCE_NAME,
    "C": NameOID.COUNTRY_NAME,
}
_VARIABLE = re.compile(r"%([A-Za-z]{1,64})%")


def subject_of(spelled: object, values: Mapping[str, str]) -> x509.Name:
    """
    Make the name that a payload's ``Subject`` spells.

    :param spelled: an array of RDNs, each an array of [type, value]; a type is one of Apple's
        short names or a dotted OID.
    :param values: of Apple's variables, ``SerialNumber`` and so on; unknown ones stay as they are.
    :returns: the name.
    :raises DeviceError: it has another shape, or a type or value that no name can have.
    """
    try:
        name = x509.Name(
            [
                x509.RelativeDistinguishedName([_attribute(pair, values) for pair in _items(rdn)])
                for rdn in _items(spelled)
            ]
        )
        name.public_bytes()
    except ValueError:
        raise _invalid("holds a type or value that no certificate can have") from None
    return name


def _items(value: object) -> Sequence[object]:
    if not isinstance(value, list | tuple) or not value:
        raise _invalid("is not an array of arrays of [type, value]")
    return value


def _attribute(pair: object, values: Mapping[str, str]) -> x509.NameAttribute[str]:
    texts = [each for each in _items(pair) if isinstance(each, str)]
    if len(texts) != 2 or len(_items(pair)) != 2:
        raise _invalid("is not an array of arrays of [type, value]")
    kind, text = texts
    expanded = _VARIABLE.sub(lambda match: values.get(match[1], match[0]), text)
    return x509.NameAttribute(_TYPES.get(kind) or x509.ObjectIdentifier(kind), expanded)


def _invalid(what: str) -> DeviceError:
    return DeviceError(f"the SCEP payload's Subject {what}", PROFILE_INVALID)
