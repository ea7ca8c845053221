"""
TLS settings for connections that scepd opens.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
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
from scepd.network.client_certificate import own_chain
from scepd.ports import ClientCredentials

_PEM = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_HOST_NAMES = (x509.DNSName, x509.IPAddress)
_MOST_SHOWN, _LONGEST_SHOWN = 4, 100
_MUST_VERIFY = SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT

# What is wrong with a certificate, by OpenSSL's verification error, its depth and verdict.
_Check: TypeAlias = Callable[[crypto.X509, int, int, bool], str | None]

# OpenSSL's verification errors (X509_V_ERR_*), which have no names in pyOpenSSL.
_NOT_YET_VALID, _EXPIRED = 9, 10
_COMPLAINTS = {
    _NOT_YET_VALID: "is not valid yet",
    _EXPIRED: "has expired",
    18: "is self-signed and not a trusted one",
    19: "leads to a root that is not trusted",
    20: "is not issued by a trusted authority",
    21: "is not issued by a trusted authority",
    23: "is revoked",
}


def client_options(
    host: str,
    trusted_certificates: str | None,
    *,
    pinned_sha256: str | None = None,
    client: ClientCredentials | None = None,
) -> IOpenSSLClientConnectionCreator:
    """
    TLS for connections to ``host``, whose certificate has to be for that name.

    :param trusted_certificates: PEM of the roots to trust; None: the system's.
    :param pinned_sha256: of the one certificate that is let pass, in place of all other checks, 64
        lower-case hex digits.
    :param client: what we show when the server asks for it; None: nothing.
    :raises ValueError: roots or client certificate can't be read, or ``host`` is not a host name.
    """
    complaint_of: _Check = partial(_chain_complaint, host)
    if pinned_sha256 is not None:
        complaint_of = partial(_pin_complaint, pinned_sha256)
    return _ExplainingTLS(host, _trust_root(trusted_certificates), client, complaint_of)


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

    def __init__(
        self, host: str, trust_root: Any, client: ClientCredentials | None, complaint_of: _Check
    ) -> None:
        self._complaint_of = complaint_of
        own, issuers = (None, ()) if client is None else own_chain(client)
        self._options = optionsForClientTLS(
            host,
            trustRoot=trust_root,
            clientCertificate=own,
            acceptableProtocols=[b"http/1.1"],
            extraCertificateOptions={"extraCertChain": list(issuers)} if own else None,
        )

    def clientConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        connection: SSL.Connection = self._options.clientConnectionForTLS(tlsProtocol)

        def verify(_: SSL.Connection, shown: crypto.X509, error: int, depth: int, ok: int) -> bool:
            complaint = self._complaint_of(shown, error, depth, bool(ok))
            if complaint is not None:
                tlsProtocol.failVerification(Failure(UpstreamError(UpstreamFault.TLS, complaint)))
            return complaint is None

        connection.set_verify(_MUST_VERIFY, verify)
        return connection


def _chain_complaint(host: str, shown: crypto.X509, error: int, depth: int, ok: bool) -> str | None:
    if not ok:
        return _complaint(error, depth) + _times(shown.to_cryptography(), error)
    return _name_complaint(shown.to_cryptography(), host) if depth == 0 else None


def _pin_complaint(
    expected: str, shown: crypto.X509, error: int, depth: int, ok: bool
) -> str | None:
    # Whoever holds the pinned certificate's key may have it from anybody, for any name and time.
    if depth > 0:
        return None
    found = shown.to_cryptography().fingerprint(SHA256()).hex()
    if hmac.compare_digest(found, expected):
        return None
    return f"its certificate has the SHA-256 fingerprint {found}, pinned is {expected}"


def _complaint(error: int, depth: int) -> str:
    whose = "its certificate" if depth == 0 else "the certificate of its issuer"
    return f"{whose} {_COMPLAINTS.get(error, f'was refused (OpenSSL verification error {error})')}"


def _times(certificate: x509.Certificate, error: int) -> str:
    moments = {
        _NOT_YET_VALID: certificate.not_valid_before_utc,
        _EXPIRED: certificate.not_valid_after_utc,
    }
    return f" ({moments[error].isoformat()})" if error in moments else ""


def _names_in(certificate: x509.Certificate) -> str:
    """
    Some names of a certificate, for a sentence; they are the server's words.
    """
    extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    names = [str(name.value) for name in extension.value if isinstance(name, _HOST_NAMES)]
    shown = [name for name in names if len(name) <= _LONGEST_SHOWN and name.isprintable()]
    return f" ({', '.join(shown[:_MOST_SHOWN])})" if shown else ""


def _name_complaint(certificate: x509.Certificate, host: str) -> str | None:
    try:
        if isIPAddress(host) or isIPv6Address(host):
            verify_certificate_ip_address(certificate, host)
        else:
            verify_certificate_hostname(certificate, host)
    except VerificationError:
        return f"its certificate is for another host name{_names_in(certificate)}"
    except (CertificateError, ValueError):
        return "its certificate names no host"
    return None
