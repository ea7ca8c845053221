"""
TLS of our own listeners, from files that can be read again while connections are open.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import InvalidVersion, load_pem_x509_certificates
from OpenSSL import SSL
from OpenSSL.crypto import X509, PKey
from twisted.internet.interfaces import IOpenSSLContextFactory
from twisted.internet.ssl import CertificateOptions, TLSVersion
from zope.interface import implementer

from scepd.errors import ConfigurationError

_HTTP_1 = b"http/1.1"

T = TypeVar("T")


@implementer(IOpenSSLContextFactory)
class ReloadableTLS:
    """
    The TLS context for new connections; :meth:`reload` changes it.

    It offers HTTP/1.1 only: HTTP/2 would bypass the streaming of request bodies.

    :param asks_clients: whether clients are asked for a certificate; they may have none.
    :raises ConfigurationError: a file can't be read, or the two don't belong together.
    """

    def __init__(
        self, certificate_file: Path, key_file: Path, *, asks_clients: bool = False
    ) -> None:
        self._files = (certificate_file, key_file)
        self._asks_clients = asks_clients
        self.reload()

    def reload(self) -> None:
        """
        Read the files again; on an error the old context stays.

        :raises ConfigurationError: as the class.
        """
        certificate_file, key_file = self._files
        chain = _read(certificate_file, _certificates, "certificates")
        key = _read(key_file, _private_key, "an unencrypted private key")
        options = CertificateOptions(
            privateKey=key,
            certificate=chain[0],
            extraCertChain=chain[1:],
            raiseMinimumTo=TLSVersion.TLSv1_2,
        )
        try:
            context = options.getContext()
            context.check_privatekey()
            # Twisted's own choice adds what the listener's factory would like to speak.
            context.set_alpn_select_callback(_choose_protocol)
            if self._asks_clients:
                # TLS proves the key behind a certificate. Whose it is, and whether it counts, is
                # looked up for each message, by what was issued: it may be revoked meanwhile.
                context.set_verify(SSL.VERIFY_PEER, _take_any)
        except SSL.Error as error:
            raise ConfigurationError(
                f"TLS files {certificate_file} and {key_file}: {_complaint(error)}"
            ) from None
        self._context = context

    def getContext(self) -> SSL.Context:
        """
        The context for the next connection.
        """
        return self._context


def _read(file: Path, parse: Callable[[bytes], T], what: str) -> T:
    try:
        return parse(file.read_bytes())
    except OSError as error:
        raise ConfigurationError(f"TLS file {file}: {error.strerror or error}") from None
    except (ValueError, TypeError, UnsupportedAlgorithm, InvalidVersion):
        raise ConfigurationError(f"TLS file {file}: found no PEM of {what}") from None


def _certificates(pem: bytes) -> list[X509]:
    return [X509.from_cryptography(certificate) for certificate in load_pem_x509_certificates(pem)]


def _private_key(pem: bytes) -> PKey:
    return PKey.from_cryptography_key(load_pem_private_key(pem, None))  # type: ignore[arg-type]


def _choose_protocol(
    _: SSL.Connection, offered: list[bytes]
) -> bytes | SSL._NoOverlappingProtocols:
    return _HTTP_1 if _HTTP_1 in offered else SSL.NO_OVERLAPPING_PROTOCOLS


def _take_any(_: SSL.Connection, certificate: X509, error: int, depth: int, fine: int) -> bool:
    return True


def _complaint(error: SSL.Error) -> str:
    queue = error.args[0] if error.args else ()
    reasons = [str(entry[-1]) for entry in queue]
    if "key values mismatch" in reasons or "key type mismatch" in reasons:
        return "the key does not belong to the first certificate"
    return ", ".join(reasons) or "OpenSSL can't use them"
