"""
Certificate authorities.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from scepd.pki.keyring import SealedSecret, SecretPlace

EMBEDDED_CA = "EMBEDDED_CA"
"""
The reserved name of scepd's own certificate authority.
"""


@dataclass(frozen=True, slots=True)
class CertificateAuthority:
    """
    A SCEP certificate authority that an operator added.

    :param name: its identity, unique and unchangeable; ``[A-Za-z0-9_]{1,255}``.
    :param url: absolute http or https URL of its SCEP service.
    :param challenge: its static challenge, sealed for :func:`challenge_place`.
    :param ca_identifier: sent upstream as ``message`` of GetCACaps and GetCACert, where set (RFC
        8894 section 4.1).
    :param trusted_certificates: PEM of the roots for its https URL; None: the system's.
    :param max_concurrency: exchanges with it at one time; the rest wait in order.
    :param allow_single_des: whether its answers may be encrypted with single DES.
    :param certificates: DER of each certificate of its last good GetCACert answer.
    :param capabilities: the words of its last good GetCACaps answer; empty when it had none.
    :param checked_at: when certificates and capabilities were read.
    :param requests_per_second: to it, on average; the rest wait in order. None: no limit.
    """

    name: str
    url: str
    challenge: SealedSecret
    ca_identifier: str | None
    trusted_certificates: str | None
    max_concurrency: int
    allow_single_des: bool
    certificates: tuple[bytes, ...]
    capabilities: tuple[str, ...]
    checked_at: datetime
    created_at: datetime
    requests_per_second: float | None = None


def challenge_place(ca_name: str) -> SecretPlace:
    """
    Where the challenge of the certificate authority ``ca_name`` is stored.
    """
    return SecretPlace("certificate_authority", "challenge", ca_name)
