"""
What an inventory says of one delivery: pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from scepd.model import Delivery
from scepd.profiles.lifecycle import Event, Status
from scepd.profiles.matching import CertificateMatch, MatchOutcome, is_delivered

_NO_PROFILE = "the host's inventory does not show the profile"
_NO_CERTIFICATE = "the host's inventory shows the profile, but not its certificate"


@dataclass(frozen=True, slots=True)
class Verdict:
    """
    An event, and the reason where the lifecycle table asks for one.
    """

    event: Event
    detail: str = ""


def verdict(
    delivery: Delivery,
    profiles: Sequence[tuple[str, datetime | None]] | None,
    match: CertificateMatch | None,
    *,
    past_grace: bool,
) -> Verdict | None:
    """
    Judge a delivery.

    :param profiles: identifier and time of installation of each profile of the host; None: that is
        not known.
    :param match: what the certificates of the host say; None: nothing.
    :param past_grace: whether the device acknowledged so long ago that what is missing is missing.
    :returns: what happened; None when nothing can be said.
    """
    if profiles is None:
        return None
    if not is_delivered(delivery.profile_identifier, delivery.delivered_at, profiles):
        return _missed(delivery, Event.PROFILE_MISSED, past_grace=past_grace)
    if delivery.ca_name is None:
        return _proved(delivery)
    if match is None:
        return None
    if match.outcome is MatchOutcome.PROVED:
        return _proved(delivery)
    return _without_certificate(delivery, past_grace=past_grace)


def _proved(delivery: Delivery) -> Verdict | None:
    if delivery.status == Status.VERIFIED.value:
        return None
    return Verdict(Event.INVENTORY_PROVED)


def _without_certificate(delivery: Delivery, *, past_grace: bool) -> Verdict | None:
    """
    What was granted is never delivered again only because it can't be told from the others.
    """
    if not delivery.granted:
        return _missed(delivery, Event.CERTIFICATE_MISSED, past_grace=past_grace)
    if delivery.status == Status.VERIFYING.value and past_grace:
        return Verdict(Event.CERTIFICATE_NOT_IDENTIFIED)
    return None


def _missed(delivery: Delivery, event: Event, *, past_grace: bool) -> Verdict | None:
    """
    What is missing before the device acknowledged is not missing.
    """
    if delivery.status not in (Status.VERIFYING.value, Status.VERIFIED.value):
        return None
    if event is Event.PROFILE_MISSED:
        event = Event.PROFILE_MISSED_PAST_GRACE if past_grace else event
        return Verdict(event, _NO_PROFILE)
    event = Event.CERTIFICATE_MISSED_PAST_GRACE if past_grace else event
    return Verdict(event, _NO_CERTIFICATE)
