"""
What the admin API takes and answers.

The models hold types only: which values are allowed is for the services to say, so that all faults
are reported together.
"""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from scepd.model import EMBEDDED_CA, Activity, Breaker, CertificateAuthority, SCEPExchange
from scepd.services.authority_check import CheckReport, own_certificate
from scepd.services.authority_input import DEFAULT_CONCURRENCY, MASK, NewCertificateAuthority
from scepd.web.api.authority_models import CACertificateView
from scepd.web.api.breaker_models import BreakerView


class CertificateAuthorityInput(BaseModel):
    """
    A certificate authority to be added.
    """

    # Left-out fields are empty ones, so that they are reported together with the other faults.
    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        hide_input_in_errors=True,
        json_schema_extra={"required": ["name", "url"]},
    )

    name: str = Field("", description="1 to 255 of A-Z a-z 0-9 _; can't be changed later")
    url: str = Field("", description="absolute http or https URL of its SCEP service")
    challenge: str = Field(
        "", repr=False, description="its static challenge, needed with the mode static; never shown"
    )
    max_concurrency: int = Field(
        DEFAULT_CONCURRENCY, description="exchanges with it at one time, 1 to 1000"
    )
    ca_identifier: str | None = Field(None, description="sent as `message` of GetCACert")
    trusted_certificates: str | None = Field(None, description="PEM of the roots for its URL")
    allow_single_des: bool = Field(
        False, description="whether its answers may use single DES without a warning in the log"
    )
    requests_per_second: float | None = Field(
        None, description="the most requests to it in a second, 0.1 to 10000; null: no limit"
    )
    pinned_sha256: str | None = Field(
        None, description="fingerprint of the only certificate that its https URL may show, hex"
    )
    client_certificate: str | None = Field(
        None, repr=False, description="PEM of ours for its https URL"
    )
    client_key: str | None = Field(
        None, repr=False, description="PEM of its private key, not encrypted; never shown again"
    )
    outgoing_proxy: str | None = Field(
        None, description="http://host:port of the HTTP proxy on the way to it"
    )
    challenge_mode: str = Field("static", description="static or one_time")
    webhook_id: str | None = Field(
        None, description="of the webhook by which it asks about one-time challenges"
    )
    webhook_secret: str | None = Field(
        None, repr=False, description="what the webhook signs with, in base64; never shown"
    )

    def described(self) -> NewCertificateAuthority:
        """
        As the service takes it.
        """
        return NewCertificateAuthority(
            **{name: getattr(self, name) for name in type(self).model_fields}
        )


class CertificateAuthorityView(BaseModel):
    """
    A stored certificate authority.
    """

    name: str
    url: str
    challenge: str | None = Field(description="the mask ********; null when it has none")
    ca_identifier: str | None
    trusted_certificates: str | None
    max_concurrency: int
    allow_single_des: bool
    subject: str | None = Field(description="of its own certificate")
    sha256: str | None = Field(description="fingerprint of its own certificate, hex")
    not_after: datetime | None = Field(description="when its own certificate expires")
    capabilities: list[str] = Field(description="GetCACaps; empty when it gave none")
    checked_at: datetime
    created_at: datetime
    requests_per_second: float | None
    pinned_sha256: str | None = Field(description="64 lower-case hex digits")
    client_certificate: str | None
    client_key: str | None = Field(description="the mask ********; null: there is none")
    outgoing_proxy: str | None
    challenge_mode: str = Field(description="static or one_time")
    webhook_id: str | None
    built_in: bool = Field(description="whether it is scepd's own, which can't be changed")
    breaker: BreakerView

    @classmethod
    def of(cls, ca: CertificateAuthority, breaker: Breaker) -> CertificateAuthorityView:
        """
        The view of a stored record.
        """
        own = own_certificate(ca.certificates)
        return cls(
            name=ca.name,
            url=ca.url,
            challenge=MASK if ca.challenge else None,
            ca_identifier=ca.ca_identifier,
            trusted_certificates=ca.trusted_certificates,
            max_concurrency=ca.max_concurrency,
            allow_single_des=ca.allow_single_des,
            subject=own.subject if own else None,
            sha256=own.sha256 if own else None,
            not_after=own.not_after if own else None,
            capabilities=list(ca.capabilities),
            checked_at=ca.checked_at,
            created_at=ca.created_at,
            requests_per_second=ca.requests_per_second,
            pinned_sha256=ca.pinned_sha256,
            client_certificate=ca.client_certificate,
            client_key=None if ca.client_key is None else MASK,
            outgoing_proxy=ca.outgoing_proxy,
            challenge_mode=ca.challenge_mode.value,
            webhook_id=ca.webhook_id,
            built_in=ca.name == EMBEDDED_CA,
            breaker=BreakerView.of(breaker),
        )


