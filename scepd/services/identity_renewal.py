"""
The renewal of device identities: before one expires the enrollment profile is sent again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from scepd.errors import Conflict, NotFound
from scepd.mdm.commands import INSTALL_PROFILE
from scepd.metrics import Metrics
from scepd.model import (
    ENROLLMENT_PROFILE,
    Activity,
    DeviceIdentity,
    Lease,
    LookedAtIdentity,
    QueuedCommand,
)
from scepd.ports import HostStore, IdentityStore
from scepd.services.clock import utc_now
from scepd.services.identity_schedule import IdentitySchedule
from scepd.services.leases import HeldLease, Leases

# Before the deliveries of profiles: without its identity a device gets none of them.
_PRIORITY = 50
# What waits for its device is looked at from time to time, should its command have ended unseen.
_PENDING_LOOK = timedelta(days=1)
_DAYS = (7, 14, 30)

_log = Logger()


@dataclass(frozen=True, slots=True)
class IdentityRenewalPorts:
    """
    What the renewal of identities needs from outside.

    :param new_id: makes the commands' uuids.
    :param wake_pushes: called when a push was wished.
    """

    identities: IdentityStore
    hosts: HostStore
    clock: IReactorTime
    new_id: Callable[[], str]
    wake_pushes: Callable[[], object]
    metrics: Metrics


class IdentityRenewal:
    """
    Queues renewals of identities, one at a time for each device.

    :param batch: at most so many in one transaction.
    :param most: at most so many in one run.
    """

    def __init__(
        self,
        ports: IdentityRenewalPorts,
        leases: Leases,
        schedule: IdentitySchedule,
        *,
        batch: int = 200,
        most: int = 10_000,
    ) -> None:
        self._ports = ports
        self._leases = leases
        self._schedule = schedule
        self._batch = batch
        self._most = most

    async def run(self) -> None:
        """
        Queue all renewals that are due, under the lease ``identity-renewal``, and count.

        :raises StorageUnavailable: the rest comes with the next run.
        """
        await self._leases.run("identity-renewal", self._renew)
        await self._count()

    async def begin(self, host_uuid: str, actor: str) -> QueuedCommand:
        """
        Renew the identity of a host now, whenever it is due; one that was begun is not begun again.

        :param actor: the operator.
        :returns: the command that was queued.
        :raises NotFound: there is no such host.
        :raises Conflict: it is not enrolled, its identity is revoked, or a renewal waits for it.
        """
        ports = self._ports
        if await ports.hosts.host(host_uuid) is None:
            raise NotFound("There is no host of this uuid.")
        # The enrollment of the device itself has the host's uuid as its id.
        held = await ports.identities.identities(host_uuid)
        current = next((one for one in held if _is_renewable(one, host_uuid)), None)
        if current is None:
            raise Conflict("The host has no identity to renew; it has to enroll (again).")
        command = self._command(host_uuid)
        done = Activity(command.created_at, actor, "renewed the identity", host_uuid)
        renewals = [(current.certificate_sha256, command)]
        begun = await ports.identities.begin_renewals(
            renewals, command.created_at + _PENDING_LOOK, activity=done
        )
        if not begun:
            raise Conflict("The host is not enrolled any more, or a renewal waits for it already.")
        self._began(command, host_uuid)
        return command

    async def begin_due(self, enrollment_id: str, certificate_sha256: str) -> QueuedCommand | None:
        """
        Renew the identity of a device that came with one that has expired, unless a renewal waits,
        or has just failed.

        :returns: the command that was queued.
        """
        command = self._command(enrollment_id)
        begun = await self._ports.identities.begin_renewals(
            [(certificate_sha256, command)], command.created_at + _PENDING_LOOK, only_due=True
        )
        if not begun:
            return None
        self._began(command, enrollment_id)
        return command

    async def _renew(self, held: HeldLease) -> None:
        seen = 0
        while seen < self._most:
            lease = await held.prolong()
            limit = min(self._batch, self._most - seen)
            now = utc_now(self._ports.clock)
            found = await self._ports.identities.due_looks(now, limit)
            await self._look(found, now, lease)
            seen += len(found)
            if len(found) < limit:
                return

    async def _look(self, found: Sequence[LookedAtIdentity], now: datetime, lease: Lease) -> None:
        later, due = [], []
        for one in found:
            look_at = self._later(one, now)
            if look_at is not None:
                later.append((one.certificate_sha256, look_at))
            else:
                due.append((one.certificate_sha256, self._command(one.enrollment_id)))
        if later:
            await self._ports.identities.look_again(later, lease)
        if due:
            identities = self._ports.identities
            begun = await identities.begin_renewals(due, now + _PENDING_LOOK, lease=lease)
            for command in begun:
                self._began(command, command.enrollment_id)

    def _later(self, one: LookedAtIdentity, now: datetime) -> datetime | None:
        """
        When an identity is looked at again; None: it is to be renewed.
        """
        if one.pending:
            return now + _PENDING_LOOK
        due_at = self._due_at(one)
        # What failed is tried again, also when an operator wanted it before its time.
        if due_at <= now or one.failures:
            return None
        return min(due_at, now + self._schedule.look_after)

    def _due_at(self, one: LookedAtIdentity) -> datetime:
        return self._schedule.due_at(
            one.issued_at,
            one.not_after,
            one.issuer_replaced_at,
            one.host_uuid,
            one.certificate_sha256,
        )

    def _command(self, enrollment_id: str) -> QueuedCommand:
        return QueuedCommand(
            self._ports.new_id(),
            enrollment_id,
            INSTALL_PROFILE,
            ENROLLMENT_PROFILE,
            None,
            _PRIORITY,
            utc_now(self._ports.clock),
        )

    def _began(self, command: QueuedCommand, host_uuid: str) -> None:
        self._ports.metrics.identity_renewals.labels("begun").inc()
        self._ports.wake_pushes()
        _log.info(
            "The identity of host {host} is to be renewed (command {command})",
            host=host_uuid,
            command=command.uuid,
        )

    async def _count(self) -> None:
        now, metrics = utc_now(self._ports.clock), self._ports.metrics
        moments = [now + timedelta(days=days) for days in _DAYS]
        counts = await self._ports.identities.counts(now, moments)
        for days, count in zip(_DAYS, counts.expiring, strict=True):
            metrics.identities_expiring.labels(str(days)).set(count)
        metrics.identities_expired.set(counts.expired)
        metrics.identity_renewals_failing.set(counts.failing)


def _is_renewable(one: DeviceIdentity, host_uuid: str) -> bool:
    is_used = one.confirmed_at is not None and one.retired_at is None
    return is_used and one.revoked_at is None and one.enrollment_id == host_uuid
