"""
The errors of the ASN.1 and X.509 libraries, turned into ours.
"""

from __future__ import annotations

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


class reading:  # noqa: N801
    """
    Let only our own errors out of a ``with`` block that reads foreign bytes.

    Libraries decode lazily, so everything that is taken from their objects is taken inside. The
    sentence of the error names the thing and never holds a part of it. It raises:

    * EncodingError: the block, or the library that it uses, could not make sense of the bytes.
    * UnsupportedAlgorithm: the library does not know the key type or curve.

    :param what: the thing that is read, with its article: ``"the certificate"``.
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
        at: TracebackType | None,
    ) -> None:
        if isinstance(error, exceptions.UnsupportedAlgorithm):
            raise UnsupportedAlgorithm(
                f"{self._what} uses an algorithm that is not known"
            ) from None
        if isinstance(error, _LIBRARY_ERRORS):
            raise EncodingError(f"{self._what} is not well-formed") from None
