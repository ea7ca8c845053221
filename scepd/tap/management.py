"""
The parts that deal with devices beside the proxy: identities, check-in, deliveries, proofs.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from twisted.web.resource import Resource

from scepd.metrics import Metrics
from scepd.services.bootstrap_tokens import BootstrapTokens
from scepd.services.certificate_counting import CertificateCounting
from scepd.services.checkin import CheckIn
from scepd.services.checkin_messages import CheckInMessages
from scepd.services.command_pruning import CommandPruning, PruningSettings
from scepd.services.commands import CommandPorts, Commands, CommandSettings
from scepd.services.delivery import ProcessorSettings, ProfileProcessor
from scepd.services.delivery_challenges import DeliveryChallenges
from scepd.services.delivery_resolving import Resolving
from scepd.services.last_seen import LastSeen
from scepd.services.leases import Leases
from scepd.services.long_messages import LongMessages
from scepd.services.periodic import Periodic
from scepd.services.profile_sweeps import ProfileSweeps
from scepd.services.record_pruning import Retention, RetentionSettings
from scepd.services.rendering import ProfileRendering
from scepd.services.renewal import Renewal, RenewalRunSettings
from scepd.services.results import ResultPorts, Results
from scepd.services.unanswered import Unanswered
from scepd.services.user_channels import UserChannels
from scepd.tap.files import DeviceSecrets
from scepd.tap.identities import DeviceIdentities
from scepd.tap.issuing import Issuing
from scepd.tap.protecting import Protecting
from scepd.tap.pushing import Pushing
from scepd.tap.stores import Stores, offer_rule
from scepd.tap.surroundings import Surroundings
from scepd.tap.verifying import Verifying
from scepd.web.client_certificates import ClientCertificates, TrustedProxies
from scepd.web.device_root import DeviceRoot
from scepd.web.enrollment import EnrollmentResource
from scepd.web.mdm import LongMDMMessages, MDMSite, make_mdm_endpoint

_LAST_SEEN_SECONDS = 5.0
_PRUNING_SECONDS = 3600.0
_COUNTING_SECONDS = 60.0
# A change wakes it; this is for what a process that ended has left.
_SWEEPING_SECONDS = 60.0
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
        self._metrics = metrics
        self._rendering = rendering
        self._secrets = secrets
        self.issuing = Issuing(around, stores, secrets.ca_challenge, challenges, metrics)
        self.ca = self.issuing.authority
        self._protecting = protecting
        self.pushing = Pushing(around, stores.pushes, stores.push_topics, metrics, secrets, tells)
        self._leases = Leases(stores.leases, around.new_id(), around.configuration.storage.lease)
        self.last_seen = LastSeen(stores.check_ins, around.reactor)
        self.identities = DeviceIdentities(
            around, stores, secrets, self.pushing, self._leases, metrics
        )
        self.enrolling = self.identities.enrolling
        self.verifying = Verifying(
            around, stores, rendering, secrets, self._leases, self.pushing, metrics
        )
        sweeps = ProfileSweeps(stores.profiles, self._leases, around.reactor)
        self._sweeping = Periodic(
            around.reactor,
            "bringing changes of profiles to hosts",
            _SWEEPING_SECONDS,
            sweeps.run,
            around.jitter,
        )
        self.processor = self._make_processor()
        check_in, certificates = self._make_check_in(), self._make_client_certificates()
        self._endpoint = make_mdm_endpoint(check_in, certificates)
        self.mdm_site = MDMSite(check_in, certificates)
        self.long_messages = LongMDMMessages(
            LongMessages(stores.check_ins, around.in_thread, around.reactor), certificates
        )
        self._periodic = [*self._make_periodic(), self._sweeping]

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
        await self._leases.let_go()
        await self.pushing.stop()
        await self.last_seen.flush()
        self.issuing.stop()

    def profiles_changed(self) -> None:
        """
        A change of a profile may have to be brought to more hosts.
        """
        self._sweeping.wake()

    # -- what devices ask --------------------------------------------------------------------------

    def add_resources(self, root: Resource) -> None:
        """
        Put the resources of devices below the root of their listener.
        """
        mdm, scep, api = self.add_check_in(root), DeviceRoot(), DeviceRoot()
        mdm.putChild(b"enroll", EnrollmentResource(self.enrolling, self.identities.prove))
        mdm.putChild(b"scep", scep)
        self.issuing.add_resources(scep)
        root.putChild(b"api", api)
        osquery = self.verifying.osquery().resource()
        api.putChild(b"osquery", osquery)
        version = DeviceRoot()
        api.putChild(b"v1", version)
        version.putChild(b"osquery", osquery)

    def add_check_in(self, root: Resource) -> Resource:
        """
        Put check-ins and commands below the root of a listener.

        :returns: what they are below.
        """
        mdm = DeviceRoot()
        root.putChild(b"mdm", mdm)
        mdm.putChild(b"checkin", self._endpoint)
        mdm.putChild(b"connect", self._endpoint)
        return mdm

    # -- the parts ---------------------------------------------------------------------------------

    def _make_periodic(self) -> list[Periodic]:
        configuration, stores = self._around.configuration, self._stores
        reactor = self._around.reactor
        renewal = Renewal(stores.renewals, self._leases, reactor, self._renewal_settings())
        counting = CertificateCounting(stores.renewals, reactor, self._metrics)
        pruning = CommandPruning(
            stores.command_history,
            self._leases,
            self._around.reactor,
            PruningSettings(timedelta(days=configuration.mdm.keep_commands)),
        )
        retention = Retention(
            stores.record_pruning, self._leases, reactor, self._retention_settings()
        )
        works = (
            ("processing profiles", configuration.profiles.tick, self.processor.tick),
            ("renewing certificates", configuration.renewal.interval, renewal.run),
            ("counting certificates", _COUNTING_SECONDS, counting.run),
            (
                "renewing identities",
                configuration.mdm.identity_interval,
                self.identities.renewal.run,
            ),
            ("forgetting old commands", _PRUNING_SECONDS, pruning.run),
            ("forgetting old records", _PRUNING_SECONDS, retention.run),
            ("writing when devices were seen", _LAST_SEEN_SECONDS, self.last_seen.flush),
        )
        around = self._around
        periodic = [Periodic(around.reactor, *work, around.jitter) for work in works]
        # What was held back goes out at once when its certificate authority is back.
        self._protecting.breakers.on_back(periodic[0].wake)
        return [*periodic, *self.verifying.periodic, self._protecting.periodic]

    def _retention_settings(self) -> RetentionSettings:
        configuration = self._around.configuration
        # An identity that is heard although it has expired must be known.
        certificates = max(
            configuration.ca.keep_certificates, configuration.mdm.expired_identity_grace
        )
        return RetentionSettings(
            timedelta(days=configuration.scep_proxy.keep_exchanges),
            timedelta(days=configuration.storage.keep_activities),
            timedelta(days=certificates),
        )

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
            ProcessorSettings(settings.deliveries_per_tick, _BATCH, keep=settings.tick),
            self._protecting.breakers,
            self._metrics,
        )

    def _make_client_certificates(self) -> ClientCertificates:
        settings = self._around.configuration.mdm
        return ClientCertificates(
            settings.client_certificate_header or "",
            TrustedProxies(settings.trusted_proxies or ()),
            self._metrics.client_certificates_refused.inc,
        )

    def _make_check_in(self) -> CheckIn:
        stores, around = self._stores, self._around
        user_channels = UserChannels(
            stores.user_channels,
            stores.check_ins,
            self.last_seen,
            around.keyring,
            around.reactor,
            around.random_bytes,
            self.pushing.wake,
        )
        identities, results = self.identities, self._make_result_ports()
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
            user_channels,
        )
        return CheckIn(
            identities.known,
            messages,
            self._make_commands(results),
            Results(results),
            self.last_seen,
            around.in_thread,
            user_channels,
            identities.renewal,
            stores.polls,
        )

    def _make_commands(self, results: ResultPorts) -> Commands:
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
            self.identities.hand_over,
            Unanswered(results),
            self._metrics,
        )
        settings = around.configuration
        return Commands(
            ports,
            CommandSettings(
                settings.profiles.window,
                settings.scep_proxy.one_time_urls,
                offer_rule(settings.mdm),
            ),
        )

    def _make_result_ports(self) -> ResultPorts:
        stores = self._stores
        return ResultPorts(
            stores.commands,
            stores.assignments,
            stores.windows,
            stores.verification,
            self._around.reactor,
            self.verifying.answers,
            self.identities.hand_over,
            stores.host_changes,
        )

    def _renewal_settings(self) -> RenewalRunSettings:
        section = self._around.configuration.renewal
        longest = timedelta(seconds=section.longest_retry)
        first = min(timedelta(seconds=section.first_retry), longest)
        return RenewalRunSettings(_BATCH, again_after=(first, longest))
