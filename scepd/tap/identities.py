"""
The parts that renew the identities of devices, built and put together.
"""

from __future__ import annotations

from datetime import timedelta

from scepd.mdm.device_attributes import DeviceAttributes, proven_attributes
from scepd.metrics import Metrics
from scepd.profiles.certificate_renewal import RenewalRule
from scepd.services.checkin_identity import Identities
from scepd.services.enrolling import Enrolling
from scepd.services.enrollment_profiles import EnrollmentProfiles
from scepd.services.host_identities import HostIdentities
from scepd.services.identity_hand_over import IdentityHandOver, IdentityHandOverPorts
from scepd.services.identity_renewal import IdentityRenewal, IdentityRenewalPorts
from scepd.services.identity_schedule import IdentitySchedule
from scepd.services.leases import Leases
from scepd.tap.files import DeviceSecrets
from scepd.tap.pushing import Pushing
from scepd.tap.stores import Stores
from scepd.tap.surroundings import Surroundings


class DeviceIdentities:
    """
    How devices get their identities, and new ones in their place.
    """

    def __init__(
        self,
        around: Surroundings,
        stores: Stores,
        secrets: DeviceSecrets,
        pushing: Pushing,
        leases: Leases,
        metrics: Metrics,
    ) -> None:
        self._around = around
        self._anchors = secrets.device_anchors
        settings = around.configuration.mdm
        clock = around.reactor
        self.profiles = EnrollmentProfiles(
            around.random_bytes,
            around.configuration.server.external_url,
            lambda: pushing.topic,
            around.in_thread,
            secrets.sign_profile,
            mdm_url=settings.external_url,
            sign_message=settings.sign_message,
        )
        self.enrolling = Enrolling(
            stores.enrollment_tokens,
            clock,
            around.random_bytes,
            around.configuration.server.external_url,
            lambda: pushing.topic,
            self.profiles,
        )
        grace = timedelta(days=settings.expired_identity_grace)
        schedule = IdentitySchedule(
            RenewalRule(timedelta(days=settings.identity_days_left)),
            timedelta(seconds=settings.identity_retry),
        )
        self.known = Identities(
            stores.check_ins,
            stores.identities,
            around.in_thread,
            clock,
            metrics,
            grace,
        )
        self.shown = HostIdentities(stores.identities, clock, schedule, grace)
        self.hand_over = IdentityHandOver(
            IdentityHandOverPorts(
                stores.identities, self.profiles, around.in_thread, clock, metrics
            ),
            schedule,
        )
        self.renewal = IdentityRenewal(
            IdentityRenewalPorts(
                stores.identities, stores.hosts, clock, around.new_id, pushing.wake, metrics
            ),
            leases,
            schedule,
        )

    async def prove(self, message: bytes) -> DeviceAttributes | None:
        """
        What a device proves of itself by what it signed.
        """
        return await self._around.in_thread(lambda: proven_attributes(message, self._anchors))
