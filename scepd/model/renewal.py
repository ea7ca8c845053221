"""
The certificates that are renewed: where each stands, and how many stand where.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from scepd.model.profiles import HostProfile
from scepd.model.verification import ManagedCertificate

EXPIRING_DAYS = (7, 14, 30)
"""
Within how many days certificates are counted as expiring.
"""


class CertificateState(Enum):
    """
    Where a certificate stands; the value is what operators write.
    """

    CURRENT = "current"
    """It was seen, and no newer one was."""
    EXPIRING = "expiring"
    """It is a current one with little time left."""
    OVERDUE = "overdue"
    """Its renewal was due long ago, or it was delivered and never seen."""
    EXPIRED = "expired"
    """It expired, and no newer one was seen."""


class Alarm(Enum):
    """
    What operators were told of an assignment's certificate last; the value is stored.
    """

    NONE = ""
    OVERDUE = "overdue"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class WatchedCertificate:
    """
    The certificate of a profile on an enrolled host.

    :param serial_number: of the host.
    :param renew_at: when a newer one should be delivered; None: nobody knows, as none was seen.
    :param expires_at: when it expires; None likewise.
    :param overdue_at: since when operators have to care, or from when on; None: nothing was
        delivered yet.
    :param certificate: the one that counts, if one was seen.
    :param retired: those before it, the newest first, where they were asked for.
    """

    assignment: HostProfile
    serial_number: str
    renew_at: datetime | None
    expires_at: datetime | None
    overdue_at: datetime | None
    certificate: ManagedCertificate | None
    retired: tuple[ManagedCertificate, ...] = ()


@dataclass(frozen=True, slots=True)
class CertificateQuery:
    """
    Which certificates are wanted.

    :param expires_before: of EXPIRING: the end of the time in which they expire.
    :param host_uuid: only those of this host.
    :param retired: whether those before them come along.
    :param after: the place (time, host, profile) of the last one of the page before.
    """

    state: CertificateState
    now: datetime
    expires_before: datetime
    host_uuid: str | None = None
    retired: bool = False
    after: tuple[datetime, str, str] | None = None
    limit: int = 100


@dataclass(frozen=True, slots=True)
class OverdueCase:
    """
    What operators have to be told, once.

    :param alarm: OVERDUE or EXPIRED.
    :param is_unseen: whether no certificate of the last delivery was seen.
    :param detail: of the assignment.
    """

    host_uuid: str
    profile_uuid: str
    alarm: Alarm
    is_unseen: bool
    detail: str


@dataclass(frozen=True, slots=True)
class CertificateCounts:
    """
    How many certificates stand where.

    :param expiring: by the days within which they expire; those of a shorter time are among those
        of a longer one.
    :param overdue: those that have expired are among them.
    """

    expiring: Mapping[int, int]
    overdue: int
    expired: int
