"""
TLS settings for connections that scepd opens.
"""

from __future__ import annotations

import re
from typing import Any

from cryptography import x509
from OpenSSL import SSL, crypto
from service_identity import CertificateError, VerificationError
from service_identity.cryptography import verify_certificate_hostname, verify_certificate_ip_address
from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.ssl import (
    Certificate,
    optionsForClientTLS,
    platformTrust,
    trustRootFromCertificates,
)
from twisted.protocols.tls import TLSMemoryBIOProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from scepd.errors import UpstreamError, UpstreamFault

_PEM = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_MUST_VERIFY = SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT

# OpenSSL's verification errors (X509_V_ERR_*), which have no names in pyOpenSSL.
_COMPLAINTS = {
    9: "is not valid yet",
    10: "has expired",
    18: "is self-signed and not a trusted one",
    19: "leads to a root that is not trusted",
    20: "is not issued by a trusted authority",
    21: "is not issued by a trusted authority",
    23: "is revoked",
}


def client_options(host: str, trusted_certificates: str | None) -> IOpenSSLClientConnectionCreator:
    """
    TLS for connections to ``host``, whose certificate has to be for that name.

    :param trusted_certificates: PEM of the roots to trust; None: the system's.
    :raises ValueError: the roots can't be read, or ``host`` is not a host name.
    """
    return _ExplainingTLS(host, _trust_root(trusted_certificates))


def _trust_root(pem: str | None) -> Any:
    if pem is None:
        return platformTrust()
    blocks = _PEM.findall(pem)
    if not blocks:
        raise ValueError("its trusted certificates hold no certificate in PEM")
    try:
        return trustRootFromCertificates([Certificate.loadPEM(block) for block in blocks])
    except (ValueError, crypto.Error):
        raise ValueError("its trusted certificates can't be read") from None


@implementer(IOpenSSLClientConnectionCreator)
class _ExplainingTLS:
    """
    Twisted's settings, with a verification that keeps why it refused a certificate.
    """

    def __init__(self, host: str, trust_root: Any) -> None:
        self._host = host
        self._options = optionsForClientTLS(
            host, trustRoot=trust_root, acceptableProtocols=[b"http/1.1"]
        )

    def clientConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        connection: SSL.Connection = self._options.clientConnectionForTLS(tlsProtocol)

        def verify(_: SSL.Connection, shown: crypto.X509, error: int, depth: int, ok: int) -> bool:
            complaint = None if ok else _complaint(error, depth)
            if complaint is None and depth == 0:
                complaint = _name_complaint(shown.to_cryptography(), self._host)
            if complaint is not None:
                tlsProtocol.failVerification(Failure(UpstreamError(UpstreamFault.TLS, complaint)))
            return complaint is None

        connection.set_verify(_MUST_VERIFY, verify)
        return connection


def _complaint(error: int, depth: int) -> str:
    whose = "its certificate" if depth == 0 else "the certificate of its issuer"
    return f"{whose} {_COMPLAINTS.get(error, f'was refused (OpenSSL verification error {error})')}"


def _name_complaint(certificate: x509.Certificate, host: str) -> str | None:
    try:
        if isIPAddress(host) or isIPv6Address(host):
            verify_certificate_ip_address(certificate, host)
        else:
            verify_certificate_hostname(certificate, host)
    except VerificationError:
        return "its certificate is for another host name"
    except (CertificateError, ValueError):
        return "its certificate names no host"
    return None


def handshake_complaint(reason: Failure) -> str:
    """
    What was wrong with a TLS handshake, in the middle of a sentence.
    """
    error = reason.value
    if isinstance(error, UpstreamError):
        return error.sentence
    if isinstance(error, SSL.Error) and error.args and isinstance(error.args[0], list):
        texts = [str(entry[-1]) for entry in error.args[0]]
        if "wrong version number" in texts:
            return "it does not speak TLS"
        return ", ".join(texts) or "the handshake failed"
    return "the connection was closed during the handshake"
