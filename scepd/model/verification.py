"""
What proves that a profile arrived, and the certificates that did.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from scepd.model.mdm import RowVersion


@dataclass(frozen=True, slots=True)
class ManagedCertificate:
    """
    A certificate on a host that came with a profile.

    :param sha1: of the certificate, hex: all that osquery tells.
    :param serial: of the certificate, upper-case hex.
    :param source: ``osquery`` or ``MDM``.
    :param first_seen: when an inventory first showed it.
    :param renew_at: when a newer one should be delivered.
    :param retired_at: when a newer one was seen, or the host or the profile left; None: it counts.
    :param sha256: of the certificate, hex; empty until MDM listed it.
    :param window_number: of the newest of the host's deliveries that the inventory which first
        showed it was compared with: later ones did not bring it.
    :param shared: it is recorded as another profile's, and stands for this one's, too, as nothing
        tells whose it is; of no use but to be proved by.
    """

    host_uuid: str
    sha1: str
    profile_uuid: str
    ca_name: str
    subject: str
    issuer: str
    serial: str
    not_before: datetime
    not_after: datetime
    source: str
    first_seen: datetime
    renew_at: datetime
    retired_at: datetime | None = None
    sha256: str = ""
    window_number: int = 0
    shared: bool = False


@dataclass(frozen=True, slots=True)
class Delivery:
    """
    A profile that was handed to a host, for matching with an inventory.

    :param content: the profile with its variables.
    :param window_opened_at: when its enrollment window was opened; None: it needs no certificate.
    :param granted: whether the proxy saw a CertRep SUCCESS in that window.
    :param known_sha1s: of certificates that were recorded for this host before the window opened,
        and of the identities of its enrollments.
    :param scope: ``User``: it went by the user channel of a Mac; users have lists of their own.
    :param detail: what operators are told of it.
    :param listed_at: when an inventory without dates listed it last; before ``acknowledged_at``
        it proves nothing.
    :param certified: whether its certificate was recorded since the window opened, and still
        counts.
    :param vouched: whether osquery's newest inventory showed that certificate.
    :param version: of the assignment, when this was read.
    :param window_number: of its enrollment window; those of a host are counted as they are opened.
    :param own_sha1s: of the certificates that count as those of the profile, of whichever delivery.
    :param others_sha1s: of those that count as another profile's.
    """

    profile_uuid: str
    profile_identifier: str
    content: bytes = field(repr=False)
    ca_name: str | None
    status: str
    delivered_at: datetime
    acknowledged_at: datetime | None
    window_opened_at: datetime | None
    granted: bool
    known_sha1s: frozenset[str]
    scope: str = "System"
    detail: str = ""
    listed_at: datetime | None = None
    certified: bool = False
    vouched: bool = False
    version: RowVersion = field(default_factory=RowVersion, compare=False)
    window_number: int = 0
    own_sha1s: frozenset[str] = frozenset()
    others_sha1s: frozenset[str] = frozenset()
