"""
The identities by which devices sign, and their renewal.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class LookedAtIdentity:
    """
    An identity in use that may have to be renewed.

    :param certificate_sha256: hex.
    :param issuer_replaced_at: since when the certificate authority issues with another certificate
        than the one that this was issued with; None: it does not.
    :param failures: of its renewal, in a row.
    :param pending: whether a command that renews it waits for its final result.
    """

    certificate_sha256: str
    enrollment_id: str
    host_uuid: str
    issued_at: datetime
    not_after: datetime
    issuer_replaced_at: datetime | None
    failures: int
    pending: bool


@dataclass(frozen=True, slots=True)
class PendingRenewal:
    """
    A renewal whose command is handed over, or was answered.

    :param topic: that the device enrolled with; None: it never said.
    :param failures: before, in a row.
    :param done: whether the device has begun to use an identity that was issued since the command
        was queued.
    """

    enrollment_id: str
    host_uuid: str
    topic: str | None
    not_after: datetime
    failures: int
    done: bool


@dataclass(frozen=True, slots=True)
class RenewalAnswer:
    """
    What came of a command that renews an identity.

    :param detail: what went wrong.
    :param look_at: when it is to be looked at again.
    :param failed: whether the device has not got another identity; then the one that it had counts
        again.
    """

    detail: str
    look_at: datetime
    failed: bool


@dataclass(frozen=True, slots=True)
class DeviceIdentity:
    """
    An identity of a host as operators see it.

    :param certificate_sha256: hex.
    :param serial: of the certificate, hex; empty: its record of issue is gone.
    :param confirmed_at: since when the device uses it; None: it has signed nothing yet.
    :param retired_at: since when another one has its place; None: none has.
    :param renewal_command: the command that renews it; None: none did so far.
    :param renewal_status: of that command; empty: there is none, or it is forgotten.
    :param renewal_begun_at: when that command was queued.
    :param renewal_failures: in a row.
    :param renewal_detail: what went wrong last; empty: nothing did.
    """

    certificate_sha256: str
    enrollment_id: str
    host_uuid: str
    serial: str
    subject: str
    issued_at: datetime | None
    not_after: datetime | None
    issuer_replaced_at: datetime | None
    pinned_at: datetime
    confirmed_at: datetime | None
    retired_at: datetime | None
    revoked_at: datetime | None
    look_at: datetime | None
    renewal_command: str | None
    renewal_status: str
    renewal_begun_at: datetime | None
    renewal_failures: int
    renewal_failed_at: datetime | None
    renewal_detail: str


@dataclass(frozen=True, slots=True)
class IdentityCounts:
    """
    How the identities of enabled enrollments are.

    :param expiring: how many expire by each of the moments that were asked for.
    :param expired: how many have expired.
    :param failing: of how many the renewal failed, and has not succeeded since.
    """

    expiring: tuple[int, ...]
    expired: int
    failing: int
