"""
An in-memory fake of the looks at hosts, and verification on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from twisted.internet.interfaces import IReactorTime

from scepd.metrics import Metrics
from scepd.model import Activity, HostInventory, InventoryAsk, Lease, UnprovedDelivery
from scepd.ports import CertificateAuthorityStore, HostStore, InventoryStore, VerificationStore
from scepd.services.inventory_answers import InventoryAnswers
from scepd.services.rendering import ProfileRendering
from scepd.services.verification import Verification, VerificationPorts, VerificationSettings
from scepd.services.verification_certificates import ExpectedCertificates
from tests.support.breakable import Breakable
from tests.support.fakes import InlineWorkers


@dataclass
class FakeInventories(Breakable):
    """
    An InventoryStore.

    :param states: by host.
    :param asked: what hosts were asked, in turn.
    :param activities: what operators' questions left.
    :param overdue: what :meth:`unproved` answers, until something is told of it.
    """

    states: dict[str, HostInventory] = field(default_factory=dict)
    asked: list[InventoryAsk] = field(default_factory=list)
    leases: list[Lease | None] = field(default_factory=list)
    activities: list[Activity] = field(default_factory=list)
    overdue: list[UnprovedDelivery] = field(default_factory=list)

    async def inventory(self, host_uuid: str) -> HostInventory | None:
        """
        As the port says.
        """
        self._check()
        return self.states.get(host_uuid)

    async def due_inventories(self, now: datetime, limit: int) -> Sequence[HostInventory]:
        """
        As the port says.
        """
        self._check()
        due = [one for one in self.states.values() if one.mdm_due_at and one.mdm_due_at <= now]
        return sorted(due, key=lambda one: str(one.mdm_due_at))[:limit]

    async def ask(self, asks: Sequence[InventoryAsk], now: datetime, lease: Lease | None) -> int:
        """
        As the port says.
        """
        self._check()
        self.leases.append(lease)
        asked = 0
        for one in asks:
            self.asked.append(one)
            before = self.states.get(one.host_uuid) or HostInventory(one.host_uuid, "macos", True)
            kinds = frozenset(each.request_type for each in one.commands)
            asked += bool(kinds - before.waiting)
            self.states[one.host_uuid] = replace(
                before,
                mdm_due_at=one.again_at,
                agent_until=one.agent_until,
                mdm_asked_at=now if kinds else before.mdm_asked_at,
                waiting=before.waiting | kinds,
            )
        return asked

    async def ask_agent(self, host_uuid: str, now: datetime, activity: Activity) -> None:
        """
        Keep the activity.
        """
        self._check()
        self.activities.append(activity)

    async def unproved(self, before: datetime, limit: int) -> Sequence[UnprovedDelivery]:
        """
        As the port says, of ``overdue``; nothing is told twice.
        """
        self._check()
        found = [one for one in self.overdue if one.acknowledged_at <= before][:limit]
        self.overdue = [one for one in self.overdue if one not in found]
        return found

    async def count_unproved(self, before: datetime) -> int:
        """
        As the port says, of ``overdue``.
        """
        self._check()
        return sum(one.acknowledged_at <= before for one in self.overdue)


def make_verification(
    store: VerificationStore,
    inventories: InventoryStore,
    hosts: HostStore,
    rendering: ProfileRendering,
    authorities: CertificateAuthorityStore,
    clock: IReactorTime,
    settings: VerificationSettings | None = None,
) -> Verification:
    """
    Verification without threads or chance.
    """
    expected = ExpectedCertificates(rendering, authorities, InlineWorkers())
    ports = VerificationPorts(store, inventories, hosts, expected, clock, Metrics(), lambda: 0.5)
    return Verification(ports, settings)


def make_answers(verification: Verification, inventories: InventoryStore) -> InventoryAnswers:
    """
    Taking answers without threads; nobody is woken.
    """
    return InventoryAnswers(inventories, verification, InlineWorkers(), Metrics(), lambda: None)
