"""
The parts of the daemon, built and put together.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from twisted.web.resource import Resource

from scepd.config import Configuration, database_url
from scepd.mdm.results import LARGEST_RESULT
from scepd.metrics import Metrics
from scepd.network.scep_upstream import SCEPUpstream
from scepd.network.upstream_pool import UpstreamLimits
from scepd.pki.keyring import Keyring
from scepd.services.access import Access
from scepd.services.api_tokens import APITokens
from scepd.services.authorities import CertificateAuthorities
from scepd.services.built_in_authority import AuthoritiesWithBuiltIn
from scepd.services.ca_answers import CAAnswers
from scepd.services.ca_directory import CADirectory
from scepd.services.delivery_challenges import DeliveryChallenges
from scepd.services.embedded_upstream import EmbeddedUpstream, UpstreamChoice
from scepd.services.host_changes import HostChanges
from scepd.services.host_commands import HostCommandPorts, HostCommands
from scepd.services.hosts import Hosts
from scepd.services.managed_certificates import ManagedCertificates
from scepd.services.profiles import Profiles
from scepd.services.proxying import ProxyPorts, SCEPProxy
from scepd.services.pushes import Pushes
from scepd.services.rendering import ProfileRendering
from scepd.services.resending import Resending
from scepd.services.step_ca_webhook import StepCAWebhook
from scepd.services.upstream_targets import UpstreamTargets
from scepd.storage.database import Database
from scepd.tap.files import DeviceSecrets
from scepd.tap.management import Management
from scepd.tap.protecting import Protecting
from scepd.tap.stores import Stores
from scepd.tap.surroundings import Surroundings
from scepd.web.api.app import make_api
from scepd.web.api.challenges import (
    LARGEST_CSR,
    LARGEST_QUESTION,
    STEP_CA_PATH,
    VERIFY_PATH,
    ChallengeEndpoints,
)
from scepd.web.device_root import DeviceRoot
from scepd.web.errors import problem_refusal
from scepd.web.health import HealthResource, MetricsResource, ReadinessResource
from scepd.web.scep_proxy import SCEPProxySite
from scepd.web.streaming import StreamingSite, first_receiver

_METHODS = frozenset((b"GET", b"POST", b"PUT", b"PATCH", b"DELETE", b"HEAD"))
# Ordinary messages are read in half a millisecond; a hostile one of that size takes some.
_INLINE_BYTES = 8 * 1024
_MDM_PATHS = (b"/mdm/checkin", b"/mdm/connect")
# Whatever is wrong with what a device says is 400.
_MDM_LENGTH_STATUSES = dict.fromkeys(_MDM_PATHS, 400)
_CHALLENGE_LIMITS = {
    f"/api/v1{STEP_CA_PATH}".encode("ascii"): LARGEST_QUESTION,
    f"/api/v1{VERIFY_PATH}".encode("ascii"): LARGEST_CSR,
}
_OSQUERY_BYTES = {
    "enroll": 1024 * 1024,
    "config": 1024 * 1024,
    "distributed/read": 1024 * 1024,
    # Inventories of hosts with very many certificates, and logs.
    "distributed/write": 8 * 1024 * 1024,
    "log": 8 * 1024 * 1024,
}


class Composition:
    """
    What the daemon starts and stops.

    :param keyring: gives the keyring as it was read last.
    :param say_listening: what is wrong with the listeners, or an empty text.
    :param tells: whether the log tells what happens at a level.
    :param now: tells the stores' own time, by which leases end; None: the database's clock.
    """

    def __init__(
        self,
        configuration: Configuration,
        reactor: Any,
        keyring: Callable[[], Keyring],
        secrets: DeviceSecrets,
        say_listening: Callable[[], str],
        tells: Callable[[str], bool] = lambda level: True,
        now: Callable[[], datetime] | None = None,
    ) -> None:
        self._configuration = configuration
        self._tells = tells
        self._around = around = Surroundings(configuration, reactor, keyring)
        self._say_listening = say_listening
        self.metrics = Metrics()
        self.database = self._make_database()
        self._stores = stores = Stores(
            self.database, configuration.profiles, configuration.renewal, configuration.mdm, now
        )
        stores.authorities = AuthoritiesWithBuiltIn(
            stores.authorities, lambda: self.management.ca, configuration.server.external_url
        )
        self.challenges = DeliveryChallenges(
            stores.challenges, reactor, around.in_thread, self.metrics
        )
        self._rendering = ProfileRendering(
            stores.authorities,
            keyring,
            around.in_thread,
            configuration.server.external_url,
            around.random_bytes,
        )
        self.upstream = self._make_upstream()
        self._targets = UpstreamTargets(keyring)
        self._upstreams = self._make_upstreams()
        self._authorities = self._make_authorities()
        self._protecting = Protecting(around, stores, self.upstream, self._targets, self.metrics)
        self.proxy = self._make_proxy()
        self.management = Management(
            around,
            stores,
            self._rendering,
            secrets,
            self.challenges,
            self._protecting,
            self.metrics,
            lambda: self._tells("info"),
        )
        self.device_site = self._make_device_site()
        self.admin_site = self._make_admin_site()

    def _make_database(self) -> Database:
        storage = self._configuration.storage
        return Database(
            database_url(storage),
            self._around.reactor,
            deadline=storage.unit_timeout,
            queue_limit=storage.queue_limit,
            on_batch=self._count_batch,
        )

    def _make_upstream(self) -> SCEPUpstream:
        proxy = self._configuration.scep_proxy
        limits = UpstreamLimits(
            connect_timeout=proxy.connect_timeout,
            exchange_timeout=proxy.exchange_timeout,
            idle_timeout=proxy.idle_timeout,
            max_idle_connections=proxy.max_idle_connections,
            allow_private=proxy.allow_private_upstreams,
        )
        return SCEPUpstream(self._around.reactor, limits)

    def _make_upstreams(self) -> UpstreamChoice:
        proxy = self._configuration.scep_proxy
        embedded = EmbeddedUpstream(
            lambda: self.management.ca,
            self._around.reactor,
            proxy.max_message_size,
            proxy.exchange_timeout,
        )
        return UpstreamChoice(embedded, self.upstream)

    def _make_proxy(self) -> SCEPProxy:
        around, stores, settings = self._around, self._stores, self._configuration.scep_proxy
        self.directory = CADirectory(stores.authorities, around.reactor, self._targets)
        self.answers = CAAnswers(
            self._upstreams,
            around.reactor,
            self._protecting.protection,
            self.metrics,
            settings.max_message_size,
            self._notice_certificates,
            self.directory.capabilities_told,
        )
        ports = ProxyPorts(
            authorities=stores.authorities,
            assignments=stores.assignments,
            enrollment=stores.windows,
            upstream=self._upstreams,
            workers=around.in_thread,
            clock=around.reactor,
            protection=self._protecting.protection,
            metrics=self.metrics,
            new_id=around.new_id,
            directory=self.directory,
            answers=self.answers,
            tells=lambda: self._tells("info"),
            inline_bytes=_INLINE_BYTES,
        )
        return SCEPProxy(ports, settings)

    def _forget_authority(self, name: str) -> None:
        """
        The record of a certificate authority has changed.
        """
        self.directory.forget(name)
        self.answers.forget(name)

    async def _notice_certificates(self, name: str, body: bytes) -> None:
        """
        A certificate authority has answered GetCACert.
        """
        if await self._authorities.certificates_seen(name, body):
            self.directory.forget(name)

    def _make_device_site(self) -> StreamingSite:
        root = DeviceRoot()
        self.management.add_resources(root)
        limits = dict.fromkeys(_MDM_PATHS, LARGEST_RESULT)
        for path, size in _OSQUERY_BYTES.items():
            for prefix in ("/api/osquery/", "/api/v1/osquery/"):
                limits[f"{prefix}{path}".encode("ascii")] = size
        proxy = self._configuration.scep_proxy
        return StreamingSite(
            root,
            reactor=self._around.reactor,
            body_limit=proxy.max_message_size,
            body_limits=limits,
            length_statuses=_MDM_LENGTH_STATUSES,
            on_too_long=self.management.long_messages.refused,
            minimum_speed=proxy.minimum_speed,
            minimum_speed_after=proxy.minimum_speed_after,
            request_timeout=self._configuration.limits.request_timeout,
            receiver_for=first_receiver(
                self.management.mdm_site.receiver_for, SCEPProxySite(self.proxy).receiver_for
            ),
            tells_requests=lambda: self._tells("debug"),
        )

    def make_mtls_site(self) -> StreamingSite:
        """
        The site of the listener that asks for client certificates: check-ins and commands.
        """
        root = DeviceRoot()
        self.management.add_check_in(root)
        return StreamingSite(
            root,
            reactor=self._around.reactor,
            body_limit=LARGEST_RESULT,
            length_statuses=_MDM_LENGTH_STATUSES,
            on_too_long=self.management.long_messages.refused,
            request_timeout=self._configuration.limits.request_timeout,
            tells_requests=lambda: self._tells("debug"),
        )

    def _make_admin_site(self) -> StreamingSite:
        root = Resource()
        root.putChild(b"healthz", HealthResource())
        parts = {"listeners": self._say_listening, "apns": self.management.pushing.trouble}
        root.putChild(b"readyz", ReadinessResource(self.database, parts))
        root.putChild(b"metrics", MetricsResource(self.metrics))
        root.putChild(b"api", self._make_api())
        return StreamingSite(
            root,
            reactor=self._around.reactor,
            body_limit=self._configuration.limits.admin_body_size,
            body_limits=_CHALLENGE_LIMITS,
            request_timeout=self._configuration.limits.request_timeout,
            on_answer=self._count_admin_answer,
            spell_refusal=problem_refusal,
        )

    def _make_api(self) -> Resource:
        around, stores = self._around, self._stores
        return make_api(
            access=Access(stores.api_tokens, around.reactor),
            authorities=self._authorities,
            profiles=self._make_profiles(),
            hosts=Hosts(
                stores.hosts,
                stores.assignments,
                stores.verification,
                stores.commands,
                stores.windows,
                stores.check_ins,
                stores.pushes,
                stores.inventories,
                self.management.identities.shown,
            ),
            certificates=ManagedCertificates(stores.renewals, stores.breakers, around.reactor),
            inventories=self.management.verifying.inventories,
            host_changes=HostChanges(stores.host_changes, stores.hosts, around.reactor),
            identities=self.management.identities.renewal,
            commands=self._make_host_commands(),
            pushes=Pushes(
                stores.pushes,
                stores.push_topics,
                stores.hosts,
                stores.check_ins,
                self.management.pushing,
                around.reactor,
                self.management.pushing.wake,
            ),
            resending=Resending(stores.resending, around.reactor),
            enrolling=self.management.enrolling,
            embedded_ca=self.management.issuing.endpoints(),
            tokens=APITokens(stores.api_tokens, around.reactor, around.random_bytes),
            challenges=ChallengeEndpoints(
                self.challenges,
                StepCAWebhook(stores.added_authorities, around.keyring),
                stores.added_authorities,
            ),
            authority_store=stores.added_authorities,
            breakers=stores.breakers,
            enrollments=stores.windows,
            activities=stores.activities,
            health=self.database,
            clock=around.reactor,
            random=around.random_bytes,
            limits=self._configuration.limits,
        )

    def _make_host_commands(self) -> HostCommands:
        around, stores = self._around, self._stores
        ports = HostCommandPorts(
            stores.commands,
            stores.command_history,
            stores.hosts,
            stores.check_ins,
            around.in_thread,
            around.reactor,
            around.new_id,
            self.management.pushing.wake,
        )
        return HostCommands(ports)

    def _make_authorities(self) -> CertificateAuthorities:
        around = self._around
        return CertificateAuthorities(
            self._stores.authorities,
            self._upstreams,
            around.keyring,
            around.reactor,
            around.random_bytes,
            around.in_thread,
            self._configuration.scep_proxy,
            self._targets,
            self._forget_authority,
        )

    def _make_profiles(self) -> Profiles:
        around, stores = self._around, self._stores
        return Profiles(
            stores.profiles,
            stores.authorities,
            stores.hosts,
            self._rendering,
            around.reactor,
            around.random_bytes,
            around.in_thread,
            self._configuration.profiles,
            self.management.profiles_changed,
        )

    def _count_batch(self, units: int, seconds: float) -> None:
        self.metrics.database_units.inc(units)
        self.metrics.database_batch_seconds.observe(seconds)

    def _count_admin_answer(self, method: bytes, status: int) -> None:
        known = method.decode("ascii") if method in _METHODS else "other"
        self.metrics.admin_requests.labels(known, str(status)).inc()
