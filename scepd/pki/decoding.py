"""
The errors of the ASN.1 and X.509 libraries, turned into ours.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from cryptography import exceptions, x509

from scepd.errors import EncodingError, UnsupportedAlgorithm

_LIBRARY_ERRORS = (
    ValueError,
    TypeError,
    LookupError,
    OverflowError,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)


@contextmanager
def reading(what: str) -> Iterator[None]:
    """
    Let only our own errors out of a block that reads foreign bytes with a library.

    asn1crypto decodes lazily, so everything that is taken from its objects is taken inside.
    The sentence of the error names the thing and never holds a part of it.

    :param what: the thing that is read, with its article: ``"the certificate"``.
    :raises EncodingError: the library could not make sense of the bytes.
    :raises UnsupportedAlgorithm: the library does not know the key type or curve.
    """
    try:
        yield
    except exceptions.UnsupportedAlgorithm:
        raise UnsupportedAlgorithm(f"{what} uses an algorithm that is not known") from None
    except _LIBRARY_ERRORS:
        raise EncodingError(f"{what} is not well-formed") from None
