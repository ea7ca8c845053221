"""
Certificate authorities.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from scepd.pki.keyring import SealedSecret, SecretPlace

EMBEDDED_CA = "EMBEDDED_CA"
"""
The reserved name of scepd's own certificate authority.
"""


class ChallengeMode(StrEnum):
    """
    Where the challenges of a certificate authority come from.
    """

    STATIC = "static"
    """
    An operator said the one that it knows.
    """
    ONE_TIME = "one_time"
    """
    Each delivery has its own, made by scepd, which the certificate authority asks about it.
    """


@dataclass(frozen=True, slots=True)
class CertificateAuthority:
    """
    A SCEP certificate authority that an operator added.

    :param name: its identity, unique and unchangeable; ``[A-Za-z0-9_]{1,255}``.
    :param url: absolute http or https URL of its SCEP service.
    :param challenge: its static challenge, sealed for :func:`challenge_place`; None: it has none.
    :param ca_identifier: sent upstream as ``message`` of GetCACaps and GetCACert, where set (RFC
        8894 section 4.1).
    :param trusted_certificates: PEM of the roots for its https URL; None: the system's.
    :param max_concurrency: exchanges with it at one time; the rest wait in order.
    :param allow_single_des: whether its answers may be encrypted with single DES; else there is a
        warning, as it is the device that they are for.
    :param certificates: DER of each certificate of its last good GetCACert answer.
    :param capabilities: the words of its last good GetCACaps answer; empty when it had none.
    :param checked_at: when certificates and capabilities were read.
    :param requests_per_second: the most requests to it in a second, 0.1 to 10000; None: no limit.
    :param pinned_sha256: of the certificate that its https URL must show, 64 lower-case hex digits;
        neither issuer nor host name count then.
    :param client_certificate: PEM of our certificate for its https URL, the issuers behind it.
    :param client_key: the private key of that, PEM, sealed for :func:`client_key_place`.
    :param outgoing_proxy: ``http://host:port`` of the HTTP proxy on the way to it.
    :param webhook_id: by which it says who it is when it asks whether to allow a challenge.
    :param webhook_secret: what it signs that with, sealed for :func:`webhook_secret_place`.
    """

    name: str
    url: str
    challenge: SealedSecret | None
    ca_identifier: str | None
    trusted_certificates: str | None
    max_concurrency: int
    allow_single_des: bool
    certificates: tuple[bytes, ...]
    capabilities: tuple[str, ...]
    checked_at: datetime
    created_at: datetime
    requests_per_second: float | None = None
    pinned_sha256: str | None = None
    client_certificate: str | None = None
    client_key: SealedSecret | None = None
    outgoing_proxy: str | None = None
    challenge_mode: ChallengeMode = ChallengeMode.STATIC
    webhook_id: str | None = None
    webhook_secret: SealedSecret | None = None


def challenge_place(ca_name: str) -> SecretPlace:
    """
    Where the challenge of the certificate authority ``ca_name`` is stored.
    """
    return SecretPlace("certificate_authority", "challenge", ca_name)


def client_key_place(ca_name: str) -> SecretPlace:
    """
    Where the private key of our certificate for ``ca_name`` is stored.
    """
    return SecretPlace("certificate_authority", "client_key", ca_name)


def webhook_secret_place(ca_name: str) -> SecretPlace:
    """
    Where the webhook secret of the certificate authority ``ca_name`` is stored.
    """
    return SecretPlace("certificate_authority", "webhook_secret", ca_name)
