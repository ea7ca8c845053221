"""
What the admin API answers of the certificates that are renewed.
"""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field

from scepd.services.managed_certificates import CertificateStatus
from scepd.web.api.host_models import ManagedCertificateView


class CertificateStatusView(BaseModel):
    """
    Where the certificate of a profile on a host stands.
    """

    host: str = Field(description="its uuid")
    serial_number: str = Field(description="of the host")
    profile_uuid: str
    profile_identifier: str = Field(description="PayloadIdentifier")
    ca_name: str | None
    state: str = Field(description="the worst of: current, expiring, overdue, expired")
    reason: str = Field(description="why there is no newer one yet; empty when none is needed")
    status: str = Field(description="of the profile: pending, verifying, verified or failed")
    attempts: int = Field(description="deliveries that failed since the last success")
    due_at: datetime | None = Field(description="when it is tried next; null: not by itself")
    expires_at: datetime | None = Field(description="null: none was seen since the last delivery")
    renew_at: datetime | None = Field(description="when a newer one should be delivered")
    overdue_at: datetime | None = Field(description="since when, or from when on, it is overdue")
    certificate: ManagedCertificateView | None = Field(description="null: none was seen")
    retired: list[ManagedCertificateView] = Field(
        description="those before it, the newest first; only with all=1"
    )

    @classmethod
    def of(cls, found: CertificateStatus) -> CertificateStatusView:
        """
        The view of what the service answered.
        """
        watched, row = found.watched, found.watched.assignment
        current = watched.certificate
        return cls(
            host=row.host_uuid,
            serial_number=watched.serial_number,
            profile_uuid=row.profile_uuid,
            profile_identifier=row.profile_identifier,
            ca_name=row.ca_name,
            state=found.state.value,
            reason=found.reason,
            status=row.status,
            attempts=row.attempts,
            due_at=row.due_at,
            expires_at=watched.expires_at,
            renew_at=watched.renew_at,
            overdue_at=watched.overdue_at,
            certificate=None if current is None else ManagedCertificateView.of(current),
            retired=[ManagedCertificateView.of(one) for one in watched.retired],
        )


class CertificateStatusList(BaseModel):
    """
    A page of certificates in a state.
    """

    items: list[CertificateStatusView]
    next: str | None = Field(description="the `after` of the next page; null at the end")
