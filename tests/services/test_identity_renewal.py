"""
Tests for the runs of the renewal of identities, and for when they are due.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import StorageUnavailable
from scepd.model import LookedAtIdentity
from scepd.profiles.certificate_renewal import RenewalRule
from scepd.services.identity_renewal import IdentityRenewal
from scepd.services.identity_schedule import IdentitySchedule
from tests.support.fake_identities import FakeIdentities
from tests.support.fake_mdm import FakeLeases
from tests.support.fakes import FakeHosts
from tests.support.identity_parts import IdentityParts
from tests.support.pki import NOW

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
SCHEDULE = IdentitySchedule(RenewalRule())


def look(number: int = 1, *, left: timedelta = DAY, **changes: object) -> LookedAtIdentity:
    """
    An identity of a year.
    """
    values: dict[str, object] = {
        "certificate_sha256": f"sha-{number}",
        "enrollment_id": f"H-{number}",
        "host_uuid": f"H-{number}",
        "issued_at": NOW + left - 365 * DAY,
        "not_after": NOW + left,
        "issuer_replaced_at": None,
        "failures": 0,
        "pending": False,
    }
    return LookedAtIdentity(**(values | changes))  # type: ignore[arg-type]


class IdentityRenewalTests(SynchronousTestCase):
    """
    Tests for L{IdentityRenewal}.
    """

    def setUp(self) -> None:
        """
        Make one.
        """
        self.store, self.leases, self.clock = FakeIdentities(), FakeLeases(), Clock()
        self.clock.advance(NOW.timestamp())
        self.woken: list[int] = []
        self.parts = IdentityParts(
            self.store,
            FakeHosts(),
            self.clock,
            leases=self.leases,
            wake=lambda: self.woken.append(1),
        )
        self.renewal: IdentityRenewal = self.parts.renewal()

    def run_once(self, *looks: Sequence[LookedAtIdentity]) -> None:
        """
        One run.
        """
        self.store.looks = list(looks)
        self.successResultOf(Deferred.fromCoroutine(self.renewal.run()))

    def test_due(self) -> None:
        """
        What has less than 30 days left is renewed, and its device pushed; the rest is looked at
        when it is due, or after a week.
        """
        soon, far = look(2, left=34 * DAY), look(3, left=300 * DAY)
        self.run_once([look(), soon, far])
        ((sha256, command, only_due),) = self.store.begun
        self.assertEqual((sha256, command.enrollment_id, only_due), ("sha-1", "H-1", False))
        self.assertTrue(command.renews_identity)
        self.assertIsNone(command.body)
        self.assertEqual(len(self.woken), 1)
        self.assertEqual(self.store.later["sha-3"], NOW + 7 * DAY)
        self.assertTrue(NOW < self.store.later["sha-2"] <= NOW + 7 * DAY)

    def test_pending(self) -> None:
        """
        What waits for its device, for weeks if need be, is not queued again.
        """
        self.run_once([look(pending=True, failures=3)])
        self.assertEqual(self.store.begun, [])
        self.assertEqual(self.store.later, {"sha-1": NOW + DAY})

    def test_failed_before(self) -> None:
        """
        What failed is tried again, also when it was an operator who wanted it.
        """
        self.run_once([look(left=300 * DAY, failures=1)])
        self.assertEqual(len(self.store.begun), 1)

    def test_batches(self) -> None:
        """
        Batches follow each other until one is not full, under the lease.
        """
        full = [look(number) for number in range(200)]
        self.run_once(full, [look(200)])
        self.assertEqual(len(self.store.begun), 201)
        self.assertEqual({name for name, _, _ in self.leases.taken}, {"identity-renewal"})
        self.assertEqual(len(self.leases.given_back), 1)

    def test_lease_of_another(self) -> None:
        """
        While another process has the lease nothing is begun; everything is counted all the same.
        """
        self.leases.stolen_after = 0
        self.run_once([look()])
        self.assertEqual(self.store.begun, [])
        sample = self.parts.metrics.registry.get_sample_value
        for days, count in (("7", 1), ("14", 2), ("30", 3)):
            self.assertEqual(sample("scepd_identities_expiring", {"days": days}), count)
        self.assertEqual(sample("scepd_identities_expired"), 4)
        self.assertEqual(sample("scepd_identity_renewals_failing"), 5)

    def test_database_down(self) -> None:
        """
        The rest comes with the next run.
        """
        self.store.broken = True
        self.failureResultOf(Deferred.fromCoroutine(self.renewal.run()), StorageUnavailable)


class IdentityScheduleTests(SynchronousTestCase):
    """
    Tests for L{IdentitySchedule}.
    """

    def test_due(self) -> None:
        """
        An identity is renewed as the rule of certificates says, give or take a tenth.
        """
        due = SCHEDULE.due_at(NOW, NOW + 365 * DAY, None, "H", "sha")
        self.assertTrue(NOW + 332 * DAY <= due <= NOW + 338 * DAY)
        short = SCHEDULE.due_at(NOW, NOW + 10 * DAY, None, "H", "sha")
        self.assertTrue(NOW + 4.5 * DAY <= short <= NOW + 5.5 * DAY)

    @given(st.integers(0, 10_000))
    def test_rolled_over(self, number: int) -> None:
        """
        After a roll-over all are renewed within the lead, each at a time of its own, and none later
        than without it.
        """
        for left in (5 * DAY, 3000 * DAY):
            host, end = f"H-{number}", NOW + left
            plain = SCHEDULE.due_at(NOW - DAY, end, None, host, "sha")
            due = SCHEDULE.due_at(NOW - DAY, end, NOW, host, "sha")
            self.assertEqual(due, SCHEDULE.due_at(NOW - DAY, end, NOW, host, "sha"))
            self.assertTrue(due <= plain)
            self.assertTrue(min(NOW, plain) <= due <= NOW + 30 * DAY)

    def test_spread(self) -> None:
        """
        A fleet is not renewed in one hour after it.
        """
        end = NOW + 3000 * DAY
        dues = [SCHEDULE.due_at(NOW, end, NOW, f"H-{n}", f"sha-{n}") for n in range(300)]
        in_a_day = sum(due < NOW + DAY for due in dues)
        self.assertLess(in_a_day, 30)

    def test_again(self) -> None:
        """
        A failure is tried again after an hour, then two, up to a day.
        """
        far = NOW + 300 * DAY
        waits = [SCHEDULE.again_at(n, far, NOW) - NOW for n in (1, 2, 3, 6, 60, 10_000)]
        self.assertEqual(waits, [HOUR, 2 * HOUR, 4 * HOUR, DAY, DAY, DAY])

    def test_again_before_expiry(self) -> None:
        """
        It is tried again before it expires, but never without a wait.
        """
        self.assertEqual(SCHEDULE.again_at(9, NOW + 10 * HOUR, NOW) - NOW, 5 * HOUR)
        for left in (HOUR, timedelta(0), -DAY):
            self.assertEqual(SCHEDULE.again_at(9, NOW + left, NOW) - NOW, HOUR)
