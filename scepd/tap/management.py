"""
The parts that deal with devices beside the proxy: identities, check-in, deliveries, proofs.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from twisted.web.resource import Resource

from scepd.metrics import Metrics
from scepd.profiles.certificate_renewal import RenewalRule
from scepd.services.bootstrap_tokens import BootstrapTokens
from scepd.services.checkin import CheckIn
from scepd.services.checkin_identity import Identities
from scepd.services.checkin_messages import CheckInMessages
from scepd.services.command_pruning import CommandPruning, PruningSettings
from scepd.services.commands import CommandPorts, Commands, CommandSettings
from scepd.services.delivery import ProcessorSettings, ProfileProcessor
from scepd.services.delivery_challenges import DeliveryChallenges
from scepd.services.delivery_resolving import Resolving
from scepd.services.enrolling import Enrolling
from scepd.services.last_seen import LastSeen
from scepd.services.leases import Leases
from scepd.services.periodic import Periodic
from scepd.services.rendering import ProfileRendering
from scepd.services.renewal import Renewal
from scepd.services.results import ResultPorts, Results
from scepd.services.verification import Verification, VerificationSettings
from scepd.services.verification_agents import Agents
from scepd.services.verification_certificates import ExpectedCertificates
from scepd.tap.files import DeviceSecrets
from scepd.tap.issuing import Issuing
from scepd.tap.protecting import Protecting
from scepd.tap.pushing import Pushing
from scepd.tap.stores import Stores
from scepd.tap.surroundings import Surroundings
from scepd.web.device_root import DeviceRoot
from scepd.web.enrollment import EnrollmentResource
from scepd.web.mdm import MDMSite, make_mdm_endpoint
from scepd.web.osquery import OsqueryAPI

_LAST_SEEN_SECONDS = 5.0
_PRUNING_SECONDS = 3600.0
# One transaction of a batch of this size holds the database for about a tenth of a second.
_BATCH = 200


class Management:
    """
    Services of devices, and the work that is done for them from time to time.

    :param tells: whether the log tells what is no warning.
    """

    def __init__(
        self,
        around: Surroundings,
        stores: Stores,
        rendering: ProfileRendering,
        secrets: DeviceSecrets,
        challenges: DeliveryChallenges,
        protecting: Protecting,
        metrics: Metrics,
        tells: Callable[[], bool],
    ) -> None:
        self._around = around
        self._stores = stores
        self._rendering = rendering
        self._secrets = secrets
        self.issuing = Issuing(around, stores, secrets.ca_challenge, challenges, metrics)
        self.ca = self.issuing.authority
        self._protecting = protecting
        self.pushing = Pushing(around, stores.pushes, stores.push_topics, metrics, secrets, tells)
        self._leases = Leases(stores.leases, around.new_id())
        self.last_seen = LastSeen(stores.check_ins, around.reactor)
        self.enrolling = Enrolling(
            stores.enrollment_tokens,
            around.reactor,
            around.random_bytes,
            around.configuration.server.external_url,
            lambda: self.pushing.topic,
        )
        self.processor = self._make_processor()
        self._periodic = self._make_periodic()

    # -- its life ----------------------------------------------------------------------------------

    def start(self) -> None:
        """
        Begin the periodic work.
        """
        self.pushing.start()
        for work in self._periodic:
            work.start()

    async def stop(self) -> None:
        """
        Let what runs end, and begin nothing more.
        """
        for work in self._periodic:
            await work.stop()
        await self.pushing.stop()
        await self.last_seen.flush()
        self.issuing.stop()

    # -- what devices ask --------------------------------------------------------------------------

    def add_resources(self, root: Resource) -> None:
        """
        Put the resources of devices below the root of their listener.
        """
        mdm, scep, api = DeviceRoot(), DeviceRoot(), DeviceRoot()
        root.putChild(b"mdm", mdm)
        mdm.putChild(b"enroll", EnrollmentResource(self.enrolling))
        check_in = self._make_check_in()
        self.mdm_site = MDMSite(check_in)
        endpoint = make_mdm_endpoint(check_in)
        mdm.putChild(b"checkin", endpoint)
        mdm.putChild(b"connect", endpoint)
        mdm.putChild(b"scep", scep)
        self.issuing.add_resources(scep)
        root.putChild(b"api", api)
        osquery = self._make_osquery().resource()
        api.putChild(b"osquery", osquery)
        version = DeviceRoot()
        api.putChild(b"v1", version)
        version.putChild(b"osquery", osquery)

    # -- the parts ---------------------------------------------------------------------------------

    def _make_periodic(self) -> list[Periodic]:
        configuration, stores = self._around.configuration, self._stores
        renewal = Renewal(stores.verification, self._leases, self._around.reactor)
        pruning = CommandPruning(
            stores.command_history,
            self._leases,
            self._around.reactor,
            PruningSettings(timedelta(days=configuration.mdm.keep_commands)),
        )
        works = (
            ("processing profiles", configuration.profiles.tick, self.processor.tick),
            ("renewing certificates", configuration.renewal.interval, renewal.run),
            ("forgetting old commands", _PRUNING_SECONDS, pruning.run),
            ("writing when devices were seen", _LAST_SEEN_SECONDS, self.last_seen.flush),
        )
        around = self._around
        periodic = [Periodic(around.reactor, *work, around.jitter) for work in works]
        # What was held back goes out at once when its certificate authority is back.
        self._protecting.breakers.on_back(periodic[0].wake)
        return [*periodic, self._protecting.periodic]

    def _make_processor(self) -> ProfileProcessor:
        stores, around = self._stores, self._around
        settings = around.configuration.profiles
        resolving = Resolving(
            stores.profiles, stores.hosts, stores.authorities, self._rendering, around.in_thread
        )
        return ProfileProcessor(
            stores.delivery,
            resolving,
            self._leases,
            around.reactor,
            around.new_id,
            self.pushing.wake,
            ProcessorSettings(settings.deliveries_per_tick, _BATCH),
            self._protecting.breakers,
        )

    def _make_check_in(self) -> CheckIn:
        stores, around = self._stores, self._around
        identities = Identities(stores.check_ins, around.in_thread, around.reactor)
        messages = CheckInMessages(
            stores.check_ins,
            self.last_seen,
            around.keyring,
            around.reactor,
            around.random_bytes,
            self.pushing.wake,
            BootstrapTokens(
                stores.bootstrap_tokens, around.keyring, around.reactor, around.random_bytes
            ),
        )
        return CheckIn(
            identities,
            messages,
            self._make_commands(),
            self._make_results(),
            self.last_seen,
            around.in_thread,
            stores.polls,
        )

    def _make_commands(self) -> Commands:
        stores, around = self._stores, self._around
        ports = CommandPorts(
            stores.commands,
            stores.assignments,
            stores.profiles,
            stores.hosts,
            self._rendering,
            around.in_thread,
            around.reactor,
            around.new_id,
            around.random_bytes,
        )
        settings = around.configuration
        return Commands(
            ports,
            CommandSettings(settings.profiles.window, settings.scep_proxy.one_time_urls),
        )

    def _make_results(self) -> Results:
        stores = self._stores
        return Results(
            ResultPorts(
                stores.commands,
                stores.assignments,
                stores.windows,
                stores.verification,
                self._around.reactor,
            )
        )

    def _make_osquery(self) -> OsqueryAPI:
        stores, around = self._stores, self._around
        agents = Agents(
            stores.verification,
            lambda: self._secrets.osquery or "",
            around.reactor,
            around.random_bytes,
        )
        verification = Verification(
            stores.verification,
            stores.hosts,
            ExpectedCertificates(self._rendering, stores.authorities, around.in_thread),
            around.reactor,
            self._verification_settings(),
        )
        return OsqueryAPI(agents, verification, around.in_thread)

    def _verification_settings(self) -> VerificationSettings:
        configuration = self._around.configuration
        section = configuration.verification
        return VerificationSettings(
            section.interval,
            section.after_acknowledgement,
            section.grace,
            RenewalRule(timedelta(days=configuration.renewal.days_left)),
        )