class CertificateAuthorityList(BaseModel):
    """
    A page of certificate authorities, by name.
    """

    items: list[CertificateAuthorityView]
    next: str | None = Field(description="the `after` of the next page; null at the end")


class CertificateAuthorityCheck(BaseModel):
    """
    What the live check of a certificate authority brought.
    """

    name: str
    subject: str = Field(description="of its own certificate")
    sha256: str = Field(description="fingerprint of its own certificate, hex")
    not_after: datetime = Field(description="when its own certificate expires")
    capabilities: list[str]
    warnings: list[str] = Field(description="sentences about what works but is unwise")
    checked_at: datetime
    fingerprint_changed: bool = Field(description="another certificate than at the last check")
    previous_sha256: str | None = Field(description="its fingerprint before, when that changed")
    certificates: list[CACertificateView] = Field(description="all of GetCACert, as they came")

    @classmethod
    def of(cls, report: CheckReport) -> CertificateAuthorityCheck:
        """
        The view of a report.
        """
        own = report.certificates.authority
        return cls(
            name=report.ca,
            subject=own.subject,
            sha256=own.sha256,
            not_after=own.not_after,
            capabilities=list(report.capabilities),
            warnings=list(report.warnings),
            checked_at=report.checked_at,
            fingerprint_changed=report.fingerprint_changed,
            previous_sha256=report.previous_sha256,
            certificates=[CACertificateView.of(der) for der in report.certificates.ders],
        )


class ExchangeView(BaseModel):
    """
    One PKIOperation that came to the proxy.
    """

    id: str = Field(description="the request id of its log lines")
    host_uuid: str
    profile_uuid: str
    ca_name: str
    message_type: str | None = Field(description="of the request: PKCSReq, RenewalReq, …")
    transaction_id: str | None
    pki_status: str | None = Field(description="of the answer: SUCCESS, FAILURE, PENDING")
    fail_info: str | None = Field(description="of the answer: badAlg, …")
    http_status: int = Field(description="what the device was answered; 0: it had gone")
    detail: str = Field(description="what went wrong; empty when nothing did")
    started_at: datetime
    milliseconds: int
    failure: str | None = Field(
        description="of the CA or the way to it: dns, address, refused, tls, timeout, status, "
        "rejected, body, closed, breaker, queue, rate"
    )

    @classmethod
    def of(cls, exchange: SCEPExchange) -> ExchangeView:
        """
        The view of a stored record.
        """
        return cls(**{name: getattr(exchange, name) for name in cls.model_fields})


class ExchangeList(BaseModel):
    """
    A page of exchanges, newest first.
    """

    items: list[ExchangeView]
    next: datetime | None = Field(description="the `before` of the next page; null at the end")


class ActivityView(BaseModel):
    """
    A change that an operator made.
    """

    id: int
    at: datetime
    actor: str = Field(description="the name of the API token")
    action: str = Field(description="a verb and a noun")
    subject: str = Field(description="the name of what was changed")

    @classmethod
    def of(cls, number: int, activity: Activity) -> ActivityView:
        """
        The view of a stored record.
        """
        return cls(
            id=number,
            at=activity.at,
            actor=activity.actor,
            action=activity.action,
            subject=activity.subject,
        )


class ActivityList(BaseModel):
    """
    A page of activities, newest first.
    """

    items: list[ActivityView]
    next: int | None = Field(description="the `before` of the next page; null at the end")


class Status(BaseModel):
    """
    The state of the server.
    """

    version: str
    now: datetime = Field(description="by the server's clock")
    database: str = Field(description="ok; when it is not, this is a problem with status 503")
    certificate_authorities: int = Field(description="how many there are")
