"""
Inventories: when a host's agent is asked for one, and what they prove.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from scepd.metrics import Metrics, counter
from scepd.model import (
    Delivery,
    Host,
    HostInventory,
    InventoryTaken,
    ManagedCertificate,
    RowEvent,
)
from scepd.ports import HostStore, InventoryStore, VerificationStore
from scepd.profiles.certificate_candidates import CandidateCertificate
from scepd.profiles.certificate_renewal import RenewalRule
from scepd.profiles.lifecycle import Event, Status
from scepd.profiles.matching import CertificateMatch
from scepd.services.clock import utc_now
from scepd.services.inventory_schedule import OSQUERY, InventorySchedule
from scepd.services.verification_certificates import ExpectedCertificates
from scepd.services.verification_inventory import Inventory, ProfileDates
from scepd.services.verification_shares import share_out
from scepd.services.verification_verdict import Evidence, Verdict, verdict

_UNPROVED = (Status.VERIFYING.value, Status.FAILED.value)
_UNSETTLED = (Event.CERTIFICATE_MISSED, Event.PROFILE_MISSED)

_log = Logger()


@dataclass(frozen=True, slots=True)
class VerificationSettings:
    """
    When inventories are asked for, how long a proof may take, and when what is proved is renewed.

    :param schedule: of inventories.
    :param renewal: how early certificates are renewed.
    """

    schedule: InventorySchedule = field(default_factory=InventorySchedule)
    renewal: RenewalRule = field(default_factory=RenewalRule)


@dataclass(frozen=True, slots=True)
class VerificationPorts:
    """
    What proofs need from outside.

    :param random: a number from 0 up to 1.
    """

    store: VerificationStore
    inventories: InventoryStore
    hosts: HostStore
    expected: ExpectedCertificates
    clock: IReactorTime
    metrics: Metrics
    random: Callable[[], float]


@dataclass(frozen=True, slots=True)
class _Judgement:
    """
    What an inventory says of a host's deliveries.
    """

    certificates: Sequence[ManagedCertificate]
    verdicts: Sequence[tuple[Delivery, Verdict]]
    listed: frozenset[str]

    def events(self, host_uuid: str) -> list[RowEvent]:
        """
        What happens by the lifecycle table.
        """
        return [
            RowEvent(host_uuid, delivery.profile_uuid, found.event, found.detail)
            for delivery, found in self.verdicts
            if found.event is not None
        ]

    @property
    def is_doubtful(self) -> bool:
        """
        Whether only an inventory over MDM can tell more.
        """
        return any(found.is_doubtful for _, found in self.verdicts)

    def is_covered(self, inventory: Inventory, platform: str) -> bool:
        """
        Whether an inventory lists profiles of each scope that the host was delivered.
        """
        scopes = {"System"} | {delivery.scope for delivery, _ in self.verdicts}
        return all(inventory.profiles_of(scope, platform) is not None for scope in scopes)


class Verification:
    """
    Proves deliveries by inventories.
    """

    def __init__(
        self, ports: VerificationPorts, settings: VerificationSettings | None = None
    ) -> None:
        self._ports = ports
        self._settings = settings or VerificationSettings()

    async def is_due(self, host_uuid: str) -> bool:
        """
        Whether a host's agent should be asked for its inventory now; it is taken to be asked then,
        and asked again soon if no answer comes.
        """
        now = utc_now(self._ports.clock)
        again_at = now + self._settings.schedule.after_acknowledgement
        return await self._ports.store.inventory_due(host_uuid, now, again_at)

    async def take(self, host_uuid: str, inventory: Inventory) -> None:
        """
        Store what an inventory proves, and when the next one is wanted.

        :raises StorageUnavailable: nothing of it was stored.
        """
        ports = self._ports
        deliveries = await ports.store.deliveries(host_uuid)
        host = await ports.hosts.host(host_uuid)
        state = await ports.inventories.inventory(host_uuid)
        if host is None:
            return
        state = state or HostInventory(host_uuid, host.platform, True)
        judged = await self._judged(deliveries, host, inventory)
        now = utc_now(ports.clock)
        taken = self._taken(state, inventory, judged, now)
        versions = {(host_uuid, one.profile_uuid): one.version for one in deliveries}
        events = await ports.store.prove(
            host_uuid, judged.certificates, judged.events(host_uuid), now, taken, versions
        )
        self._count(inventory, events)
        _log_events(events)

    async def _judged(
        self, deliveries: Sequence[Delivery], host: Host, inventory: Inventory
    ) -> _Judgement:
        certificates: list[ManagedCertificate] = []
        number = max((delivery.window_number for delivery in deliveries), default=0)
        verdicts: list[tuple[Delivery, Verdict]] = []
        matched = [(one, await self._match(one, host, inventory)) for one in deliveries]
        shares = share_out(matched)
        for delivery, any_match in matched:
            match = shares.of(delivery, any_match)
            if match is not None and match.certificate is not None:
                found = self._managed(delivery, host, match.certificate, inventory)
                shared = delivery.profile_uuid in shares.shared
                certificates.append(replace(found, window_number=number, shared=shared))
            evidence = self._evidence(delivery, host, inventory, match)
            verdicts.append((delivery, verdict(delivery, evidence)))
        listed = _listed(deliveries, host, inventory)
        return _Judgement(certificates, verdicts, listed)

    async def _match(
        self, delivery: Delivery, host: Host, inventory: Inventory
    ) -> CertificateMatch | None:
        """
        The certificate of a delivery; None when it needs none, or nothing can be said.
        """
        if delivery.window_opened_at is None or inventory.certificates is None:
            return None
        expected = await self._ports.expected.of(delivery, host, delivery.window_opened_at)
        return await self._ports.expected.match(expected, inventory.certificates)

    def _evidence(
        self,
        delivery: Delivery,
        host: Host,
        inventory: Inventory,
        match: CertificateMatch | None,
    ) -> Evidence:
        return Evidence(
            _profiles_for(delivery, host, inventory),
            match,
            is_exact=inventory.is_exact,
            is_whole=not inventory.unreadable,
            now=utc_now(self._ports.clock),
            grace=self._settings.schedule.grace,
        )

    def _managed(
        self,
        delivery: Delivery,
        host: Host,
        certificate: CandidateCertificate,
        inventory: Inventory,
    ) -> ManagedCertificate:
        now = utc_now(self._ports.clock)
        renew_at = self._settings.renewal.due_at(
            certificate.not_before, certificate.not_after, now, host.uuid, certificate.sha1
        )
        return ManagedCertificate(
            host_uuid=host.uuid,
            sha1=certificate.sha1,
            profile_uuid=delivery.profile_uuid,
            ca_name=delivery.ca_name or "",
            subject=certificate.subject_text,
            issuer=certificate.issuer_text,
            serial=certificate.serial,
            not_before=certificate.not_before,
            not_after=certificate.not_after,
            source=inventory.source,
            first_seen=now,
            renew_at=renew_at,
            sha256=certificate.sha256,
        )

    # -- the next look -----------------------------------------------------------------------------

    def _taken(
        self, state: HostInventory, inventory: Inventory, judged: _Judgement, now: datetime
    ) -> InventoryTaken:
        since = self._unsettled_since(judged, now)
        schedule = self._settings.schedule
        if inventory.source == OSQUERY:
            is_enough = judged.is_covered(inventory, state.platform)
            agent_until = now + schedule.silence if is_enough else None
            agent_due_at = schedule.agent_again(now, since)
            mdm_due_at = schedule.mdm_after_agent(
                state, now, since, agent_until, is_doubtful=judged.is_doubtful
            )
        else:
            agent_until, agent_due_at = state.agent_until, None
            mdm_due_at = schedule.mdm_after_mdm(state, now, since, self._ports.random())
        return InventoryTaken(
            inventory.source,
            inventory.profiles is not None,
            inventory.certificates is not None,
            inventory.unreadable,
            judged.listed,
            agent_until,
            agent_due_at,
            mdm_due_at,
            inventory.shown,
        )

    def _unsettled_since(self, judged: _Judgement, now: datetime) -> datetime | None:
        """
        The newest acknowledgement within its grace that is not settled.
        """
        grace = self._settings.schedule.grace
        waiting = [
            delivery.acknowledged_at
            for delivery, found in judged.verdicts
            if delivery.status == Status.VERIFYING.value
            and (found.event is None or found.event in _UNSETTLED)
            and delivery.acknowledged_at is not None
            and now < delivery.acknowledged_at + grace
        ]
        return max(waiting, default=None)

    def _count(self, inventory: Inventory, events: Sequence[RowEvent]) -> None:
        """
        Count what happened, and an agent's inventory; the answers over MDM are counted where they
        come, one by one.
        """
        unknown = sum(one.event is Event.CERTIFICATE_NOT_IDENTIFIED for one in events)
        self._ports.metrics.unidentified_certificates.inc(unknown)
        if inventory.source != OSQUERY:
            return
        for kind, listed in (
            ("profiles", inventory.profiles),
            ("certificates", inventory.certificates),
        ):
            outcome = "failed" if listed is None else "taken"
            counter(self._ports.metrics.inventories, OSQUERY, kind, outcome).inc()


def _profiles_for(delivery: Delivery, host: Host, inventory: Inventory) -> ProfileDates | None:
    way = delivery.version.enrollment_id
    return inventory.profiles_of(delivery.scope, host.platform, way)


def _listed(deliveries: Sequence[Delivery], host: Host, inventory: Inventory) -> frozenset[str]:
    """
    The deliveries that wait for a proof, or have failed for want of one, and were listed by the
    device itself, without a date.
    """
    if not inventory.is_exact:
        return frozenset()
    found = set()
    for delivery in deliveries:
        profiles = _profiles_for(delivery, host, inventory) or ()
        if delivery.status in _UNPROVED and any(
            identifier == delivery.profile_identifier for identifier, _ in profiles
        ):
            found.add(delivery.profile_uuid)
    return frozenset(found)


def _log_events(events: Sequence[RowEvent]) -> None:
    for event in events:
        where = {"host": event.host_uuid, "profile": event.profile_uuid}
        if event.event is Event.INVENTORY_PROVED:
            _log.info("Profile {profile} on host {host} is verified", step="B31", **where)
        elif event.event is Event.CERTIFICATE_NOT_IDENTIFIED:
            _log.warn(
                "None of the certificates of host {host} can be told to be that of profile"
                " {profile}: it is not renewed by itself",
                **where,
            )
        else:
            _log.info(
                "Profile {profile} on host {host}: {event}. {detail}",
                event=event.event.value,
                detail=event.detail,
                **where,
            )
