"""
All services of deliveries on real stores and one clock, with a certificate authority that can be
stopped and devices that do what they are pushed to.
"""

from __future__ import annotations

import itertools
import plistlib
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from scepd.config import SCEPProxySection
from scepd.mdm.results import command_result
from scepd.metrics import Metrics
from scepd.model import BreakerSettings, HostProfile
from scepd.pki.keyring import Keyring
from scepd.profiles.certificate_candidates import CandidateCertificate, candidate_from_der
from scepd.profiles.lifecycle import RetrySettings
from scepd.services.answer_exchange import ANSWERED_FROM_CACHE, AnswerExchange
from scepd.services.breaker_probe import BreakerProbe
from scepd.services.breakers import Breakers
from scepd.services.ca_answers import CAAnswers
from scepd.services.ca_directory import CADirectory
from scepd.services.clock import utc_now
from scepd.services.commands import CommandPorts, Commands, CommandSettings
from scepd.services.delivery import ProcessorSettings, ProfileProcessor
from scepd.services.delivery_resolving import Resolving
from scepd.services.leases import Leases
from scepd.services.periodic import Periodic
from scepd.services.protection import Protection
from scepd.services.proxied_exchange import ProxiedExchange
from scepd.services.proxying import Operation, ProxyPorts, ProxyRequest, SCEPProxy
from scepd.services.rates import Rates
from scepd.services.rendering import ProfileRendering
from scepd.services.results import ResultPorts, Results
from scepd.services.slots import Slots
from scepd.services.unanswered import Unanswered
from scepd.services.upstream_targets import UpstreamTargets
from scepd.services.verification_inventory import Inventory
from scepd.storage.assignments import SQLAssignmentStore
from scepd.storage.breakers import SQLBreakerStore
from scepd.storage.certificate_authorities import SQLCertificateAuthorityStore
from scepd.storage.checkins import SQLCheckInStore
from scepd.storage.commands import SQLCommandStore
from scepd.storage.database import Database
from scepd.storage.delivery import SQLDeliveryStore
from scepd.storage.enrollment import SQLEnrollmentStore
from scepd.storage.host_changes import SQLHostChangeStore
from scepd.storage.hosts import SQLHostStore
from scepd.storage.inventories import SQLInventoryStore
from scepd.storage.leases import SQLLeaseStore
from scepd.storage.profiles import SQLProfileStore
from scepd.storage.pushes import SQLPushStore
from scepd.storage.renewals import SQLRenewalStore
from scepd.storage.resending import SQLResendStore
from scepd.storage.user_channels import SQLUserChannelStore
from scepd.storage.verification import SQLVerificationStore
from scepd.web.errors import device_answer
from scepd.web.scep_proxy import parse_subject
from tests.storage import records
from tests.support.fake_identities import FakeIdentities
from tests.support.fake_inventories import make_answers, make_verification
from tests.support.fake_mdm_world import (
    EXTERNAL_URL,
    KEYRING,
    NOW,
    authority,
    chain_item,
    host,
    report,
    scep_profile,
)
from tests.support.fakes import InlineWorkers
from tests.support.identity_parts import IdentityParts
from tests.support.pki import rsa_key
from tests.support.proxy_fakes import FakeDevice
from tests.support.scep_messages import pkcs_req
from tests.support.stoppable_ca import StoppableCA

_DAY = timedelta(days=1)


# None of its certificate authorities has a client key that would have to be opened.
_TARGETS = UpstreamTargets(lambda: Keyring({"key-1": bytes(32)}))


async def _noticed(name: str, body: bytes) -> None:
    """
    What the certificate authority answers is known here.
    """


