"""
The way to Apple's push service: its name, a proxy, TLS and our certificate.
"""

from __future__ import annotations

import re
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_der_private_key
from OpenSSL.crypto import X509, Error, PKey
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.ssl import (
    Certificate,
    KeyPair,
    PrivateCertificate,
    TLSVersion,
    optionsForClientTLS,
    platformTrust,
    trustRootFromCertificates,
)

from scepd.apns.credentials import PushCredentials
from scepd.errors import ConfigurationError
from scepd.network.destination import Destination
from scepd.network.tunnel import TunnelEndpoint

_PEM = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


class APNsRoute:
    """
    Makes what connects.

    :param reactor: provides IReactorTCP, IReactorTime and IReactorPluggableNameResolver.
    :param host: ``api.push.apple.com``.
    :param port: 443 or 2197.
    :param trusted_certificates: PEM of the roots to trust; None: the system's.
    :param connect_timeout: seconds for one address.
    :param proxy: ``http://host:port`` of an HTTP proxy on the way; None: there is none. Failures of
        its own come as UpstreamError, with a sentence that names it.
    :raises ConfigurationError: the roots can't be read, or the host is not one.
    """

    def __init__(
        self,
        reactor: Any,
        host: str,
        port: int,
        trusted_certificates: bytes | None,
        connect_timeout: float = 10.0,
        *,
        proxy: str | None = None,
    ) -> None:
        self.host = host
        self._port = port
        self._reactor = reactor
        self._timeout = connect_timeout
        self._trust_root = _trust_root(trusted_certificates)
        try:
            # It becomes a header field, too.
            host.encode("ascii")
            optionsForClientTLS(host, trustRoot=self._trust_root)
        except (ValueError, TypeError):
            raise ConfigurationError(f"{host} is not a host name") from None
        self._proxy = None if proxy is None else _proxy(proxy)

    def endpoint(self, credentials: PushCredentials) -> IStreamClientEndpoint:
        """
        What connects; the name is looked up again with each use.
        """
        shown: PrivateCertificate | None = None
        more: dict[str, object] = {"raiseMinimumTo": TLSVersion.TLSv1_2}
        if credentials.certificates:
            shown = _private_certificate(credentials)
            more["extraCertChain"] = [_x509(der) for der in credentials.certificates[1:]]
        options = optionsForClientTLS(
            self.host,
            trustRoot=self._trust_root,
            clientCertificate=shown,
            acceptableProtocols=[b"h2"],
            extraCertificateOptions=more,
        )
        return wrapClientTLS(options, self._below_tls(), clock=self._reactor)

    def _below_tls(self) -> IStreamClientEndpoint:
        if self._proxy is None:
            return self._tcp(self.host, self._port)
        proxy = self._proxy
        host = f"[{self.host}]" if ":" in self.host else self.host
        far_end = f"{host}:{self._port}".encode("ascii")
        name = proxy.authority.decode("ascii")
        return TunnelEndpoint(self._tcp(proxy.host, proxy.port), name, far_end, lambda: None)

    def _tcp(self, host: str, port: int) -> IStreamClientEndpoint:
        endpoint: IStreamClientEndpoint = HostnameEndpoint(
            self._reactor, host, port, timeout=self._timeout
        )
        return endpoint


def _proxy(url: str) -> Destination:
    try:
        return Destination.of(url)
    except ValueError:
        raise ConfigurationError(f"{url} is not the URL of a proxy") from None


def _private_certificate(credentials: PushCredentials) -> PrivateCertificate:
    key = load_der_private_key(credentials.private_key, None)
    pair = KeyPair(PKey.from_cryptography_key(key))  # type: ignore[arg-type]
    own = Certificate(_x509(credentials.certificates[0]))
    certificate: PrivateCertificate = PrivateCertificate.fromCertificateAndKeyPair(own, pair)
    return certificate


def _x509(der: bytes) -> X509:
    return X509.from_cryptography(x509.load_der_x509_certificate(der))


def _trust_root(pem: bytes | None) -> Any:
    if pem is None:
        return platformTrust()
    blocks = _PEM.findall(pem.decode("ascii", "replace"))
    try:
        roots = [Certificate.loadPEM(block) for block in blocks]
    except (ValueError, Error):
        roots = []
    if not roots:
        raise ConfigurationError("the push service's trusted certificates can't be read")
    return trustRootFromCertificates(roots)
