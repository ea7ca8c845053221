"""
What the admin API takes and answers of the embedded certificate authority.
"""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from scepd.model import REVOCATION_REASONS, CARole, IssuedCertificate, PendingRequest
from scepd.pki.certificates import CertificateSummary


class IssuedCertificateView(BaseModel):
    """
    A certificate that the embedded certificate authority issued.
    """

    serial: str = Field(description="upper-case hexadecimal digits")
    subject: str = Field(description="RFC 4514")
    purpose: str = Field(
        description="enroll: an MDM identity; renew: one in another's place; profile: any other"
    )
    sha256: str = Field(description="fingerprint, hexadecimal")
    issuer_serial: str = Field(description="of the authority's certificate it was issued with")
    transaction_id: str
    issued_at: datetime
    not_after: datetime
    revoked_at: datetime | None
    revocation_reason: str | None

    @classmethod
    def of(cls, certificate: IssuedCertificate) -> IssuedCertificateView:
        """
        The view of a stored record.
        """
        return cls(
            serial=certificate.serial,
            subject=certificate.subject,
            purpose=certificate.purpose,
            sha256=certificate.sha256,
            issuer_serial=certificate.issuer_serial,
            transaction_id=certificate.transaction_id,
            issued_at=certificate.issued_at,
            not_after=certificate.not_after,
            revoked_at=certificate.revoked_at,
            revocation_reason=certificate.revocation_reason,
        )


class IssuedCertificateList(BaseModel):
    """
    A page of certificates, newest first.
    """

    items: list[IssuedCertificateView]
    next: str | None = Field(description="the cursor of the next page; null: this is the last")


class RevocationInput(BaseModel):
    """
    Why a certificate is revoked.
    """

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)

    reason: str = Field("unspecified", description=", ".join(REVOCATION_REASONS))


class PendingRequestView(BaseModel):
    """
    A request for a certificate that an operator decides on.
    """

    id: str
    subject: str = Field(description="RFC 4514")
    alternative_names: list[str] = Field(description="such as dns:host.example")
    state: str = Field(description="pending, approved or denied")
    transaction_id: str
    public_key_sha256: str = Field(description="of the key to be certified, hexadecimal")
    created_at: datetime
    expires_at: datetime = Field(description="when it is forgotten")
    decided_at: datetime | None
    decided_by: str | None
    serial: str | None = Field(description="of the certificate that was issued")

    @classmethod
    def of(cls, request: PendingRequest) -> PendingRequestView:
        """
        The view of a stored record.
        """
        return cls(
            id=request.id,
            subject=request.subject,
            alternative_names=list(request.alternative_names),
            state=request.state.value,
            transaction_id=request.transaction_id,
            public_key_sha256=request.public_key_sha256,
            created_at=request.created_at,
            expires_at=request.expires_at,
            decided_at=request.decided_at,
            decided_by=request.decided_by,
            serial=request.serial,
        )


class PendingRequestList(BaseModel):
    """
    A page of requests, newest first.
    """

    items: list[PendingRequestView]
    next: str | None = Field(description="the cursor of the next page; null: this is the last")


class RollOverInput(BaseModel):
    """
    A step of the roll-over.
    """

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)

    step: str = Field(
        "",
        description="plan: make the next certificate; commit: issue with it from now on; "
        "cancel: forget the next one",
    )


class AuthorityCertificateView(BaseModel):
    """
    A certificate of the embedded certificate authority itself.
    """

    role: str = Field(description="next, current or previous")
    serial: str
    subject: str
    sha256: str
    key_bits: int
    not_before: datetime
    not_after: datetime


class RollOverStatus(BaseModel):
    """
    All that have not expired: the next one, the current one, previous ones.
    """

    items: list[AuthorityCertificateView]

    @classmethod
    def of(cls, found: list[tuple[CARole, CertificateSummary]]) -> RollOverStatus:
        """
        The view of what the service tells.
        """
        return cls(
            items=[
                AuthorityCertificateView(
                    role=role.value,
                    serial=summary.serial,
                    subject=summary.subject,
                    sha256=summary.sha256,
                    key_bits=summary.key_bits,
                    not_before=summary.not_before,
                    not_after=summary.not_after,
                )
                for role, summary in found
            ]
        )
