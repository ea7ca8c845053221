"""
What an inventory says of one delivery: pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from scepd.model import Delivery
from scepd.profiles.lifecycle import Event, Status
from scepd.profiles.matching import CertificateMatch, Listing, MatchOutcome, listing_of
from scepd.profiles.transitions import NOT_IDENTIFIED

_NO_PROFILE = "the host's inventory does not show the profile"
_NO_CERTIFICATE = "the host's inventory shows the profile, but not its certificate"
_JUDGED = (Status.VERIFYING.value, Status.VERIFIED.value)


@dataclass(frozen=True, slots=True)
class Verdict:
    """
    What became of a delivery.

    :param event: by the lifecycle table; None: nothing.
    :param detail: the reason where the table asks for one.
    :param is_doubtful: whether only an inventory over MDM can tell more.
    """

    event: Event | None = None
    detail: str = ""
    is_doubtful: bool = False


_NOTHING = Verdict()
_DOUBT = Verdict(is_doubtful=True)


@dataclass(frozen=True, slots=True)
class Evidence:
    """
    What is known when a delivery is judged.

    :param profiles: identifier and time of installation of each profile of the host that may be
        of the delivery's scope; None: that is not known.
    :param match: what the certificates of the host say; None: nothing.
    :param is_exact: whether that is the device's own word, by MDM, with whole certificates.
    :param is_whole: whether no certificate was left out.
    :param now: aware.
    :param grace: how long after the acknowledgement what is missing is not missing yet.
    """

    profiles: Sequence[tuple[str, datetime | None]] | None
    match: CertificateMatch | None
    is_exact: bool
    is_whole: bool
    now: datetime
    grace: timedelta

    def is_past(self, delivery: Delivery, times: int = 1) -> bool:
        """
        Whether so many times the grace of a delivery is past.
        """
        acknowledged = delivery.acknowledged_at
        return acknowledged is not None and self.now >= acknowledged + times * self.grace


class _Presence(Enum):
    """
    Whether the delivered profile is on the host.
    """

    PRESENT = "present"
    DOUBTFUL = "doubtful"
    MISSING = "missing"
    UNKNOWN = "unknown"


def verdict(delivery: Delivery, evidence: Evidence) -> Verdict:
    """
    Judge a delivery.
    """
    certified = _is_certified(delivery, evidence)
    presence = _presence(delivery, evidence, certified=certified)
    if presence is _Presence.MISSING:
        return _missed(delivery, Event.PROFILE_MISSED, evidence)
    if presence is not _Presence.PRESENT:
        return _in_doubt(delivery)
    if certified:
        return _proved(delivery)
    if evidence.match is None:
        return _in_doubt(delivery)
    return _without_certificate(delivery, evidence, evidence.match)


def _is_certified(delivery: Delivery, evidence: Evidence) -> bool:
    """
    Whether its certificate was seen, or it brings none.
    """
    if delivery.ca_name is None:
        return True
    if evidence.match is not None and evidence.match.outcome is MatchOutcome.PROVED:
        return True
    # One that was seen and then lost is missed once the delivery is verified, not before. Where
    # something was missed already, what was recorded before that proves nothing.
    unsaid = evidence.match is None and delivery.status == Status.VERIFIED.value
    return delivery.certified and (unsaid or delivery.status == Status.VERIFYING.value)


def _presence(delivery: Delivery, evidence: Evidence, *, certified: bool) -> _Presence:
    acknowledged = delivery.acknowledged_at
    if evidence.profiles is None:
        listed_at = delivery.listed_at
        was_listed = acknowledged is not None and listed_at is not None
        if was_listed and listed_at >= acknowledged:  # type: ignore[operator]
            return _Presence.PRESENT
        return _Presence.UNKNOWN
    found = listing_of(
        delivery.profile_identifier, delivery.delivered_at, evidence.now, evidence.profiles
    )
    if found is Listing.DATED:
        return _Presence.PRESENT
    if found is Listing.MISSING:
        return _Presence.MISSING
    # Without a date to go by, the proof is the acknowledgement, the listing and the certificate.
    has_proof = certified and delivery.ca_name is not None
    if acknowledged is not None and (evidence.is_exact or has_proof):
        return _Presence.PRESENT
    return _Presence.DOUBTFUL


def _in_doubt(delivery: Delivery) -> Verdict:
    return _DOUBT if delivery.status == Status.VERIFYING.value else _NOTHING


def _proved(delivery: Delivery) -> Verdict:
    if delivery.status == Status.VERIFIED.value and delivery.detail != NOT_IDENTIFIED:
        return _NOTHING
    return Verdict(Event.INVENTORY_PROVED)


def _without_certificate(
    delivery: Delivery, evidence: Evidence, match: CertificateMatch
) -> Verdict:
    """
    What was granted is never delivered again only because it can't be told from the others.
    """
    if not delivery.granted:
        return _missed(delivery, Event.CERTIFICATE_MISSED, evidence)
    is_surely_missing = match.outcome is MatchOutcome.NOT_YET and evidence.is_whole
    is_verifying = delivery.status == Status.VERIFYING.value
    if evidence.is_exact:
        if is_surely_missing and not delivery.vouched:
            return _missed(delivery, Event.CERTIFICATE_MISSED, evidence)
        return Verdict(Event.CERTIFICATE_NOT_IDENTIFIED) if is_verifying else _NOTHING
    if is_verifying and evidence.is_past(delivery, times=2):
        # CertificateList was asked, and the device does not answer it.
        return Verdict(Event.CERTIFICATE_NOT_IDENTIFIED, is_doubtful=True)
    return _DOUBT if is_verifying or is_surely_missing else _NOTHING


def _missed(delivery: Delivery, event: Event, evidence: Evidence) -> Verdict:
    """
    What is missing before the device acknowledged is not missing.
    """
    if delivery.status not in _JUDGED:
        return _NOTHING
    past = evidence.is_past(delivery)
    if event is Event.PROFILE_MISSED:
        return Verdict(Event.PROFILE_MISSED_PAST_GRACE if past else event, _NO_PROFILE)
    return Verdict(Event.CERTIFICATE_MISSED_PAST_GRACE if past else event, _NO_CERTIFICATE)
