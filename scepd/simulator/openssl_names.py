"""
Names of certificates in the two forms in which OpenSSL, and so osquery, prints them.
"""

from __future__ import annotations

from collections.abc import Mapping

from cryptography import x509

# OpenSSL's short names; a type without one is printed as its OID.
_SHORT_NAMES: Mapping[str, str] = {
    "2.5.4.3": "CN",
    "2.5.4.4": "SN",
    "2.5.4.5": "serialNumber",
    "2.5.4.6": "C",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "2.5.4.9": "street",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
    "2.5.4.12": "title",
    "2.5.4.13": "description",
    "2.5.4.17": "postalCode",
    "2.5.4.41": "name",
    "2.5.4.42": "GN",
    "2.5.4.43": "initials",
    "2.5.4.44": "generationQualifier",
    "2.5.4.46": "dnQualifier",
    "2.5.4.65": "pseudonym",
    "0.9.2342.19200300.100.1.1": "UID",
    "0.9.2342.19200300.100.1.25": "DC",
    "1.2.840.113549.1.9.1": "emailAddress",
}
_QUOTED = frozenset(b",+<>;")
_ESCAPED = frozenset(b'"\\')


def slashed(name: x509.Name) -> str:
    """
    Print a name as ``X509_NAME_oneline`` does.

    :param name: subject or issuer.
    :returns: such as ``/C=US/CN=x``.
    """
    return "".join(
        f"{'+' if index else '/'}{_short(attribute)}={_legacy(_octets(attribute))}"
        for rdn in name.rdns
        for index, attribute in enumerate(rdn)
    )


def listed(name: x509.Name) -> str:
    """
    Print a name as ``X509_NAME_print_ex`` does with ``XN_FLAG_ONELINE``.

    :param name: subject or issuer.
    :returns: such as ``C = US, CN = x``.
    """
    return ", ".join(
        " + ".join(f"{_short(attribute)} = {_exact(_octets(attribute))}" for attribute in rdn)
        for rdn in name.rdns
    )


def _short(attribute: x509.NameAttribute[str | bytes]) -> str:
    return _SHORT_NAMES.get(attribute.oid.dotted_string, attribute.oid.dotted_string)


def _octets(attribute: x509.NameAttribute[str | bytes]) -> bytes:
    value = attribute.value
    return value.encode("utf-8", "replace") if isinstance(value, str) else value


def _legacy(value: bytes) -> str:
    found = []
    for octet in value:
        if not 0x20 <= octet <= 0x7E:
            found.append(f"\\x{octet:02X}")
        else:
            found.append(f"\\{octet:c}" if octet in b"/+" else chr(octet))
    return "".join(found)


def _exact(value: bytes) -> str:
    text = "".join(map(_exact_octet, value))
    # Blanks at the ends and a number sign in front would be lost, or mean something else.
    special = value[:1] in (b" ", b"#") or value[-1:] == b" " or not _QUOTED.isdisjoint(value)
    return f'"{text}"' if special else text


def _exact_octet(octet: int) -> str:
    if not 0x20 <= octet <= 0x7E:
        return f"\\{octet:02X}"
    return f"\\{octet:c}" if octet in _ESCAPED else chr(octet)
