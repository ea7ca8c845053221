"""
Subjects as SCEP payloads spell them, with Apple's own variables.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from cryptography import x509
from cryptography.x509.oid import NameOID

from scepd.simulator.failures import DeviceError

_TYPES = {
    "CN": NameOID.COMMON_NAME,
    "OU": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "O": NameOID.ORGANIZATION_NAME,
    "L": NameOID.LOCALITY_NAME,
    "ST": NameOID.STATE_OR_PROVINCE_NAME,
    "C": NameOID.COUNTRY_NAME,
}
_VARIABLE = re.compile(r"%([A-Za-z]+)%")


def subject_of(spelled: object, values: Mapping[str, str]) -> x509.Name:
    """
    The name that a payload's ``Subject`` spells: an array of RDNs, each an array of [type, value].

    :param values: of Apple's variables, ``SerialNumber`` and so on; unknown ones stay as they are.
    :raises DeviceError: it has another shape.
    """
    if not isinstance(spelled, Sequence) or not spelled:
        raise DeviceError("the SCEP payload's Subject is not an array")
    return x509.Name([x509.RelativeDistinguishedName(_attributes(rdn, values)) for rdn in spelled])


def _attributes(rdn: object, values: Mapping[str, str]) -> list[x509.NameAttribute[str]]:
    if not isinstance(rdn, Sequence) or not rdn:
        raise DeviceError("an RDN of the SCEP payload's Subject is not an array")
    return [_attribute(pair, values) for pair in rdn]


def _attribute(pair: object, values: Mapping[str, str]) -> x509.NameAttribute[str]:
    if not (
        isinstance(pair, Sequence) and len(pair) == 2 and all(isinstance(p, str) for p in pair)
    ):
        raise DeviceError("an attribute of the SCEP payload's Subject is not [type, value]")
    kind, text = pair
    expanded = _VARIABLE.sub(lambda match: values.get(match[1], match[0]), text)
    return x509.NameAttribute(_TYPES.get(kind) or x509.ObjectIdentifier(kind), expanded)
