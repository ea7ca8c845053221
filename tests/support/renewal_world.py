"""
The renewal and the processor on a real database and one clock, with a fleet whose certificates
expire, and a certificate authority that refuses some of them.

Devices answer at once. What they say is told to the database many at a time, so that months pass in
seconds.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection, insert, update
from twisted.internet.task import Clock

from scepd.metrics import Metrics
from scepd.model import (
    BreakerSettings,
    CertificateState,
    DueRow,
    Lease,
    ManagedCertificate,
    QueuedCommand,
    RowEvent,
)
from scepd.profiles.certificate_renewal import OverdueRule, RenewalRule
from scepd.profiles.lifecycle import Event
from scepd.services.breakers import Breakers
from scepd.services.clock import utc_now
from scepd.services.delivery import ProcessorSettings, ProfileProcessor
from scepd.services.delivery_resolving import Resolved, Resolving
from scepd.services.leases import Leases
from scepd.services.managed_certificates import CertificateStatus, ManagedCertificates
from scepd.services.renewal import Renewal
from scepd.services.results_errors import detail_of_error, event_of_error
from scepd.storage.activities import SQLActivityStore
from scepd.storage.breakers import SQLBreakerStore
from scepd.storage.certificate_authorities import SQLCertificateAuthorityStore
from scepd.storage.database import Database
from scepd.storage.delivery import SQLDeliveryStore
from scepd.storage.leases import SQLLeaseStore
from scepd.storage.profiles import SQLProfileStore
from scepd.storage.renewals import SQLRenewalStore
from scepd.storage.row_writes import IS_ROW
from scepd.storage.tables import enrollment, host, host_profile, managed_certificate
from scepd.storage.verification import SQLVerificationStore
from tests.storage import records
from tests.support.fake_mdm_world import NOW

PROFILE = "a-1"
CA = "corp"
ERROR = "MCInstallationErrorDomain 4001: the profile could not be installed"
REFUSAL = "CertRep FAILURE badRequest"
_YEAR = timedelta(days=365)
_HOUR = 3600


class _NotedDeliveries(SQLDeliveryStore):
    """
    A DeliveryStore that notes what was queued.
    """

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        super().__init__(database, now=now)
        self.queued: list[DueRow] = []

    async def queue_deliveries(
        self, rows: Sequence[tuple[DueRow, QueuedCommand]], lease: Lease, now: datetime
    ) -> int:
        """
        As the port says.
        """
        self.queued += [row for row, _ in rows]
        return await super().queue_deliveries(rows, lease, now)


class _NothingToResolve(Resolving):
    """
    Every variable has a value.
    """

    def __init__(self) -> None:
        pass

    async def resolve(self, rows: Sequence[DueRow]) -> Resolved:
        """
        As it is said of the real one.
        """
        return Resolved(list(rows))


class RenewalWorld:
    """
    One process that looks once an hour.

    :param refuses: whether the certificate authority refuses a host now.
    :ivar tries: when a delivery to each host was queued.
    :ivar batches: how many were queued in each hour with any.
    :ivar certificates: what each device has.
    """

    def __init__(
        self,
        database: Database,
        refuses: Callable[[str], bool] = lambda host_uuid: False,
        *,
        deliveries_per_tick: int = 100,
    ) -> None:
        self.clock = clock = Clock()
        clock.advance(NOW.timestamp())
        self._database = database
        self._refuses = refuses
        self.tries: dict[str, list[datetime]] = defaultdict(list)
        self.batches: list[int] = []
        self.certificates: dict[str, ManagedCertificate] = {}
        self.delivery = _NotedDeliveries(database, self.now)
        self.verification = SQLVerificationStore(database)
        self.renewals = SQLRenewalStore(database, now=self.now)
        self.activities = SQLActivityStore(database)
        self.breaker_store = SQLBreakerStore(database)
        leases = Leases(SQLLeaseStore(database, self.now), "process-1")
        self.renewal = Renewal(self.renewals, leases, clock)
        self.listing = ManagedCertificates(self.renewals, self.breaker_store, clock)
        self.processor = ProfileProcessor(
            self.delivery,
            _NothingToResolve(),
            leases,
            clock,
            map(str, itertools.count(1)).__next__,
            lambda: None,
            ProcessorSettings(deliveries_per_tick, 200),
            Breakers(self.breaker_store, BreakerSettings(), clock, lambda: 0.5, Metrics()),
        )

    def now(self) -> datetime:
        """
        The time.
        """
        return utc_now(self.clock)

    # -- what a test does --------------------------------------------------------------------------

    async def add_fleet(self, expiries: Sequence[datetime]) -> None:
        """
        Hosts H-0, H-1 and so on, each with a verified certificate of a year that expires then, and
        was seen when it was made.
        """
        authorities = SQLCertificateAuthorityStore(self._database)
        await authorities.add_certificate_authority(records.ca(CA), records.activity())
        profile = records.profile(PROFILE, ca_names=(CA,))
        await SQLProfileStore(self._database).add_profile(profile, records.activity())
        hosts = [f"H-{number}" for number in range(len(expiries))]
        await self._database.write(lambda connection: _insert_hosts(connection, hosts))
        for uuid, not_after in zip(hosts, expiries, strict=True):
            self.certificates[uuid] = _certificate(uuid, not_after - _YEAR)
        seen = list(self.certificates.values())
        await self._database.write(lambda connection: _insert_certificates(connection, seen))

    async def pass_hours(self, hours: int) -> None:
        """
        Look so often, an hour apart; devices do at once what they are to do.
        """
        for _ in range(hours):
            self.clock.advance(_HOUR)
            await self.renewal.run()
            await self.processor.tick()
            rows, self.delivery.queued = self.delivery.queued, []
            if rows:
                self.batches.append(len(rows))
                await self._answer(rows)

    async def listed(self, state: CertificateState) -> list[CertificateStatus]:
        """
        All certificates in a state, page by page.
        """
        found: list[CertificateStatus] = []
        while page := await self.listing.list(state, after=_place(found, state), limit=200):
            found += page
        return found

    async def told(self) -> list[tuple[str, str]]:
        """
        Action and subject of what scepd itself told, oldest first.
        """
        done = [one for _, one in await self.activities.activities(limit=100_000)]
        return [(one.action, one.subject) for one in reversed(done) if one.actor == "scepd"]

    # -- its devices -------------------------------------------------------------------------------

    async def _answer(self, rows: Sequence[DueRow]) -> None:
        for row in rows:
            self.tries[row.host_uuid].append(self.now())
        refused = [row.host_uuid for row in rows if self._refuses(row.host_uuid)]
        granted = [row.host_uuid for row in rows if not self._refuses(row.host_uuid)]
        await self._happen([self._error(uuid) for uuid in refused])
        await self._happen([RowEvent(uuid, PROFILE, Event.ACKNOWLEDGED) for uuid in granted])
        for uuid in granted:
            await self._see(uuid, self.now(), [RowEvent(uuid, PROFILE, Event.INVENTORY_PROVED)])

    async def _happen(self, events: Sequence[RowEvent]) -> None:
        await self.delivery.happen(events, self.now(), None)

    def _error(self, uuid: str) -> RowEvent:
        exchange = records.exchange(pki_status="FAILURE", fail_info="badRequest", detail=REFUSAL)
        event = event_of_error([exchange], [self.certificates[uuid]], self.now())
        return RowEvent(uuid, PROFILE, event, detail_of_error(ERROR, [exchange]))

    async def _see(self, uuid: str, not_before: datetime, events: Sequence[RowEvent]) -> None:
        """
        An inventory shows a certificate of a year.
        """
        self.certificates[uuid] = certificate = _certificate(uuid, not_before)
        await self.verification.prove(uuid, [certificate], events, self.now())


def _certificate(uuid: str, not_before: datetime) -> ManagedCertificate:
    sha1 = f"{uuid}-{not_before:%Y%m%d%H}"
    not_after = not_before + _YEAR
    return replace(
        records.certificate(sha1, host_uuid=uuid, profile_uuid=PROFILE, ca_name=CA),
        not_before=not_before,
        not_after=not_after,
        first_seen=not_before,
        renew_at=RenewalRule().due_at(not_before, not_after, not_before, uuid, sha1),
    )


def _insert_certificates(connection: Connection, seen: Sequence[ManagedCertificate]) -> None:
    """
    As an inventory of each host would leave them.
    """
    connection.execute(insert(managed_certificate), [asdict(one) for one in seen])
    connection.execute(
        update(host_profile).where(IS_ROW),
        [
            {
                "row_host": one.host_uuid,
                "row_profile": one.profile_uuid,
                "renew_at": one.renew_at,
                "expires_at": one.not_after,
                "overdue_at": OverdueRule().overdue_at(one.renew_at, one.not_after),
            }
            for one in seen
        ],
    )


def _place(
    found: Sequence[CertificateStatus], state: CertificateState
) -> tuple[datetime, str, str] | None:
    if not found:
        return None
    last = found[-1].watched
    moment = last.overdue_at if state is CertificateState.OVERDUE else last.expires_at
    assert moment is not None
    return moment, last.assignment.host_uuid, last.assignment.profile_uuid


def _insert_hosts(connection: Connection, uuids: Sequence[str]) -> None:
    """
    Enrolled hosts with a verified profile; by the stores 2,000 of them would take a while.
    """
    address = records.address()
    connection.execute(
        insert(host),
        [
            {"uuid": uuid, "serial_number": f"C02{uuid}", "platform": "macos", "facts": {}}
            for uuid in uuids
        ],
    )
    connection.execute(
        insert(enrollment),
        [
            {
                "id": uuid,
                "host_uuid": uuid,
                "kind": "device",
                "enabled": True,
                "push_topic": address.topic,
                "push_key_id": address.secret.key_id,
                "push": address.secret.data,
                "enrolled_at": NOW - _YEAR,
            }
            for uuid in uuids
        ],
    )
    connection.execute(insert(host_profile), list(_assignments(uuids)))


def _assignments(uuids: Sequence[str]) -> Iterator[dict[str, object]]:
    for uuid in uuids:
        yield {
            "host_uuid": uuid,
            "profile_uuid": PROFILE,
            "operation": "install",
            "status": "verified",
            "ca_name": CA,
            "detail": "",
            "content_sha256": "",
            "attempts": 0,
            "changed_at": NOW - _YEAR,
            "profile_identifier": f"com.example.{PROFILE}",
            "enrollment_id": uuid,
            "offered": True,
            "delivered_at": NOW - _YEAR,
        }
