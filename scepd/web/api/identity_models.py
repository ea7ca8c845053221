"""
What the admin API answers of the identities of hosts.
"""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field

from scepd.services.host_identities import HostIdentity


class IdentityView(BaseModel):
    """
    An MDM identity of a host: the certificate by which it signs what it says.
    """

    enrollment_id: str
    serial: str = Field(description="of the certificate, hex; empty: its record is gone")
    subject: str
    sha256: str = Field(description="fingerprint, hex")
    state: str = Field(
        description="new (it has signed nothing yet), in use, replaced, revoked, expired (still "
        "heard, and offered its renewal only) or ended (expired longer ago than for the grace)"
    )
    issued_at: datetime | None
    not_after: datetime | None
    used_since: datetime | None = Field(description="when the device began to use it")
    replaced_at: datetime | None = Field(description="when another one took its place")
    renew_at: datetime | None = Field(description="when it is renewed; null: it is not in use")
    renewal: str = Field(description="none, pending, failing or done")
    renewal_command: str | None = Field(description="uuid of the command that renews it")
    renewal_begun_at: datetime | None
    renewal_failures: int = Field(description="in a row")
    renewal_failed_at: datetime | None
    renewal_again_at: datetime | None = Field(description="when a renewal that failed goes on")
    renewal_detail: str = Field(description="what went wrong last; empty: nothing did")

    @classmethod
    def of(cls, identity: HostIdentity) -> IdentityView:
        """
        The view of what the service answered.
        """
        held = identity.identity
        return cls(
            enrollment_id=held.enrollment_id,
            serial=held.serial,
            subject=held.subject,
            sha256=held.certificate_sha256,
            state=identity.state,
            issued_at=held.issued_at,
            not_after=held.not_after,
            used_since=held.confirmed_at,
            replaced_at=held.retired_at,
            renew_at=identity.renew_at,
            renewal=identity.renewal,
            renewal_command=held.renewal_command,
            renewal_begun_at=held.renewal_begun_at,
            renewal_failures=held.renewal_failures,
            renewal_failed_at=held.renewal_failed_at,
            renewal_again_at=held.look_at if identity.renewal == "failing" else None,
            renewal_detail=held.renewal_detail,
        )


class IdentityRenewalView(BaseModel):
    """
    A renewal that was begun.
    """

    uuid: str = Field(description="of the command")
    host_uuid: str
