"""
What the admin API takes and answers of certificate authorities besides themselves.
"""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from scepd.pki.certificates import summarize
from scepd.services.authority_change import AuthorityChange
from scepd.services.authority_input import DEFAULT_CONCURRENCY


class CertificateAuthorityChange(BaseModel):
    """
    Settings of a certificate authority that shall be others; those that are left out stay.
    """

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)

    name: str = Field("", description="only as it is: it can't be changed")
    url: str = Field("", description="another one needs the challenge, too")
    challenge: str = Field("", repr=False, description="its static challenge; never shown again")
    max_concurrency: int = Field(DEFAULT_CONCURRENCY, description="1 to 1000")
    ca_identifier: str | None = Field(None, description="sent as `message` of GetCACert")
    trusted_certificates: str | None = Field(None, description="PEM; null: the system's")
    allow_single_des: bool = Field(
        False, description="whether its answers may use single DES without a warning in the log"
    )
    requests_per_second: float | None = Field(None, description="0.1 to 10000; null: no limit")
    pinned_sha256: str | None = Field(None, description="hex; null: no pin")
    client_certificate: str | None = Field(
        None, repr=False, description="PEM; null: neither it nor its key"
    )
    client_key: str | None = Field(None, repr=False, description="PEM; never shown again")
    outgoing_proxy: str | None = Field(
        None, description="another one needs the challenge, too; null: none"
    )

    challenge_mode: str = Field("static", description="static or one_time")
    webhook_id: str | None = Field(None, description="null: no webhook")
    webhook_secret: str | None = Field(None, repr=False, description="base64; never shown")

    def change(self) -> AuthorityChange:
        """
        As the service takes it.
        """
        return AuthorityChange(
            {name: getattr(self, name) for name in sorted(self.model_fields_set)}
        )


class CACertificateView(BaseModel):
    """
    One certificate of a GetCACert answer.
    """

    subject: str
    sha256: str = Field(description="hex")
    not_after: datetime
    is_ca: bool = Field(description="whether it says that it is a certificate authority's")

    @classmethod
    def of(cls, der: bytes) -> CACertificateView:
        """
        The view of a certificate.
        """
        summary = summarize(der)
        return cls(
            subject=summary.subject,
            sha256=summary.sha256,
            not_after=summary.not_after,
            is_ca=summary.is_ca,
        )
