"""
The errors of the ASN.1 and X.509 libraries, turned into ours.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from types import TracebackType

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


def reading(what: str) -> AbstractContextManager[None]:
    """
    Let only our own errors out of a ``with`` block that reads foreign bytes.

    Libraries decode lazily, so everything that is taken from their objects is taken inside.
    The sentence of the error names the thing and never holds a part of it.

    :param what: the thing that is read, with its article: ``"the certificate"``.
    :raises EncodingError: the block, or a library in it, could not make sense of the bytes.
    :raises UnsupportedAlgorithm: the library does not know the key type or curve.
    """
    return _Reading(what)


class _Reading(AbstractContextManager[None]):
    """
    A class, as a generator takes several times as long, some ten times for each message.
    """

    __slots__ = ("_what",)

    def __init__(self, what: str) -> None:
        self._what = what

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if isinstance(error, exceptions.UnsupportedAlgorithm):
            sentence = f"{self._what} uses an algorithm that is not known"
            raise UnsupportedAlgorithm(sentence) from None
        if isinstance(error, _LIBRARY_ERRORS):
            raise EncodingError(f"{self._what} is not well-formed") from None
