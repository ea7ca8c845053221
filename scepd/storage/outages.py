"""
How long a delivery waits that failed as its certificate authority gave no answer.

A breaker holds deliveries back while the certificate authority is out for all. What is seen for
some devices alone opens none: each of their deliveries is tried again for ever, and uncounted. So
the pause grows with the deliveries of the row that were in vain, one after the other.

These run inside a caller's unit of work.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from sqlalchemy import Connection, or_, select, update

from scepd.profiles.lifecycle import Status
from scepd.storage.tables import enrollment_window, host_profile, scep_exchange

_FIRST_PAUSE = timedelta(minutes=1)
_LONGEST_PAUSE = timedelta(minutes=30)
# Past so many every pause is the longest.
_MOST_DOUBLINGS = 10
# What is further apart has nothing to do with one another: the device was away.
_LONGEST_GAP = timedelta(hours=2)
# Ten days' worth of the longest pauses.
_MOST_DELIVERIES = 500
# The failure of an exchange whose request the certificate authority judged, though not by SCEP.
_REJECTED = "rejected"
_SINCE = "certificate authority without an answer since "
_WINDOWS, _EXCHANGES, _ROWS = enrollment_window.c, scep_exchange.c, host_profile.c


@dataclass(frozen=True, slots=True)
class Outage:
    """
    Deliveries to which the certificate authority gave no answer.

    :param since: when the first of them was handed over.
    :param count: of them, at least one.
    """

    since: datetime
    count: int = 1

    @property
    def pause(self) -> timedelta:
        """
        How long to wait for the next one.
        """
        doublings = min(self.count - 1, _MOST_DOUBLINGS)
        return min(_LONGEST_PAUSE, _FIRST_PAUSE * (1 << doublings))

    def detail(self, reason: str) -> str:
        """
        What an operator is told; a single one says no more than its reason.
        """
        return reason if self.count < 2 else f"{_SINCE}{self.since:%Y-%m-%dT%H:%M:%SZ}: {reason}"


def outage_of(connection: Connection, host_uuid: str, profile_uuid: str, now: datetime) -> Outage:
    """
    The newest deliveries of an assignment that asked and had no answer, one after the other; that
    which has failed now is one, whatever else is known of it.
    """
    answered = (
        select(_EXCHANGES.id)
        .where(
            _EXCHANGES.window_id == _WINDOWS.id,
            or_(_EXCHANGES.pki_status.is_not(None), _EXCHANGES.failure == _REJECTED),
        )
        .exists()
    )
    # A device that asked nothing, as it was away or scepd itself was, was in nobody's vain.
    asked = select(_EXCHANGES.id).where(_EXCHANGES.window_id == _WINDOWS.id).exists()
    newest_first = (
        select(_WINDOWS.opened_at, answered)
        .where(_WINDOWS.host_uuid == host_uuid, _WINDOWS.profile_uuid == profile_uuid, asked)
        .order_by(_WINDOWS.number.desc())
        .limit(_MOST_DELIVERIES)
    )
    times: list[datetime] = []
    for opened_at, is_answered in connection.execute(newest_first):
        if is_answered:
            break
        times.append(opened_at)
    if not times:
        return Outage(now)
    for count, (later, earlier) in enumerate(pairwise(times), start=1):
        if later - earlier > _LONGEST_GAP:
            return Outage(later, count)
    return Outage(times[-1], len(times))


def end_pauses(connection: Connection, ca_name: str, now: datetime) -> None:
    """
    A certificate authority is back: what waits a longer pause for it is due, the longest waiting
    first. What is due anyway, which may be a whole fleet, is not read.
    """
    connection.execute(
        update(host_profile)
        .where(
            _ROWS.ca_name == ca_name,
            _ROWS.status == Status.PENDING.value,
            # The conditions of the index of what can be delivered.
            _ROWS.due_at.is_not(None),
            _ROWS.enrollment_id.is_not(None),
            _ROWS.due_at > now,
            _ROWS.detail.startswith(_SINCE, autoescape=True),
        )
        .values(due_at=_ROWS.changed_at)
    )
