"""
The parts of the daemon, built and put together.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.web.resource import Resource

from scepd.config import Configuration
from scepd.metrics import Metrics
from scepd.network.scep_upstream import SCEPUpstream
from scepd.network.upstream_pool import UpstreamLimits
from scepd.pki.keyring import Keyring
from scepd.services.access import Access
from scepd.services.authorities import CertificateAuthorities
from scepd.services.hosts import Hosts
from scepd.services.profiles import Profiles
from scepd.services.proxying import ProxyPorts, SCEPProxy
from scepd.services.rendering import ProfileRendering
from scepd.services.slots import Slots
from scepd.storage.database import Database
from scepd.tap.files import DeviceSecrets
from scepd.tap.management import Management
from scepd.tap.stores import Stores
from scepd.tap.surroundings import Surroundings
from scepd.web.api.app import make_api
from scepd.web.device_root import DeviceRoot
from scepd.web.errors import problem_refusal
from scepd.web.health import HealthResource, MetricsResource, ReadinessResource
from scepd.web.scep_proxy import SCEPProxySite
from scepd.web.streaming import StreamingSite

_METHODS = frozenset((b"GET", b"POST", b"PUT", b"PATCH", b"DELETE", b"HEAD"))
_RESULT_BYTES = 8 * 1024 * 1024
_OSQUERY_BYTES = 1024 * 1024
_OSQUERY_PATHS = ("enroll", "config", "log", "distributed/read", "distributed/write")


class Composition:
    """
    What the daemon starts and stops.

    :param keyring: gives the keyring as it was read last.
    :param say_listening: what is wrong with the listeners, or an empty text.
    """

    def __init__(
        self,
        configuration: Configuration,
        reactor: Any,
        keyring: Callable[[], Keyring],
        secrets: DeviceSecrets,
        say_listening: Callable[[], str],
    ) -> None:
        self._configuration = configuration
        self._around = around = Surroundings(configuration, reactor, keyring)
        self._say_listening = say_listening
        self.metrics = Metrics()
        self.database = self._make_database()
        self._stores = stores = Stores(self.database, configuration.profiles)
        self._rendering = ProfileRendering(
            stores.authorities, keyring, around.in_thread, configuration.server.external_url
        )
        self.upstream = self._make_upstream()
        self.proxy = self._make_proxy()
        self.management = Management(around, stores, self._rendering, secrets)
        self.device_site = self._make_device_site()
        self.admin_site = self._make_admin_site()

    def _make_database(self) -> Database:
        storage = self._configuration.storage
        return Database(
            storage.url,
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

    def _make_proxy(self) -> SCEPProxy:
        around, stores = self._around, self._stores
        ports = ProxyPorts(
            authorities=stores.authorities,
            assignments=stores.assignments,
            enrollment=stores.windows,
            upstream=self.upstream,
            workers=around.in_thread,
            clock=around.reactor,
            slots=Slots(around.reactor, self.metrics),
            metrics=self.metrics,
            new_id=around.new_id,
        )
        return SCEPProxy(ports, self._configuration.scep_proxy)

    def _make_device_site(self) -> StreamingSite:
        root = DeviceRoot()
        self.management.add_resources(root)
        limits = {b"/mdm/checkin": _RESULT_BYTES, b"/mdm/connect": _RESULT_BYTES}
        for path in _OSQUERY_PATHS:
            for prefix in ("/api/osquery/", "/api/v1/osquery/"):
                limits[f"{prefix}{path}".encode("ascii")] = _OSQUERY_BYTES
        return StreamingSite(
            root,
            reactor=self._around.reactor,
            body_limit=self._configuration.scep_proxy.max_message_size,
            body_limits=limits,
            request_timeout=self._configuration.limits.request_timeout,
            receiver_for=SCEPProxySite(self.proxy).receiver_for,
        )

    def _make_admin_site(self) -> StreamingSite:
        root = Resource()
        root.putChild(b"healthz", HealthResource())
        parts = {"listeners": self._say_listening, "apns": self.management.trouble}
        root.putChild(b"readyz", ReadinessResource(self.database, parts))
        root.putChild(b"metrics", MetricsResource(self.metrics))
        root.putChild(b"api", self._make_api())
        return StreamingSite(
            root,
            reactor=self._around.reactor,
            body_limit=self._configuration.limits.admin_body_size,
            request_timeout=self._configuration.limits.request_timeout,
            on_answer=self._count_admin_answer,
            spell_refusal=problem_refusal,
        )

    def _make_api(self) -> Resource:
        around, stores = self._around, self._stores
        return make_api(
            access=Access(stores.api_tokens, around.reactor),
            authorities=self._make_authorities(),
            profiles=self._make_profiles(),
            hosts=Hosts(
                stores.hosts,
                stores.assignments,
                stores.verification,
                stores.commands,
                stores.windows,
                stores.check_ins,
                stores.pushes,
            ),
            enrolling=self.management.enrolling,
            embedded_ca=self.management.issuing.endpoints(),
            authority_store=stores.authorities,
            enrollments=stores.windows,
            activities=stores.activities,
            health=self.database,
            clock=around.reactor,
            random=around.random_bytes,
            limits=self._configuration.limits,
        )

    def _make_authorities(self) -> CertificateAuthorities:
        around = self._around
        return CertificateAuthorities(
            self._stores.authorities,
            self.upstream,
            around.keyring,
            around.reactor,
            around.random_bytes,
            around.in_thread,
            self._configuration.scep_proxy,
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
        )

    def _count_batch(self, units: int, seconds: float) -> None:
        self.metrics.database_units.inc(units)
        self.metrics.database_batch_seconds.observe(seconds)

    def _count_admin_answer(self, method: bytes, status: int) -> None:
        known = method.decode("ascii") if method in _METHODS else "other"
        self.metrics.admin_requests.labels(known, str(status)).inc()
