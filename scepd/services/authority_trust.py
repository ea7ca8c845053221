"""
What an operator says of the way to a certificate authority and of who is trusted on it, and what
can be wrong with that.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from ipaddress import IPv6Address
from typing import Protocol
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from scepd.errors import Fault

_PIN = re.compile(r"(?:[0-9A-Fa-f]{2}:?){31}[0-9A-Fa-f]{2}")
_PROXY_URL = re.compile(
    r"http://(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):(?P<port>[0-9]{1,5})/?"
)
_LONGEST_CHAIN = 65_536
# Of RSA keys beyond this the check alone takes seconds.
_LONGEST_KEY = 16_384
_SOON = timedelta(days=30)
_SLOWEST_RATE, _FASTEST_RATE = 0.1, 10_000.0
_TLS_KEYS = (
    rsa.RSAPrivateKey,
    ec.EllipticCurvePrivateKey,
    ed25519.Ed25519PrivateKey,
    ed448.Ed448PrivateKey,
)


class ClientInput(Protocol):
    """
    The settings that are about TLS.
    """

    @property
    def url(self) -> str:
        """
        Of the certificate authority.
        """

    @property
    def client_certificate(self) -> str | None:
        """
        Ours, PEM.
        """

    @property
    def client_key(self) -> str | None:
        """
        The private key of that, PEM.
        """


def pin_fault(pin: str | None, url: str) -> str | None:
    """
    What is wrong with a pinned fingerprint.
    """
    if pin is None:
        return None
    if not _PIN.fullmatch(pin):
        return "64 hex digits are needed, with or without a colon between each two: a SHA-256."
    return _without_tls(url, "certificate to pin")


def normal_pin(pin: str | None) -> str | None:
    """
    A good fingerprint as it is stored: 64 lower-case hex digits.
    """
    return None if pin is None else pin.replace(":", "").lower()


def proxy_fault(proxy: str | None) -> str | None:
    """
    What is wrong with the URL of an outgoing proxy.
    """
    if proxy is None:
        return None
    if "@" in proxy:
        return "No user name or password is allowed in it; scepd has no credentials for proxies."
    found = _PROXY_URL.fullmatch(proxy)
    if found is None or not _is_host(found["host"]) or not 1 <= int(found["port"]) <= 65535:
        return "A URL such as http://proxy.example.com:3128 is needed: http, a host and a port."
    return None


def _is_host(host: str) -> bool:
    if host.startswith("["):
        try:
            IPv6Address(host[1:-1])
        except ValueError:
            return False
        return True
    return len(host) <= 253 and all(1 <= len(label) <= 63 for label in host.split("."))


def normal_proxy(proxy: str | None) -> str | None:
    """
    A good proxy URL as it is stored: without a slash behind it.
    """
    return None if proxy is None else proxy.rstrip("/")


def rate_fault(rate: float | None) -> str | None:
    """
    What is wrong with a number of requests in a second.
    """
    if rate is not None and not _SLOWEST_RATE <= rate <= _FASTEST_RATE:
        return f"A number from {_SLOWEST_RATE:g} to {_FASTEST_RATE:g} is allowed."
    return None


def client_faults(new: ClientInput, now: datetime) -> tuple[Fault, ...]:
    """
    What is wrong with a client certificate and its key; takes milliseconds, for keys are checked.

    :param now: aware, UTC.
    """
    certificate, key = new.client_certificate, new.client_key
    if certificate is None and key is None:
        return ()
    if certificate is None:
        return (
            Fault("client_certificate", "The certificate that the private key is for is needed."),
        )
    if key is None:
        return (Fault("client_key", "The private key of the client certificate is needed."),)
    message = _without_tls(new.url, "server to show a certificate to")
    if message is not None:
        return (Fault("client_certificate", message),)
    try:
        leaf = _leaf(certificate, now)
    except ValueError as error:
        return (Fault("client_certificate", str(error)),)
    message = _key_fault(key, leaf)
    return () if message is None else (Fault("client_key", message),)


def client_warnings(pem: str | None, now: datetime) -> tuple[str, ...]:
    """
    What an operator should know of a stored client certificate.

    :param pem: of the certificate; None: there is none.
    :param now: aware, UTC.
    """
    if pem is None:
        return ()
    until = x509.load_pem_x509_certificates(pem.encode())[0].not_valid_after_utc
    if until <= now:
        return (f"Our client certificate for it expired at {until.isoformat()}.",)
    if until - now < _SOON:
        return (f"Our client certificate for it expires soon, at {until.isoformat()}.",)
    return ()


def _without_tls(url: str, what: str) -> str | None:
    try:
        scheme = urlsplit(url).scheme
    except ValueError:
        return None
    return f"The URL is not https: there is no {what}." if scheme == "http" else None


def _leaf(pem: str, now: datetime) -> x509.Certificate:
    if len(pem) > _LONGEST_CHAIN:
        raise ValueError(f"At most {_LONGEST_CHAIN} characters are allowed.")
    if "PRIVATE KEY" in pem:
        raise ValueError("A private key does not belong here, only certificates in PEM.")
    try:
        leaf = x509.load_pem_x509_certificates(pem.encode())[0]
        since, until = leaf.not_valid_before_utc, leaf.not_valid_after_utc
    except ValueError:
        raise ValueError("One or more certificates in PEM are needed, ours first.") from None
    if until <= now:
        raise ValueError(f"The certificate expired at {until.isoformat()}.")
    if since > now:
        raise ValueError(f"The certificate is not valid before {since.isoformat()}.")
    return leaf


def _key_fault(pem: str, leaf: x509.Certificate) -> str | None:
    if len(pem) > _LONGEST_KEY:
        return f"At most {_LONGEST_KEY} characters are allowed."
    try:
        key: PrivateKeyTypes = load_pem_private_key(pem.encode(), None)
    except TypeError:
        return (
            "The private key is encrypted; one without a password is needed. It is stored sealed."
        )
    except (ValueError, UnsupportedAlgorithm):
        return "A private key in PEM is needed."
    if not isinstance(key, _TLS_KEYS):
        return "A private key of RSA, ECDSA or EdDSA is needed."
    try:
        fits = key.public_key() == leaf.public_key()
    except (ValueError, UnsupportedAlgorithm):
        fits = False
    return None if fits else "The private key does not belong to the first client certificate."
