"""
Inventories: when a host is asked for one, and what it proves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from scepd.errors import StorageUnavailable
from scepd.model import Delivery, Host, ManagedCertificate, RowEvent
from scepd.ports import HostStore, VerificationStore
from scepd.profiles.certificate_candidates import CandidateCertificate
from scepd.profiles.certificate_renewal import RenewalRule
from scepd.profiles.lifecycle import Event, Status
from scepd.profiles.matching import CertificateMatch, match_certificate
from scepd.services.clock import utc_now
from scepd.services.verification_certificates import ExpectedCertificates
from scepd.services.verification_verdict import verdict

_MOST_REMEMBERED = 100_000

_log = Logger()


@dataclass(frozen=True, slots=True)
class VerificationSettings:
    """
    When inventories are asked for, and how long a proof may take.

    :param interval: seconds between two inventories of a host.
    :param after_acknowledgement: seconds between two while something acknowledged is not proved.
    :param grace: seconds after an acknowledgement until what is missing counts as missing.
    :param renewal: how early certificates are renewed.
    """

    interval: float = 3600.0
    after_acknowledgement: float = 60.0
    grace: float = 3600.0
    renewal: RenewalRule = field(default_factory=RenewalRule)


@dataclass(frozen=True, slots=True)
class Inventory:
    """
    What a host says that it has.

    :param profiles: identifier and time of installation (None: not told) of each; None: this is no
        inventory of profiles, which is not the same as an empty one.
    :param certificates: each; None likewise.
    :param source: ``osquery`` or ``MDM``.
    :param user_profiles: as ``profiles``, of the users of a Mac; None likewise.
    """

    profiles: Sequence[tuple[str, datetime | None]] | None
    certificates: Sequence[CandidateCertificate] | None
    source: str
    user_profiles: Sequence[tuple[str, datetime | None]] | None = None

    def profiles_for(self, delivery: Delivery) -> Sequence[tuple[str, datetime | None]] | None:
        """
        The list that a delivery must be in: a user of a Mac has one apart from the device's.
        """
        return self.user_profiles if delivery.scope == "User" else self.profiles


class Verification:
    """
    Proves deliveries by inventories.
    """

    def __init__(
        self,
        store: VerificationStore,
        hosts: HostStore,
        expected: ExpectedCertificates,
        clock: IReactorTime,
        settings: VerificationSettings | None = None,
    ) -> None:
        self._store = store
        self._hosts = hosts
        self._expected = expected
        self._clock = clock
        self._settings = settings or VerificationSettings()
        self._soon: dict[str, datetime] = {}

    async def is_due(self, host_uuid: str) -> bool:
        """
        Whether a host should be asked for its inventory now; it is taken to be asked then.
        """
        now = utc_now(self._clock)
        soon = self._soon.get(host_uuid)
        if soon is not None and soon <= now:
            del self._soon[host_uuid]
            return True
        again_at = now + timedelta(seconds=self._settings.interval)
        return await self._store.inventory_due(host_uuid, now, again_at)

    async def take(self, host_uuid: str, inventory: Inventory) -> None:
        """
        Store what an inventory proves.

        :raises StorageUnavailable: nothing of it was stored; the host is asked again soon, as an
            agent sends an inventory once.
        """
        try:
            await self._take(host_uuid, inventory)
        except StorageUnavailable:
            self._ask_soon(host_uuid)
            raise

    async def _take(self, host_uuid: str, inventory: Inventory) -> None:
        deliveries = await self._store.deliveries(host_uuid)
        host = await self._hosts.host(host_uuid) if deliveries else None
        if host is None:
            return
        certificates: list[ManagedCertificate] = []
        events: list[RowEvent] = []
        for delivery in deliveries:
            match = await self._match(delivery, host, inventory)
            if match is not None and match.certificate is not None:
                certificates.append(self._managed(delivery, host, match.certificate, inventory))
            event = self._event(delivery, host, inventory, match)
            if event is not None:
                events.append(event)
        if certificates or events:
            await self._store.prove(host_uuid, certificates, events, utc_now(self._clock))
        self._ask_again(host_uuid, deliveries, events)
        _log_events(events)

    async def _match(
        self, delivery: Delivery, host: Host, inventory: Inventory
    ) -> CertificateMatch | None:
        """
        The certificate of a delivery; None when it needs none, or nothing can be said.
        """
        if delivery.window_opened_at is None or inventory.certificates is None:
            return None
        expected = await self._expected.of(delivery, host, delivery.window_opened_at)
        return match_certificate(expected, inventory.certificates)

    def _event(
        self,
        delivery: Delivery,
        host: Host,
        inventory: Inventory,
        match: CertificateMatch | None,
    ) -> RowEvent | None:
        acknowledged = delivery.acknowledged_at
        grace = timedelta(seconds=self._settings.grace)
        past_grace = acknowledged is not None and utc_now(self._clock) >= acknowledged + grace
        profiles = inventory.profiles_for(delivery)
        found = verdict(delivery, profiles, match, past_grace=past_grace)
        if found is None:
            return None
        return RowEvent(host.uuid, delivery.profile_uuid, found.event, found.detail)

    def _managed(
        self,
        delivery: Delivery,
        host: Host,
        certificate: CandidateCertificate,
        inventory: Inventory,
    ) -> ManagedCertificate:
        now = utc_now(self._clock)
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
        )

    def _ask_again(
        self, host_uuid: str, deliveries: Sequence[Delivery], events: Sequence[RowEvent]
    ) -> None:
        """
        Ask soon again while something that was just acknowledged is not settled; only this process
        knows, so that after its end it is asked at the usual time.
        """
        settled = {
            event.profile_uuid
            for event in events
            if event.event not in (Event.CERTIFICATE_MISSED, Event.PROFILE_MISSED)
        }
        now, grace = utc_now(self._clock), timedelta(seconds=self._settings.grace)
        waits = any(
            delivery.status == Status.VERIFYING.value
            and delivery.profile_uuid not in settled
            and delivery.acknowledged_at is not None
            and now < delivery.acknowledged_at + grace
            for delivery in deliveries
        )
        self._soon.pop(host_uuid, None)
        if waits:
            self._ask_soon(host_uuid)

    def _ask_soon(self, host_uuid: str) -> None:
        if len(self._soon) < _MOST_REMEMBERED:
            wait = timedelta(seconds=self._settings.after_acknowledgement)
            self._soon[host_uuid] = utc_now(self._clock) + wait


def _log_events(events: Sequence[RowEvent]) -> None:
    for event in events:
        where = {"host": event.host_uuid, "profile": event.profile_uuid}
        if event.event is Event.INVENTORY_PROVED:
            _log.info("Profile {profile} on host {host} is verified", step="B31", **where)
        else:
            _log.info(
                "Profile {profile} on host {host}: {event}. {detail}",
                event=event.event.value,
                detail=event.detail,
                **where,
            )
