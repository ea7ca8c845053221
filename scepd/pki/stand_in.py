"""
A certification request that nobody signed, to be verified where there is none: so an envelope that
does not open takes about as long as one with a request that was altered.
"""

from __future__ import annotations

import contextlib
from functools import lru_cache

from scepd.errors import MessageError
from scepd.pki import der
from scepd.pki.ber import encode_length
from scepd.pki.identity import identify_der
from scepd.pki.keys import rsa_public_key
from scepd.pki.requests import verify_request

_SHA256_WITH_RSA = "1.2.840.113549.1.1.11"


def verify_stand_in(certificate: bytes) -> None:
    """
    Do the work of :func:`~scepd.pki.requests.verify_request`, which fails, and forget it.

    :param certificate: DER; its name and key are those of the request.
    """
    with contextlib.suppress(MessageError):
        verify_request(stand_in(certificate))


@lru_cache(maxsize=16)
def stand_in(certificate: bytes) -> bytes:
    """
    Make a request that is well-formed and has a wrong signature.

    :param certificate: DER; its name and key are those of the request.
    :returns: the DER of the request.
    :raises MessageError: the certificate can't be read, or its key is not an RSA key.
    """
    identity = identify_der(certificate)
    info = der.sequence(der.integer(0), identity.subject, identity.public_key_info, der.tagged(0))
    algorithm = der.sequence(der.object_identifier(_SHA256_WITH_RSA), der.NULL)
    octets = b"\x55" * (rsa_public_key(identity.public_key_info).key_size // 8)
    bits = b"\x03" + encode_length(len(octets) + 1) + b"\x00" + octets
    return der.sequence(info, algorithm, bits)
