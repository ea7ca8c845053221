"""
Tests for the runs of the renewal.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from scepd.model import RowEvent
from scepd.profiles.lifecycle import Event
from scepd.services.leases import Leases
from scepd.services.renewal import Renewal, RenewalRunSettings
from tests.support.fake_mdm import FakeLeases, FakeVerification


def events(count: int) -> list[RowEvent]:
    """
    So many renewals that have begun.
    """
    return [RowEvent(f"HOST-{number}", "aPROFILE-1", Event.RENEWAL_DUE) for number in range(count)]


class RenewalTests(SynchronousTestCase):
    """
    Tests for L{Renewal}.
    """

    def setUp(self) -> None:
        """
        Make a renewal in batches of 2, at most 5 in a run.
        """
        self.store, self.leases = FakeVerification(), FakeLeases()
        self.renewal = Renewal(
            self.store,
            Leases(self.leases, "process-1"),
            Clock(),
            RenewalRunSettings(batch=2, most=5),
        )

    def run_once(self) -> Deferred[None]:
        """
        One run.
        """
        return Deferred.fromCoroutine(self.renewal.run())

    def test_batches(self) -> None:
        """
        Batches follow each other until one is not full; each renewal is logged.
        """
        self.store.renewals = [events(2), events(1)]
        with capturedLogs() as logged:
            self.successResultOf(self.run_once())
        self.assertEqual([call[1] for call in self.store.renew_calls], [2, 2])
        self.assertEqual([event["host"] for event in logged], ["HOST-0", "HOST-1", "HOST-0"])
        self.assertEqual({call[2].name for call in self.store.renew_calls}, {"renewal"})

    def test_limit(self) -> None:
        """
        One run begins no more than it may.
        """
        self.store.renewals = [events(2), events(2), events(1), events(2)]
        self.successResultOf(self.run_once())
        self.assertEqual([call[1] for call in self.store.renew_calls], [2, 2, 1])

    def test_lease(self) -> None:
        """
        Without the lease nothing is renewed; when it is lost, nothing more.
        """
        self.leases.stolen_after = 0
        self.successResultOf(self.run_once())
        self.assertEqual(self.store.renew_calls, [])
        self.leases.stolen_after = 2
        self.store.renewals = [events(2), events(2)]
        self.successResultOf(self.run_once())
        self.assertEqual(len(self.store.renew_calls), 1)
