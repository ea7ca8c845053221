"""
The certificates of hosts as operators see them: where each stands, and why.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from twisted.internet.interfaces import IReactorTime

from scepd.model import (
    EXPIRING_DAYS,
    Breaker,
    BreakerState,
    CertificateQuery,
    CertificateState,
    WatchedCertificate,
)
from scepd.ports import BreakerStore, RenewalStore
from scepd.profiles.lifecycle import Status
from scepd.services.breakers import unreachable
from scepd.services.clock import utc_now

EXPIRING = timedelta(days=max(EXPIRING_DAYS))
"""
How soon a certificate expires that is called expiring, unless an operator says.
"""
_OUTAGE = "certificate authority unreachable"


@dataclass(frozen=True, slots=True)
class CertificateStatus:
    """
    Where the certificate of a profile on a host stands.

    :param reason: why it is not renewed yet, or what it waits for; empty when all is well.
    """

    watched: WatchedCertificate
    state: CertificateState
    reason: str


class ManagedCertificates:
    """
    Looking at certificates that came with profiles.
    """

    def __init__(self, store: RenewalStore, breakers: BreakerStore, clock: IReactorTime) -> None:
        self._store = store
        self._breakers = breakers
        self._clock = clock

    async def list(
        self,
        state: CertificateState,
        *,
        within: timedelta = EXPIRING,
        host_uuid: str | None = None,
        retired: bool = False,
        after: tuple[datetime, str, str] | None = None,
        limit: int = 100,
    ) -> Sequence[CertificateStatus]:
        """
        A page of those in a state: the longest overdue first, else the soonest expiry.

        :param within: of EXPIRING: the time within which they expire.
        :param host_uuid: only those of this host.
        :param retired: whether those before them come along.
        :param after: the place of the last one of the page before.
        """
        now = utc_now(self._clock)
        query = CertificateQuery(state, now, now + within, host_uuid, retired, after, limit)
        found = await self._store.watched(query)
        out: dict[str, Breaker] = {}
        if found:
            out = {breaker.ca_name: breaker for breaker in await self._breakers.breakers()}
        return [
            CertificateStatus(
                one,
                state_of(one, now, within),
                reason_of(one, now, out.get(one.assignment.ca_name or "")),
            )
            for one in found
        ]


def state_of(watched: WatchedCertificate, now: datetime, within: timedelta) -> CertificateState:
    """
    The worst of the states of a certificate.

    :param within: how soon one expires that is expiring.
    """
    expires_at, overdue_at = watched.expires_at, watched.overdue_at
    if expires_at is not None and expires_at <= now:
        return CertificateState.EXPIRED
    if overdue_at is not None and overdue_at <= now:
        return CertificateState.OVERDUE
    if expires_at is not None and expires_at <= now + within:
        return CertificateState.EXPIRING
    return CertificateState.CURRENT


def reason_of(watched: WatchedCertificate, now: datetime, breaker: Breaker | None) -> str:
    """
    Why there is no newer certificate yet, for operators; empty when none is needed.

    :param breaker: of its certificate authority, if anything is known against it.
    """
    row = watched.assignment
    is_pending = row.status == Status.PENDING.value
    if is_pending and breaker is not None and breaker.state is not BreakerState.CLOSED:
        outage = unreachable(breaker)
        is_said = not row.detail or row.detail.startswith(_OUTAGE)
        return outage if is_said else f"{outage}; before: {row.detail}"
    return row.detail or (_pending(watched, now) if is_pending else _settled(watched, now))


def _pending(watched: WatchedCertificate, now: datetime) -> str:
    row = watched.assignment
    if row.due_at is not None:
        return (
            "the delivery waits for its turn" if row.due_at <= now else "the delivery is due later"
        )
    if row.delivered_at is not None:
        return f"the device got the profile at {row.delivered_at:%Y-%m-%dT%H:%M:%SZ}, no answer yet"
    return "the profile waits until the device asks for it"


def _settled(watched: WatchedCertificate, now: datetime) -> str:
    row = watched.assignment
    if row.status == Status.VERIFYING.value and row.acknowledged_at is not None:
        since = f"{row.acknowledged_at:%Y-%m-%dT%H:%M:%SZ}"
        return f"the device acknowledged it at {since}; no inventory showed its certificate"
    if watched.renew_at is not None and watched.renew_at <= now:
        return "the renewal begins with the next look"
    return ""