class Stores:
    """
    The stores on one database.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        def now() -> datetime:
            return utc_now(clock)

        retries = RetrySettings()
        self.authorities = SQLCertificateAuthorityStore(database, retries)
        self.profiles = SQLProfileStore(database, retries, step=1000)
        self.hosts = SQLHostStore(database)
        self.host_changes = SQLHostChangeStore(database, retries)
        self.assignments = SQLAssignmentStore(database)
        self.enrollment = SQLEnrollmentStore(database)
        self.check_ins = SQLCheckInStore(database, retries)
        self.channels = SQLUserChannelStore(database, retries)
        self.commands = SQLCommandStore(database, retries)
        self.leases = SQLLeaseStore(database, now)
        self.breakers = SQLBreakerStore(database, now)
        self.delivery = SQLDeliveryStore(database, retries, now)
        self.resending = SQLResendStore(database, retries)
        self.pushes = SQLPushStore(database)
        self.verification = SQLVerificationStore(database, retries)
        self.renewals = SQLRenewalStore(database, retries, now)
        self.inventories = SQLInventoryStore(database, now)


class OutageWorld:
    """
    One process: its processor, proxy, breakers and results; a CA; devices that answer pushes at
    once.

    :ivar ca: starts up.
    :ivar asleep: whether devices take no pushes now.
    :ivar answers: the statuses that devices got from the proxy.
    :ivar paths: of the proxy URLs that devices were given.
    """

    def __init__(self, database: Database, **settings: float) -> None:
        self.clock = Clock()
        self.clock.advance(NOW.timestamp())
        self.metrics, self.ca = Metrics(), StoppableCA()
        self.stores = Stores(database, self.clock)
        self.settings = SCEPProxySection.model_validate(settings)
        self.profile = scep_profile()
        self.answers: list[int] = []
        self.paths: list[bytes] = []
        self.woken = self.asleep = False
        self._ids = (f"id-{number:06}" for number in itertools.count(1))
        self.breakers = self._make_breakers()
        self._rendering = ProfileRendering(
            self.stores.authorities, lambda: KEYRING, InlineWorkers(), EXTERNAL_URL
        )
        self._proxy = self._make_proxy()
        self._hand_over = IdentityParts(FakeIdentities(), self.stores.hosts, self.clock).hand_over()
        self._verification = make_verification(
            self.stores.verification,
            self.stores.inventories,
            self.stores.hosts,
            self._rendering,
            self.stores.authorities,
            self.clock,
        )
        results = ResultPorts(
            self.stores.commands,
            self.stores.assignments,
            self.stores.enrollment,
            self.stores.verification,
            self.clock,
            make_answers(self._verification, self.stores.inventories),
            self._hand_over,
        )
        self._commands, self._results = self._make_commands(results), Results(results)
        self._periodic = self._make_periodic()

    # -- what a test does --------------------------------------------------------------------------

    async def add_hosts(self, count: int) -> None:
        """
        Enroll hosts, add the certificate authority and its profile: a delivery is due for each.
        """
        await self.stores.authorities.add_certificate_authority(authority(), records.activity())
        for number in range(count):
            uuid = f"UDID-{number}"
            enrollment = records.enrollment(uuid, enrolled_at=NOW)
            await self.stores.check_ins.authenticate(host(uuid), enrollment, f"id-{uuid}")
            await self.stores.check_ins.update_token(uuid, records.address(), NOW, NOW + _DAY)
        await self.stores.profiles.add_profile(self.profile, records.activity("profile"))

    def start(self) -> None:
        """
        Begin the periodic work.
        """
        for work in self._periodic:
            work.start()

    def pass_time(self, seconds: float, step: float = 1.0) -> None:
        """
        Let the clock run; devices that are pushed to act at once.
        """
        until = self.clock.seconds() + seconds
        while self.clock.seconds() < until:
            self.clock.advance(step)
            self._deliver_pushes()

    def row(self, number: int) -> HostProfile:
        """
        The assignment of a host.
        """
        found = _now(self.stores.assignments.assignment(f"UDID-{number}", self.profile.uuid))
        assert isinstance(found, HostProfile)
        return found

    # -- its devices -------------------------------------------------------------------------------

    def _deliver_pushes(self) -> None:
        while self.woken and not self.asleep:
            self.woken = False
            now = utc_now(self.clock)
            wished = _now(self.stores.pushes.claim_pushes(now, now + _DAY, 1000))
            assert isinstance(wished, list)
            for push in wished:
                _now(self._poll(push.enrollment_id))

    async def _poll(self, udid: str) -> None:
        while body := await self._commands.next(udid, udid, idle=True):
            command = plistlib.loads(body)
            self.paths.append(_proxy_path(command["Command"]["Payload"]))
            said = self._install(self.paths[-1])
            errors = [] if said == "Acknowledged" else [chain_item()]
            raw = report(said, command["CommandUUID"], udid, errors)
            result = command_result(plistlib.loads(raw), raw)
            if await self._results.record(result, udid):
                await self._take_inventory(udid)

    def _install(self, path: bytes) -> str:
        for operation in (Operation.GET_CA_CAPS, Operation.GET_CA_CERT, Operation.PKI_OPERATION):
            self.answers.append(self.ask(path, operation))
            if self.answers[-1] != 200:
                return "Error"
        return "Acknowledged"

    def ask(self, path: bytes, operation: Operation) -> int:
        """
        The status of the proxy's answer to a device.
        """
        device = _ProxiedDevice()
        request = ProxyRequest(parse_subject(path), operation, None)
        if operation in ANSWERED_FROM_CACHE:
            AnswerExchange(self._proxy, request, device).begin()
            return device.status
        exchange = ProxiedExchange(self._proxy, request, device)
        exchange.begin()
        message = pkcs_req() if operation is Operation.PKI_OPERATION else b""
        exchange.transfer.request_received(message)
        exchange.transfer.request_finished()
        return device.status

    async def _take_inventory(self, udid: str) -> None:
        now = utc_now(self.clock)
        inventory = Inventory(
            [(self.profile.identifier, now)],
            [_certificate(udid, self.profile.uuid, now)],
            "osquery",
        )
        await self._verification.take(udid, inventory)

    # -- its parts ---------------------------------------------------------------------------------

    def _make_breakers(self) -> Breakers:
        settings = self.settings
        limits = BreakerSettings(
            settings.breaker_failures, settings.probe_after, settings.probe_longest
        )
        return Breakers(self.stores.breakers, limits, self.clock, lambda: 0.5, self.metrics)

    def _make_proxy(self) -> SCEPProxy:
        clock, stores = self.clock, self.stores
        protection = Protection(
            self.breakers,
            Rates(clock),
            Slots(clock, self.metrics),
            clock,
            self.metrics,
            self.settings,
        )
        ports = ProxyPorts(
            authorities=stores.authorities,
            assignments=stores.assignments,
            enrollment=stores.enrollment,
            upstream=self.ca,
            workers=InlineWorkers(),
            clock=clock,
            protection=protection,
            metrics=self.metrics,
            new_id=lambda: next(self._ids),
            directory=CADirectory(stores.authorities, clock, _TARGETS),
            answers=CAAnswers(
                self.ca,
                clock,
                protection,
                self.metrics,
                self.settings.max_message_size,
                _noticed,
            ),
        )
        return SCEPProxy(ports, self.settings)

    def _make_commands(self, results: ResultPorts) -> Commands:
        stores = self.stores
        ports = CommandPorts(
            stores.commands,
            stores.assignments,
            stores.profiles,
            stores.hosts,
            self._rendering,
            InlineWorkers(),
            self.clock,
            lambda: next(self._ids),
            lambda count: next(self._ids).encode().ljust(count, b"."),
            self._hand_over,
            Unanswered(results),
            Metrics(),
        )
        return Commands(ports, CommandSettings(one_time_urls=self.settings.one_time_urls))

    def _make_periodic(self) -> list[Periodic]:
        stores, clock = self.stores, self.clock
        leases = Leases(stores.leases, "process-1", 600)
        resolving = Resolving(
            stores.profiles, stores.hosts, stores.authorities, self._rendering, InlineWorkers()
        )
        processor = ProfileProcessor(
            stores.delivery,
            resolving,
            leases,
            clock,
            lambda: next(self._ids),
            self._wake,
            ProcessorSettings(),
            self.breakers,
        )
        probe = BreakerProbe(
            self.breakers,
            stores.authorities,
            self.ca,
            _TARGETS,
            leases,
            clock,
            self.settings,
        )
        works = [
            Periodic(clock, "processing profiles", 30.0, processor.tick, lambda: 0.5),
            Periodic(clock, "probing", probe.interval, probe.look, lambda: 0.5),
        ]
        self.breakers.on_back(works[0].wake)
        return works

    def _wake(self) -> None:
        self.woken = True


class _ProxiedDevice(FakeDevice):
    """
    A device that knows how it was answered.
    """

    status = 0

    def status_of(self, error: Exception) -> int:
        """
        As the web layer has it.
        """
        return device_answer(error)[0]  # type: ignore[arg-type]

    def refuse(self, error: Exception) -> None:
        """
        As the protocol says.
        """
        self.status = self.status_of(error)

    def answer(self, content_type: str, body: bytes) -> None:
        """
        As the protocol says.
        """
        self.status = 200

    def end_answer(self) -> None:
        """
        As the protocol says.
        """
        self.status = 200


def _proxy_path(profile: bytes) -> bytes:
    [payload] = plistlib.loads(profile)["PayloadContent"]
    return urlsplit(str(payload["PayloadContent"]["URL"])).path.encode("ascii")


def _certificate(udid: str, profile_uuid: str, now: datetime) -> CandidateCertificate:
    """
    The certificate that a device shows for a profile.
    """
    name = x509.Name.from_rfc4514_string
    der = x509.CertificateBuilder(
        issuer_name=name("CN=ca"),
        subject_name=name(f"OU=fleet-{profile_uuid},CN={udid}"),
        public_key=rsa_key().public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=now,
        not_valid_after=now + 365 * _DAY,
    )
    found = candidate_from_der(der.sign(rsa_key(), hashes.SHA256()).public_bytes(Encoding.DER))
    assert found is not None
    return found


def _now(coroutine: object) -> object:
    """
    The result of what needs no time.
    """
    found: list[object] = []
    deferred: Deferred[object] = Deferred.fromCoroutine(coroutine)  # type: ignore[arg-type]
    deferred.addCallback(found.append)
    deferred.addErrback(lambda failure: failure.raiseException())
    if not found:
        deferred.addErrback(lambda failure: found.append(failure))
        raise AssertionError(f"it takes time, or failed: {found}")
    return found[0]
