"""
What the messages of CMS have in common: the ContentInfo around them, and how they name algorithms.

Only what is needed is decoded here and in the modules beside: what nobody reads can't be used
against us, and stays byte for byte as it was signed.
"""

from __future__ import annotations

from scepd.pki.der_reader import SEQUENCE, DERReader

DATA = "1.2.840.113549.1.7.1"
SIGNED_DATA = "1.2.840.113549.1.7.2"
ENVELOPED_DATA = "1.2.840.113549.1.7.3"
AUTH_ENVELOPED_DATA = "1.2.840.113549.1.9.16.1.23"
_EXPLICIT_CONTENT = 0xA0


def read_content_info(der: bytes) -> tuple[str, DERReader]:
    """
    Read a ContentInfo (RFC 5652 section 3); call it inside ``reading``.

    :param der: as ``to_der`` left it.
    :returns: the dotted content type, and a reader of the content itself, which is one element.
    :raises ValueError: anything else.
    """
    whole = DERReader(der).enter(SEQUENCE)
    content_type, content = whole.identifier(), whole.enter(_EXPLICIT_CONTENT)
    whole.finish()
    return content_type, content


def read_algorithm(reader: DERReader) -> tuple[str, bytes]:
    """
    Take an AlgorithmIdentifier (RFC 5280 section 4.1.1.2); call it inside ``reading``.

    :param reader: the algorithm is its next element.
    :returns: the dotted algorithm, and the DER of its parameters; empty when absent.
    :raises ValueError: anything else.
    """
    algorithm = reader.enter(SEQUENCE)
    oid = algorithm.identifier()
    parameters = algorithm.encoded() if algorithm.tag else b""
    algorithm.finish()
    return oid, parameters
