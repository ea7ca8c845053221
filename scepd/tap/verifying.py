"""
The parts that prove deliveries: inventories by osquery and over MDM.
"""

from __future__ import annotations

from datetime import timedelta

from scepd.metrics import Metrics
from scepd.profiles.certificate_renewal import RenewalRule
from scepd.services.inventories import Inventories, InventoryPorts
from scepd.services.inventory_answers import InventoryAnswers
from scepd.services.inventory_schedule import InventorySchedule
from scepd.services.leases import Leases
from scepd.services.periodic import Periodic
from scepd.services.rendering import ProfileRendering
from scepd.services.verification import (
    Verification,
    VerificationPorts,
    VerificationSettings,
)
from scepd.services.verification_agents import Agents
from scepd.services.verification_certificates import ExpectedCertificates
from scepd.tap.files import DeviceSecrets
from scepd.tap.pushing import Pushing
from scepd.tap.stores import Stores
from scepd.tap.surroundings import Surroundings
from scepd.web.osquery import OsqueryAPI

# Between two looks at who is to be asked over MDM, and at what is overdue; shorter where the
# settings are.
_ASKING_SECONDS = 15.0
_TELLING_SECONDS = 60.0


class Verifying:
    """
    Asking hosts, and what their answers prove.
    """

    def __init__(
        self,
        around: Surroundings,
        stores: Stores,
        rendering: ProfileRendering,
        secrets: DeviceSecrets,
        leases: Leases,
        pushing: Pushing,
        metrics: Metrics,
    ) -> None:
        self._around = around
        self._stores = stores
        self._secrets = secrets
        section = around.configuration.verification
        schedule = InventorySchedule(
            timedelta(seconds=section.interval),
            timedelta(seconds=section.after_acknowledgement),
            timedelta(seconds=section.grace),
            timedelta(seconds=section.agent_silence),
        )
        self.inventories = self._make_inventories(schedule, leases, pushing, metrics)
        asking = min(_ASKING_SECONDS, section.after_acknowledgement / 4, section.interval / 4)
        telling = min(_TELLING_SECONDS, section.grace / 4)
        self._asking = Periodic(
            around.reactor, "asking for inventories", asking, self.inventories.run, around.jitter
        )
        self._telling = Periodic(
            around.reactor,
            "looking for unproved deliveries",
            telling,
            self.inventories.tell_unproved,
            around.jitter,
        )
        self._verification = self._make_verification(schedule, rendering, metrics)
        self.answers = InventoryAnswers(
            stores.inventories,
            self._verification,
            around.in_thread,
            metrics,
            self._asking.wake,
        )

    @property
    def periodic(self) -> tuple[Periodic, ...]:
        """
        What is done from time to time.
        """
        return self._asking, self._telling

    def osquery(self) -> OsqueryAPI:
        """
        The answers to agents.
        """
        around = self._around
        agents = Agents(
            self._stores.verification,
            lambda: self._secrets.osquery or "",
            around.reactor,
            around.random_bytes,
            self._stores.host_changes,
        )
        return OsqueryAPI(agents, self._verification, around.in_thread)

    def _make_inventories(
        self, schedule: InventorySchedule, leases: Leases, pushing: Pushing, metrics: Metrics
    ) -> Inventories:
        stores, around = self._stores, self._around
        ports = InventoryPorts(
            stores.inventories,
            stores.delivery,
            stores.hosts,
            stores.check_ins,
            leases,
            around.reactor,
            metrics,
            around.new_id,
            around.jitter,
            pushing.wake,
            lambda: bool(self._secrets.osquery),
        )
        return Inventories(ports, schedule)

    def _make_verification(
        self, schedule: InventorySchedule, rendering: ProfileRendering, metrics: Metrics
    ) -> Verification:
        stores, around = self._stores, self._around
        ports = VerificationPorts(
            stores.verification,
            stores.inventories,
            stores.hosts,
            ExpectedCertificates(rendering, stores.authorities, around.in_thread),
            around.reactor,
            metrics,
            around.jitter,
        )
        days_left = around.configuration.renewal.days_left
        settings = VerificationSettings(schedule, RenewalRule(timedelta(days=days_left)))
        return Verification(ports, settings)
