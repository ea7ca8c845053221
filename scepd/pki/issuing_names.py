"""
The names that the embedded certificate authority puts its own name to.
"""

from __future__ import annotations

import unicodedata

from cryptography import x509
from cryptography.x509.oid import NameOID

from scepd.errors import EncodingError, LimitExceeded
from scepd.pki.ber import contents_of, to_der

_MOST_NAMES = 16
# RFC 5280 appendix A.1: ub-common-name and its like; the others are longer there, or unbounded.
_SHORT = {NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME, NameOID.ORGANIZATIONAL_UNIT_NAME}
_LONGEST_SHORT = 64
_LONGEST = 255
_LONGEST_URI = 1024
# The name of a user in Active Directory: Apple's ntPrincipalName.
_PRINCIPAL_NAME = x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3")
_UTF8_STRING = 0x0C
_FORBIDDEN = {"Cc", "Cs", "Zl", "Zp"}


def check_subject(subject: x509.Name) -> None:
    """
    Check that a certificate may be issued for a subject; call it inside ``reading``.

    :param subject: of the request; may be empty.
    :raises EncodingError: a control character or line break in a part, or a part that is no text.
    :raises LimitExceeded: more than 16 parts, an empty or a too long one.
    """
    parts = list(subject)
    if len(parts) > _MOST_NAMES:
        raise LimitExceeded("the subject has too many parts")
    for part in parts:
        if not isinstance(part.value, str):
            raise EncodingError("a part of the subject is no text")
        _check_text(part.value, _LONGEST_SHORT if part.oid in _SHORT else _LONGEST)


def checked_alternative_names(
    extensions: x509.Extensions, *, allowed: bool
) -> list[x509.GeneralName]:
    """
    Return the alternative names that a request asks for; call it inside ``reading``.

    :param extensions: of the request.
    :param allowed: whether there may be any.
    :returns: the names, in order.
    :raises EncodingError: there are some and may not be, one of a kind that is not certified, or
        a control character or line break in one.
    :raises LimitExceeded: more than 16, an empty or a too long one.
    """
    try:
        names = list(extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        return []
    if not allowed:
        raise EncodingError("the request asks for alternative names, which it may not have")
    if len(names) > _MOST_NAMES:
        raise LimitExceeded("the request asks for too many alternative names")
    for name in names:
        _check_alternative_name(name)
    return names


def _check_alternative_name(name: x509.GeneralName) -> None:
    match name:
        case x509.DNSName() | x509.RFC822Name():
            _check_text(name.value, _LONGEST)
        case x509.UniformResourceIdentifier():
            _check_text(name.value, _LONGEST_URI)
        case x509.OtherName(type_id=oid, value=value) if oid == _PRINCIPAL_NAME:
            if value[:1] != bytes([_UTF8_STRING]):
                raise EncodingError("an alternative name is not well-formed")
            _check_text(contents_of(to_der(value)).decode("utf-8"), _LONGEST)
        case x509.IPAddress():
            pass
        case _:
            raise EncodingError("an alternative name is of a kind that is not certified")


def _check_text(text: str, longest: int) -> None:
    if not 1 <= len(text) <= longest:
        raise LimitExceeded("a name in the request is empty or too long")
    # None of the forbidden ones is printable.
    if not text.isprintable() and any(unicodedata.category(char) in _FORBIDDEN for char in text):
        raise EncodingError("a name in the request holds a control character")
