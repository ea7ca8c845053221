"""
A client certificate as a proxy that ends TLS passes it on, in a header.

Source: RFC 9440 section 2.1 (``Client-Cert``), and nginx's ``$ssl_client_escaped_cert``.
"""

from __future__ import annotations

import base64
import binascii
import re
from urllib.parse import unquote_to_bytes

from scepd.errors import EncodingError, LimitExceeded
from scepd.pki.certificates import load_certificate

LONGEST_HEADER = 16 * 1024
"""
Characters of the header's value.
"""
_BYTE_SEQUENCE = re.compile(rb":([A-Za-z0-9+/=]*):")
_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----\s+([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----\s*")


def client_certificate(value: bytes) -> bytes:
    """
    Read the certificate out of a header's value. Nothing about it is verified here.

    :param value: base64 of DER between colons (RFC 9440), or one certificate in PEM with
        ``%``-escapes (nginx); at most 16 KiB.
    :returns: the DER of the certificate.
    :raises EncodingError: neither of the two, or what is in it is no certificate.
    :raises LimitExceeded: too long.
    """
    if len(value) > LONGEST_HEADER:
        raise LimitExceeded(f"the client certificate is longer than {LONGEST_HEADER} characters")
    value = value.strip()
    found = _BYTE_SEQUENCE.fullmatch(value) or _PEM.fullmatch(unquote_to_bytes(value))
    if found is None:
        raise EncodingError(
            "the header of the client certificate holds neither base64 between colons (RFC 9440) "
            "nor one certificate in escaped PEM (nginx: $ssl_client_escaped_cert)"
        )
    try:
        der = base64.b64decode(b"".join(found[1].split()), validate=True)
    except binascii.Error:
        raise EncodingError("the client certificate in the header is not base64") from None
    load_certificate(der)
    return der


def rfc9440_header(certificate: bytes) -> bytes:
    """
    Write a certificate as a proxy does that follows RFC 9440.

    :param certificate: DER.
    :returns: the header's value.
    """
    return b":" + base64.b64encode(certificate) + b":"
