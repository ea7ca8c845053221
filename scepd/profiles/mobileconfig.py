"""
Configuration profiles as bytes: telling signed ones, and taking their content out.
"""

from __future__ import annotations

import re

from asn1crypto import cms, core

from scepd.errors import EncodingError, LimitExceeded
from scepd.pki.ber import to_der
from scepd.plist.reading import DEFAULT_MAX_SIZE

# A ContentInfo (RFC 5652 section 3), in DER or BER, whose type is id-signedData.
_SIGNED_DATA = re.compile(
    rb"\x30(?:[\x00-\x80]|\x81.|\x82..|\x83...|\x84....)"
    rb"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02",
    re.DOTALL,
)


def is_signed(content: bytes) -> bool:
    """
    Tell whether a profile is wrapped in a CMS signature (RFC 5652 section 5).

    :param content: a profile as uploaded.
    :returns: whether it starts like a ContentInfo of type id-signedData, in DER or BER.
    """
    return _SIGNED_DATA.match(content) is not None


def signed_content(content: bytes, *, max_size: int = DEFAULT_MAX_SIZE) -> bytes:
    """
    Take the property list out of a signed profile; the signature is **not** verified.

    :param content: a profile for which :func:`is_signed` is true.
    :param max_size: the most bytes that are looked at.
    :returns: the signed bytes (eContent).
    :raises EncodingError: when the CMS can't be read, or holds no content.
    :raises LimitExceeded: when it is too large, or has too many or too deep elements.
    """
    if len(content) > max_size:
        raise LimitExceeded(f"the profile is longer than {max_size} bytes")
    try:
        inner = cms.ContentInfo.load(to_der(content))["content"]["encap_content_info"]
        if inner["content_type"].native != "data" or isinstance(inner["content"], core.Void):
            raise EncodingError("the signed profile holds no content of type data")
        return bytes(inner["content"])
    # What asn1crypto raises on broken bytes; it promises only ValueError and TypeError.
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise EncodingError("the signed profile is not readable CMS") from error
