"""
What the messages of CMS have in common: the ContentInfo around them, and how they name algorithms.

Only what is needed is decoded here and in the modules beside: what nobody reads can't be used
against us, and stays byte for byte as it was signed.
"""

from __future__ import annotations

from functools import lru_cache

from scepd.pki.der_reader import SEQUENCE, identifier_of, split

DATA = "1.2.840.113549.1.7.1"
SIGNED_DATA = "1.2.840.113549.1.7.2"
ENVELOPED_DATA = "1.2.840.113549.1.7.3"
AUTH_ENVELOPED_DATA = "1.2.840.113549.1.9.16.1.23"
_EXPLICIT_CONTENT = 0xA0
# Nearly all messages name the same few algorithms.
_LARGEST_REMEMBERED = 64


def read_content_info(der: bytes) -> tuple[str, bytes]:
    """
    Read a ContentInfo (RFC 5652 section 3); call it inside ``reading``.

    :param der: as ``to_der`` left it.
    :returns: the dotted content type, and the DER of the content itself.
    :raises ValueError: anything else.
    """
    content_type, explicit = split(der, SEQUENCE)
    (content,) = split(explicit, _EXPLICIT_CONTENT)
    return identifier_of(content_type), content


def read_algorithm(element: bytes) -> tuple[str, bytes]:
    """
    Read an AlgorithmIdentifier (RFC 5280 section 4.1.1.2); call it inside ``reading``.

    :param element: its DER.
    :returns: the dotted algorithm, and the DER of its parameters; empty when absent.
    :raises ValueError: anything else.
    """
    return _remembered(element) if len(element) <= _LARGEST_REMEMBERED else _algorithm(element)


def _algorithm(encoded: bytes) -> tuple[str, bytes]:
    oid, *parameters = split(encoded, SEQUENCE)
    if len(parameters) > 1:
        raise ValueError("an algorithm has more parameters than it may have")
    return identifier_of(oid), parameters[0] if parameters else b""


_remembered = lru_cache(maxsize=64)(_algorithm)
