"""
Enrollment windows and the exchanges that pass through them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum


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
    :param token_sha256: hex, of the token that the URL must end with; None: any URL will do.
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
    token_sha256: str | None = None


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
    :param failure: how the certificate authority failed, or what kept the request from it: a word
        that is a metric's label, too; None: neither.
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
    failure: str | None = None
