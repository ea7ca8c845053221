"""
The identities of hosts as operators see them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from twisted.internet.interfaces import IReactorTime

from scepd.model import DeviceIdentity
from scepd.ports import IdentityStore
from scepd.services.clock import utc_now
from scepd.services.identity_schedule import IdentitySchedule

_FINAL = frozenset({"Acknowledged", "Error", "cancelled", ""})


@dataclass(frozen=True, slots=True)
class HostIdentity:
    """
    An identity, and what is to become of it.

    :param state: ``new``, ``in use``, ``replaced``, ``revoked``, ``expired`` or ``ended``.
    :param renew_at: when it is renewed; None: it is not in use.
    :param renewal: ``none``, ``pending``, ``failing`` or ``done``.
    """

    identity: DeviceIdentity
    state: str
    renew_at: datetime | None
    renewal: str


class HostIdentities:
    """
    Looking at identities.

    :param grace: for which one that has expired is heard.
    """

    def __init__(
        self,
        store: IdentityStore,
        clock: IReactorTime,
        schedule: IdentitySchedule,
        grace: timedelta,
    ) -> None:
        self._store = store
        self._clock = clock
        self._schedule = schedule
        self._grace = grace

    async def of(self, host_uuid: str) -> Sequence[HostIdentity]:
        """
        The identities of a host, the newest first.
        """
        now = utc_now(self._clock)
        found = await self._store.identities(host_uuid)
        return [
            HostIdentity(one, self._state(one, now), self._renew_at(one), _renewal(one))
            for one in found
        ]

    def _state(self, one: DeviceIdentity, now: datetime) -> str:
        if one.revoked_at is not None:
            return "revoked"
        if one.retired_at is not None:
            return "replaced"
        if one.not_after is not None and one.not_after <= now:
            return "ended" if one.not_after + self._grace <= now else "expired"
        return "new" if one.confirmed_at is None else "in use"

    def _renew_at(self, one: DeviceIdentity) -> datetime | None:
        is_used = one.retired_at is None and one.confirmed_at is not None
        if not is_used or one.issued_at is None or one.not_after is None:
            return None
        return self._schedule.due_at(
            one.issued_at,
            one.not_after,
            one.issuer_replaced_at,
            one.host_uuid,
            one.certificate_sha256,
        )


def _renewal(one: DeviceIdentity) -> str:
    if one.renewal_command is None:
        return "none"
    if one.retired_at is not None:
        return "done"
    if one.renewal_status not in _FINAL:
        return "pending"
    return "failing"
