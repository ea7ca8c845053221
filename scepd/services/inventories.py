"""
Asking hosts over MDM what they have: those whose osquery agent does not tell.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from scepd.errors import Conflict, NotFound
from scepd.mdm.commands import CERTIFICATE_LIST, PROFILE_LIST, certificate_list, profile_list
from scepd.metrics import Metrics
from scepd.model import (
    Activity,
    HostInventory,
    InventoryAsk,
    QueuedCommand,
    RowEvent,
    UnprovedDelivery,
)
from scepd.ports import CheckInStore, DeliveryStore, HostStore, InventoryStore
from scepd.profiles.lifecycle import Event
from scepd.services.clock import utc_now
from scepd.services.inventory_schedule import InventorySchedule
from scepd.services.leases import HeldLease, Leases

INVENTORY_PRIORITY = 250
"""
Of the commands: after profiles and what operators ask.
"""
_MAKERS = {PROFILE_LIST: profile_list, CERTIFICATE_LIST: certificate_list}

_log = Logger()


@dataclass(frozen=True, slots=True)
class InventoryPorts:
    """
    What asking needs from outside.

    :param new_id: makes the commands' uuids.
    :param random: a number from 0 up to 1.
    :param wake_pushes: called when a push was wished.
    :param has_agents: whether an osquery agent can enroll.
    """

    store: InventoryStore
    deliveries: DeliveryStore
    hosts: HostStore
    check_ins: CheckInStore
    leases: Leases
    clock: IReactorTime
    metrics: Metrics
    new_id: Callable[[], str]
    random: Callable[[], float]
    wake_pushes: Callable[[], object]
    has_agents: Callable[[], bool]


@dataclass(frozen=True, slots=True)
class AskingSettings:
    """
    How much is done at a time.

    :param batch: hosts, or deliveries, of one transaction.
    :param most: of one run.
    """

    batch: int = 100
    most: int = 1000


class Inventories:
    """
    Asks hosts, by time and at an operator's wish, and tells of deliveries that nobody proves.
    """

    def __init__(
        self,
        ports: InventoryPorts,
        schedule: InventorySchedule,
        settings: AskingSettings | None = None,
    ) -> None:
        self._ports = ports
        self._schedule = schedule
        self._settings = settings or AskingSettings()

    async def run(self) -> None:
        """
        Ask the hosts that are due, under the lease ``inventories``.

        :raises StorageUnavailable: the rest comes with the next run.
        """
        # Most runs follow the acknowledgement of a host whose agent is enough: they write nothing.
        if await self._ports.store.due_inventories(self._now, 1):
            await self._ports.leases.run("inventories", self._ask_due)

    async def tell_unproved(self) -> None:
        """
        Tell of deliveries whose grace has passed without an inventory that says anything of them,
        under the lease ``unproved deliveries``; count them in any case.

        :raises StorageUnavailable: the rest comes with the next run.
        """
        before = self._now - self._schedule.grace
        count = await self._ports.store.count_unproved(before)
        self._ports.metrics.unproved_deliveries.set(count)
        if count:
            await self._ports.leases.run("unproved deliveries", self._tell_unproved)

    async def verify(self, host_uuid: str, actor: str) -> HostInventory:
        """
        Ask a host now, its osquery agent and over MDM.

        :param actor: the operator.
        :returns: how the looks at it went so far.
        :raises NotFound: there is no such host.
        :raises Conflict: the host is not enrolled.
        """
        ports, now = self._ports, self._now
        host = await ports.hosts.host(host_uuid)
        if host is None:
            raise NotFound("There is no host of this uuid.")
        enrollment = await ports.check_ins.enrollment(host_uuid)
        if enrollment is None or not enrollment.enabled:
            raise Conflict("The host is not enrolled, or not any more; it has to enroll (again).")
        state = await ports.store.inventory(host_uuid)
        state = state or HostInventory(host_uuid, host.platform, True)
        await ports.store.ask_agent(
            host_uuid, now, Activity(now, actor, "asked for inventory", host_uuid)
        )
        await ports.store.ask([self._asked(state, now)], now, None)
        ports.wake_pushes()
        _log.info("{actor} asks host {host} for its inventory", actor=actor, host=host_uuid)
        return await ports.store.inventory(host_uuid) or state

    # -- by time -----------------------------------------------------------------------------------

    async def _ask_due(self, held: HeldLease) -> None:
        done = 0
        while done < self._settings.most:
            now, lease = self._now, await held.prolong()
            due = await self._ports.store.due_inventories(now, self._settings.batch)
            if not due:
                return
            asks = [self._plan(state, now) for state in due]
            asked = await self._ports.store.ask(asks, now, lease)
            if asked:
                self._ports.wake_pushes()
                _log.info("Asked {count} hosts for their inventory over MDM", count=asked)
            done += len(due)
            if len(due) < self._settings.batch:
                return

    def _plan(self, state: HostInventory, now: datetime) -> InventoryAsk:
        """
        What becomes of a host that is due.
        """
        if not state.enabled:
            return InventoryAsk(state.host_uuid, (), None, state.agent_until)
        if self._ports.has_agents():
            until = self._schedule.waits_for_agent(state, now)
            if until is not None:
                return InventoryAsk(state.host_uuid, (), until, until)
        return self._asked(state, now)

    def _asked(self, state: HostInventory, now: datetime) -> InventoryAsk:
        again_at = self._schedule.again(now, self._ports.random())
        # The enrollment of the device itself has the host's uuid as its id.
        wanted = [(state.host_uuid, PROFILE_LIST), (state.host_uuid, CERTIFICATE_LIST)]
        if state.user_channel is not None:
            wanted.append((state.user_channel, PROFILE_LIST))
        commands = self._commands(wanted, now)
        return InventoryAsk(state.host_uuid, commands, again_at, state.agent_until)

    def _commands(
        self, wanted: Iterable[tuple[str, str]], now: datetime
    ) -> Sequence[QueuedCommand]:
        found = []
        for order, (enrollment_id, kind) in enumerate(wanted):
            uuid = self._ports.new_id()
            body = _MAKERS[kind](uuid)
            priority = INVENTORY_PRIORITY + order
            found.append(QueuedCommand(uuid, enrollment_id, kind, None, body, priority, now))
        return found

    # -- what nobody proves ------------------------------------------------------------------------

    async def _tell_unproved(self, held: HeldLease) -> None:
        told = 0
        while told < self._settings.most:
            lease = await held.prolong()
            before = self._now - self._schedule.grace
            found = await self._ports.store.unproved(before, self._settings.batch)
            events = [_overdue(one) for one in found]
            await self._ports.deliveries.happen(events, self._now, lease)
            for event in events:
                _log.warn(
                    "Profile {profile} on host {host} is not proved: {detail}",
                    host=event.host_uuid,
                    profile=event.profile_uuid,
                    detail=event.detail,
                )
            told += len(found)
            if len(found) < self._settings.batch:
                return

    @property
    def _now(self) -> datetime:
        return utc_now(self._ports.clock)


def is_inventory(command: QueuedCommand) -> bool:
    """
    Whether a command is a question of ours for an inventory, and not an operator's.
    """
    return command.request_type in _MAKERS and command.priority >= INVENTORY_PRIORITY


def _overdue(one: UnprovedDelivery) -> RowEvent:
    missing = []
    if one.profiles_at is None or one.profiles_at < one.acknowledged_at:
        missing.append("profiles")
    if one.ca_name is not None and (
        one.certificates_at is None or one.certificates_at < one.acknowledged_at
    ):
        missing.append("certificates")
    if missing:
        what = " and ".join(missing)
        detail = f"acknowledged, but the host has listed no {what} since: not proved"
    else:
        detail = "acknowledged, but what the host has listed since does not prove it"
    return RowEvent(one.host_uuid, one.profile_uuid, Event.PROOF_OVERDUE, detail)
