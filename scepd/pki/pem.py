"""
PEM, as files of keys and certificates have it (RFC 7468).
"""

from __future__ import annotations

import base64
import textwrap

_WIDTH = 64


def encode_pem(label: str, der: bytes) -> bytes:
    """
    Write one block.

    :param label: such as ``CERTIFICATE`` or ``X509 CRL``.
    :param der: what is in it.
    :returns: the block, with a line feed at its end.
    """
    lines = textwrap.wrap(base64.b64encode(der).decode("ascii"), _WIDTH)
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""]).encode()
