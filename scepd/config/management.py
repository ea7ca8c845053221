"""
The sections of what happens to devices: their identities, profiles, proofs and renewals.
"""

from __future__ import annotations

from ipaddress import ip_network
from typing import Literal

from pydantic import Field, field_validator

from scepd.config.fields import (
    EXTERNAL_URL,
    EXTERNAL_URL_SAYS,
    FILE,
    FLAG,
    ConfiguredPath,
    Section,
    count,
    days,
    resolve,
    seconds,
)

_YEAR = 365 * 86400


class CASection(Section):
    """
    ``[ca]``: the embedded certificate authority.
    """

    challenge_file: ConfiguredPath | None = Field(None, description=FILE)
    key_bits: int = Field(3072, ge=2048, le=8192, description="2048 to 8192")
    identity_lifetime: float = seconds(5 * _YEAR, 10 * _YEAR)
    certificate_lifetime: float = seconds(_YEAR, 10 * _YEAR)
    allow_single_des: bool = Field(False, description=FLAG)
    allow_3des: bool = Field(True, description=FLAG)
    allow_sha1: bool = Field(True, description=FLAG)
    allow_sha1_requests: bool = Field(False, description=FLAG)
    allow_small_keys: bool = Field(False, description=FLAG)
    approval: Literal["automatic", "manual"] = Field(
        "automatic", description='"automatic" or "manual"'
    )
    crl_url: str | None = Field(
        None,
        pattern=r"^https?://[A-Za-z0-9.:_\[\]-]+/[A-Za-z0-9/._~%-]*$",
        max_length=500,
        description="an http:// or https:// URL without a query, of at most 500 characters",
    )
    crl_lifetime: float = seconds(604_800, 31_536_000)
    keep_certificates: float = days(30)

    _resolve_paths = field_validator("challenge_file")(resolve)


class ProfilesSection(Section):
    """
    ``[profiles]``: configuration profiles and their delivery.
    """

    max_size: int = count(1_048_576, 16_777_216, least=4096, unit=" of bytes")
    tick: float = seconds(30, 3600)
    deliveries_per_tick: int = count(100, 1_000_000, least=0)
    retry_waits: list[int] = Field(
        default=[60, 300, 1800],
        min_length=1,
        max_length=10,
        description="a list of 1 to 10 whole numbers of seconds",
    )
    max_retries: int = count(3, 100, least=0)
    window: float = seconds(3600, 604_800)


class OsquerySection(Section):
    """
    ``[osquery]``: the agents that prove what arrived.
    """

    enroll_secret_file: ConfiguredPath | None = Field(None, description=FILE)

    _resolve_paths = field_validator("enroll_secret_file")(resolve)


class VerificationSection(Section):
    """
    ``[verification]``: when hosts are asked what they have, and how long they may take.
    """

    interval: float = seconds(3600, 604_800)
    after_acknowledgement: float = seconds(60, 86_400)
    grace: float = seconds(3600, 604_800)
    agent_silence: float = seconds(7200, 604_800)


class RenewalSection(Section):
    """
    ``[renewal]``: newer certificates before the old ones expire.
    """

    interval: float = seconds(3600, 86_400)
    days_left: float = Field(30.0, gt=0, le=3650, description="a number of days above 0")
    first_retry: int = count(3600, 604_800, unit=" of seconds")
    longest_retry: int = count(86_400, 2_592_000, unit=" of seconds")
    overdue_after: float = seconds(259_200, 31_536_000)
    unseen_after: float = seconds(14_400, 2_592_000)


class MDMSection(Section):
    """
    ``[mdm]``: the management of devices.
    """

    keep_commands: float = Field(90.0, gt=0, le=3650, description="a number of days above 0")
    unanswered_patience: int = count(3, 1000)
    unanswered_offers: int = count(10, 1000)
    unanswered_time: float = seconds(28_800, 2_592_000)
    external_url: str | None = Field(None, pattern=EXTERNAL_URL, description=EXTERNAL_URL_SAYS)
    sign_message: bool = Field(True, description=FLAG)
    client_certificate_header: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9-]{1,64}$",
        description="the name of a header, of at most 64 letters, digits and hyphens",
    )
    trusted_proxies: list[str] | None = Field(
        None,
        min_length=1,
        max_length=100,
        description='a list of addresses and networks, such as "127.0.0.1" or "10.1.0.0/16" but '
        'not all addresses, or "unix"',
    )
    identity_days_left: float = Field(30.0, gt=0, le=3650, description="a number of days above 0")
    identity_interval: float = seconds(3600, 86_400)
    identity_retry: float = seconds(3600, 86_400)
    expired_identity_grace: float = Field(
        180.0, ge=0, le=3650, description="a number of days, 0 or more"
    )
    signing_certificate_file: ConfiguredPath | None = Field(
        None, description=FILE + " (PEM, chain included)"
    )
    signing_key_file: ConfiguredPath | None = Field(None, description=FILE + " (PEM)")
    device_ca_file: ConfiguredPath | None = Field(None, description=FILE + " (PEM)")

    _resolve_paths = field_validator(
        "signing_certificate_file", "signing_key_file", "device_ca_file"
    )(resolve)

    @field_validator("trusted_proxies")
    @classmethod
    def _check_networks(cls, names: list[str] | None) -> list[str] | None:
        for name in names or ():
            if name != "unix" and ip_network(name).prefixlen == 0:
                raise ValueError("everybody would be believed")
        return names

    def fault(self, *, mtls: bool) -> str | None:
        """
        What is wrong with the keys together, if anything.

        :param mtls: whether there is a listener that asks for client certificates.
        """
        if (self.client_certificate_header is None) != (self.trusted_proxies is None):
            return "client_certificate_header and trusted_proxies are set together, or none"
        if self.unanswered_offers < self.unanswered_patience:
            return (
                f"unanswered_offers: found {self.unanswered_offers}; allowed: not fewer than "
                f"unanswered_patience, which is {self.unanswered_patience}"
            )
        if self.sign_message or self.client_certificate_header is not None:
            return None
        if mtls and self.external_url is not None:
            return None
        return (
            "sign_message: found false; allowed only with another proof of identity: "
            "client_certificate_header, or [listen] mdm_mtls and its external_url here"
        )
