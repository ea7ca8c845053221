"""
The services that renew identities, on whatever ports a test has.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from twisted.internet.task import Clock

from scepd.metrics import Metrics
from scepd.ports import HostStore, IdentityStore, LeaseStore, Workers
from scepd.profiles.certificate_renewal import RenewalRule
from scepd.services.checkin_identity import Identities
from scepd.services.enrollment_profiles import EnrollmentProfiles
from scepd.services.host_identities import HostIdentities
from scepd.services.identity_hand_over import IdentityHandOver, IdentityHandOverPorts
from scepd.services.identity_renewal import IdentityRenewal, IdentityRenewalPorts
from scepd.services.identity_schedule import IdentitySchedule
from scepd.services.leases import Leases
from tests.support.fake_mdm import FakeCheckIns, FakeLeases
from tests.support.fakes import InlineWorkers

TOPIC = "com.apple.mgmt.External.1"
GRACE = timedelta(days=10)
"""
For which an identity that has expired is heard.
"""
EXTERNAL_URL = "https://mdm.example.com"


def _asleep() -> None:
    """
    Nobody waits for pushes.
    """


@dataclass
class IdentityParts:
    """
    What they are made of.

    :param topic: of the push certificate.
    """

    identities: IdentityStore
    hosts: HostStore
    clock: Clock
    metrics: Metrics = field(default_factory=Metrics)
    workers: Workers = field(default_factory=InlineWorkers)
    leases: LeaseStore = field(default_factory=FakeLeases)
    wake: Callable[[], object] = _asleep
    topic: str | None = TOPIC
    schedule: IdentitySchedule = field(default_factory=lambda: IdentitySchedule(RenewalRule()))

    def known(self, check_ins: FakeCheckIns) -> Identities:
        """
        Who knows the senders.
        """
        return Identities(check_ins, self.identities, self.workers, self.clock, self.metrics, GRACE)

    def renewal(self) -> IdentityRenewal:
        """
        Who begins renewals.
        """
        uuids = (f"renewal-{number}" for number in itertools.count(1))
        ports = IdentityRenewalPorts(
            self.identities, self.hosts, self.clock, lambda: next(uuids), self.wake, self.metrics
        )
        return IdentityRenewal(ports, Leases(self.leases, "process-1"), self.schedule)

    def hand_over(self) -> IdentityHandOver:
        """
        Who makes the profiles, with random octets that never repeat.
        """
        numbers = itertools.count(1)
        profiles = EnrollmentProfiles(
            lambda count: next(numbers).to_bytes(count, "big"), EXTERNAL_URL, lambda: self.topic
        )
        ports = IdentityHandOverPorts(
            self.identities, profiles, self.workers, self.clock, self.metrics
        )
        return IdentityHandOver(ports, self.schedule)

    def shown(self) -> HostIdentities:
        """
        Who shows them to operators.
        """
        return HostIdentities(self.identities, self.clock, self.schedule, GRACE)
