"""
Tests for changes of profiles that reach their hosts step by step.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from scepd.services.leases import Leases
from scepd.services.profile_sweeps import ProfileSweeps
from tests.support.fake_mdm import FakeLeases
from tests.support.fakes import FakeProfiles


class ProfileSweepsTests(SynchronousTestCase):
    """
    Tests for L{ProfileSweeps}.
    """

    def setUp(self) -> None:
        """
        Make the service.
        """
        self.store, self.leases = FakeProfiles(), FakeLeases()
        self.service = ProfileSweeps(self.store, Leases(self.leases, "me"), Clock())

    def run_it(self) -> None:
        """
        Let it do all that is left.
        """
        self.successResultOf(Deferred.fromCoroutine(self.service.run()))

    def test_turns(self) -> None:
        """
        Several changes take turns, so that a small one does not wait for a large one.
        """
        self.store.steps = {"large": 4, "small": 1}
        self.run_it()
        self.assertEqual(self.store.advanced, ["large", "small", "large", "large", "large"])
        self.assertEqual(self.store.steps, {})
        self.assertEqual(len(self.leases.given_back), 1)

    def test_nothing(self) -> None:
        """
        Without a change nothing is done.
        """
        self.run_it()
        self.assertEqual(self.store.advanced, [])

    def test_other_process(self) -> None:
        """
        While another process has the lease, or takes it, the work is left to it.
        """
        self.store.steps = {"large": 4}
        self.leases.stolen_after = 0
        self.run_it()
        self.assertEqual(self.store.advanced, [])
        self.leases.stolen_after = 3
        self.run_it()
        self.assertEqual(self.store.advanced, ["large", "large"])
