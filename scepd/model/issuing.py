"""
The embedded certificate authority: its own keys, what may be issued, and what was.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from scepd.pki.keyring import SealedSecret, SecretPlace


class CARole(StrEnum):
    """
    What a certificate of the embedded certificate authority is for at the moment.
    """

    NEXT = "next"
    """
    Clients may learn of it; nothing is issued with it yet.
    """
    CURRENT = "current"
    """
    All certificates are issued with it.
    """
    PREVIOUS = "previous"
    """
    Clients that know no other one are answered with it.
    """


@dataclass(frozen=True, slots=True)
class CAState:
    """
    A certificate and key of the embedded certificate authority.

    :param serial: of the certificate, hex; the row's key.
    :param certificate: DER.
    :param private_key: PKCS #8 DER, sealed for :func:`ca_key_place`.
    """

    serial: str
    certificate: bytes
    private_key: SealedSecret
    created_at: datetime
    role: CARole = CARole.CURRENT


REVOCATION_REASONS = (
    "unspecified",
    "keyCompromise",
    "affiliationChanged",
    "superseded",
    "cessationOfOperation",
    "privilegeWithdrawn",
)
"""
Why a certificate may be revoked for good (RFC 5280 section 5.3.1).
"""


def ca_key_place(serial: str) -> SecretPlace:
    """
    Where the private key of the embedded certificate authority's certificate is stored.
    """
    return SecretPlace("ca_state", "private_key", serial)


@dataclass(frozen=True, slots=True)
class EnrollmentToken:
    """
    What lets devices enroll; only the SHA-256 of its text is known.

    :param sha256: hex.
    :param name: what an operator calls it.
    :param labels: what hosts that enroll with it get, sorted.
    :param uses_left: identities that may still be issued; None: as many as wanted.
    :param allow_reenrollment: whether a host that is enrolled may enroll anew with it.
    """

    sha256: str
    name: str
    labels: tuple[str, ...]
    uses_left: int | None
    allow_reenrollment: bool
    expires_at: datetime
    created_at: datetime


@dataclass(frozen=True, slots=True)
class EnrollmentChallenge:
    """
    The one-time challenge of one enrollment profile: for a new enrollment, or for the renewal of
    the identity of one that there is.

    :param sha256: of its text, hex.
    :param token_sha256: the token that it was made for; None: it renews an identity.
    :param subject: what the CSR's subject must be, RFC 4514.
    :param used_by: SHA-256 of the public key that it was spent for, hex; None: not spent.
    :param enrollment_id: the enrollment whose identity it renews; None: it begins one.
    :param host_uuid: the only host that may use what is issued for it; None: any.
    :param serial_number: of the only device that may; None: any.
    """

    sha256: str
    token_sha256: str | None
    subject: str
    expires_at: datetime
    used_by: str | None = None
    enrollment_id: str | None = None
    host_uuid: str | None = None
    serial_number: str | None = None


@dataclass(frozen=True, slots=True)
class IssuedCertificate:
    """
    A certificate that the embedded certificate authority issued.

    :param serial: hex; unique.
    :param certificate: DER.
    :param sha256: of the certificate, hex.
    :param purpose: ``enroll`` (an MDM identity), ``renew`` (one that takes the place of another)
        or ``profile`` (for the static challenge or that of a delivery).
    :param request_sha256: of messageType, transactionID, CSR and signer certificate: the same
        request gets the same certificate again.
    :param public_key_sha256: of the certified SubjectPublicKeyInfo, hex.
    :param challenge_sha256: the enrollment challenge that was spent; None: another thing allowed
        the request.
    :param host_uuid: whose delivery it was issued for, or the only host that may use this MDM
        identity; None: for none, or any.
    :param profile_uuid: likewise, of a delivery.
    :param issuer_serial: of the authority's certificate that it was issued with, hex.
    :param renewed_sha256: of the certificate that it renews, hex; None: it renews none.
    :param revoked_at: since when it counts no more; None: it counts.
    :param revocation_reason: one of :data:`REVOCATION_REASONS`, when it was revoked.
    :param serial_number: of the only device that may use this MDM identity; None: any.
    """

    serial: str
    certificate: bytes = field(repr=False)
    sha256: str
    subject: str
    purpose: str
    transaction_id: str
    request_sha256: str
    public_key_sha256: str
    challenge_sha256: str | None
    not_after: datetime
    issued_at: datetime
    host_uuid: str | None = None
    profile_uuid: str | None = None
    issuer_serial: str = ""
    renewed_sha256: str | None = None
    revoked_at: datetime | None = None
    revocation_reason: str | None = None
    serial_number: str | None = None
