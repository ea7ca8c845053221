"""
Frozen records that storage and services share. Times are aware datetimes in UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

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


def challenge_place(ca_name: str) -> SecretPlace:
    """
    Where the challenge of the certificate authority ``ca_name`` is stored.
    """
    return SecretPlace("certificate_authority", "challenge", ca_name)


@dataclass(frozen=True, slots=True)
class Profile:
    """
    A configuration profile as an operator uploaded it.

    :param uuid: ``a`` and a UUID; kept when the content is replaced.
    :param identifier: PayloadIdentifier, unique.
    :param content: the original bytes, with variables.
    :param sha256: of the content, hex.
    :param scope: PayloadScope, ``System`` or ``User``.
    :param target_label: hosts with this label get it; None: all hosts.
    :param ca_names: the certificate authorities that its variables name.
    """

    uuid: str
    identifier: str
    display_name: str
    content: bytes = field(repr=False)
    sha256: str
    scope: str
    target_label: str | None
    ca_names: tuple[str, ...]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Host:
    """
    An Apple device that is, or was, managed.

    :param uuid: Apple's UDID.
    :param platform: ``macos``, ``ios`` or ``ipados``.
    :param labels: the labels it has, sorted.
    :param facts: what operators said of it, by the variable's name without ``FLEET_VAR_``.
    """

    uuid: str
    serial_number: str
    platform: str
    labels: tuple[str, ...]
    facts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class HostProfile:
    """
    That a host should have, or lose, a profile, and how far that got.

    :param operation: ``install`` or ``remove``.
    :param status: ``pending``, ``verifying``, ``verified`` or ``failed``.
    :param ca_name: the certificate authority that its certificate comes from, if any.
    :param detail: why, in a sentence; empty when there is nothing to say.
    :param due_at: when the processor should look at it; None: not by itself.
    """

    host_uuid: str
    profile_uuid: str
    operation: str
    status: str
    ca_name: str | None
    detail: str
    due_at: datetime | None


class WindowState(Enum):
    """
    The states of an enrollment window; see ``docs/scep-proxy.md``.
    """

    OPEN = "open"
    RESERVED = "reserved"
    LOCKED = "locked"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class EnrollmentWindow:
    """
    The permission to enroll that a delivery gives to (host, profile, certificate authority).

    :param id: a UUID; a fresh window replaces the old one at each delivery.
    :param deadline: after it nothing is admitted.
    :param reserved_by: the id of the exchange that holds it, while reserved.
    :param reserved_until: when that reservation ends by itself.
    :param signer_key_sha256: hex, of the SubjectPublicKeyInfo that a locked window admits; empty:
        none.
    :param transaction_id: what a locked window admits with that key.
    """

    id: str
    host_uuid: str
    profile_uuid: str
    ca_name: str
    state: WindowState
    opened_at: datetime
    deadline: datetime
    reserved_by: str | None = None
    reserved_until: datetime | None = None
    signer_key_sha256: str | None = None
    transaction_id: str | None = None


class Admission(Enum):
    """
    What a window says to a PKIOperation.
    """

    ADMITTED = "admitted"
    LOCKED = "locked"
    BUSY = "busy"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Reservation:
    """
    The answer of a window to an exchange that asks to be let through.

    :param admission: ADMITTED: the window is reserved for this exchange. LOCKED: it admits only
        ``signer_key_sha256``
        with ``transaction_id``; ask again with them. BUSY: another exchange holds it. CLOSED: none
        is to be had.
    :param window_id: the window that answered, if there is one.
    """

    admission: Admission
    window_id: str | None = None
    signer_key_sha256: str | None = None
    transaction_id: str | None = None


class WindowOutcome(Enum):
    """
    What an exchange leaves of the window that it had reserved.
    """

    REOPEN = "reopen"
    LOCK = "lock"
    LOCK_PENDING = "lock-pending"


@dataclass(frozen=True, slots=True)
class SCEPExchange:
    """
    The audit record of one PKIOperation through the proxy.

    :param id: a UUID; the request id of the log lines.
    :param message_type: of the request: ``PKCSReq``, ``RenewalReq``, …; None when it could not be
        read.
    :param pki_status: of the answer: ``SUCCESS``, ``FAILURE``, ``PENDING``; None when none was
        seen.
    :param fail_info: of the answer: ``badAlg``, …; None when there was none.
    :param http_status: what the device was answered; 0 when its connection had ended before.
    :param detail: what went wrong, in a sentence; empty when nothing did.
    :param milliseconds: from the device's headers to this record.
    """

    id: str
    host_uuid: str
    profile_uuid: str
    ca_name: str
    window_id: str | None
    message_type: str | None
    transaction_id: str | None
    pki_status: str | None
    fail_info: str | None
    http_status: int
    detail: str
    started_at: datetime
    milliseconds: int


@dataclass(frozen=True, slots=True)
class APIToken:
    """
    A bearer token of the admin API; only its SHA-256 is known.

    :param sha256: of the token's text, hex.
    :param role: ``admin``; further roles may follow.
    """

    sha256: str
    name: str
    role: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Activity:
    """
    A change that an operator made.

    :param actor: the name of the API token.
    :param action: a verb and a noun, such as ``added certificate authority``.
    :param subject: the name or id of what was changed.
    """

    at: datetime
    actor: str
    action: str
    subject: str
