"""
Subject alternative names as text (RFC 5280 section 4.2.1.6).
"""

from __future__ import annotations

from cryptography import x509


def name_texts(extensions: x509.Extensions) -> tuple[str, ...]:
    """
    Write the alternative names of a certificate or request as text; call it inside ``reading``.

    :param extensions: of the certificate or request.
    :returns: one text per name, in order: ``dns:``, ``email:``, ``uri:``, ``ip:``, ``dn:``,
        ``id:`` or ``other:OID:HEX``, and the value; empty when there are none.
    :raises ValueError: a name that can't be read.
    """
    try:
        names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(_text(name) for name in names)


def _text(name: x509.GeneralName) -> str:
    match name:
        case x509.DNSName():
            return f"dns:{name.value}"
        case x509.RFC822Name():
            return f"email:{name.value}"
        case x509.UniformResourceIdentifier():
            return f"uri:{name.value}"
        case x509.IPAddress():
            return f"ip:{name.value}"
        case x509.DirectoryName():
            return f"dn:{name.value.rfc4514_string()}"
        case x509.RegisteredID():
            return f"id:{name.value.dotted_string}"
        case x509.OtherName():
            return f"other:{name.type_id.dotted_string}:{name.value.hex()}"
    raise ValueError("an alternative name of an unknown kind")
