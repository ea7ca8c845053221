"""
Tests for forgetting old commands.
"""

from __future__ import annotations

from datetime import timedelta

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import StorageUnavailable
from scepd.services.command_pruning import CommandPruning, PruningSettings
from scepd.services.leases import Leases
from tests.support.fake_mdm import FakeCommandHistory, FakeLeases
from tests.support.fake_mdm_world import NOW


class CommandPruningTests(SynchronousTestCase):
    """
    Tests for L{CommandPruning}.
    """

    def setUp(self) -> None:
        """
        Forget in steps of 2, at most 5 in a run, what is older than 90 days.
        """
        clock = Clock()
        clock.advance(NOW.timestamp())
        self.history, self.leases = FakeCommandHistory(), FakeLeases()
        self.pruning = CommandPruning(
            self.history,
            Leases(self.leases, "process-1"),
            clock,
            PruningSettings(timedelta(days=90), batch=2, most=5),
        )

    def run_once(self) -> Deferred[None]:
        """
        One run.
        """
        return Deferred.fromCoroutine(self.pruning.run())

    def test_steps(self) -> None:
        """
        Steps follow each other until one is not full, and the log tells how many commands went.
        """
        self.history.old = [2, 1]
        with capturedLogs() as events:
            self.successResultOf(self.run_once())
        cutoffs = {(before, lease.name) for before, _, lease in self.history.prunings}
        self.assertEqual(cutoffs, {(NOW - timedelta(days=90), "command pruning")})
        self.assertEqual([limit for _, limit, _ in self.history.prunings], [2, 2])
        self.assertEqual([event["count"] for event in events], [3])

    def test_limit(self) -> None:
        """
        One run forgets no more than it may.
        """
        self.history.old = [2, 2, 1, 2]
        self.successResultOf(self.run_once())
        self.assertEqual([limit for _, limit, _ in self.history.prunings], [2, 2, 1])

    def test_nothing(self) -> None:
        """
        When nothing is old the log says nothing.
        """
        with capturedLogs() as events:
            self.successResultOf(self.run_once())
        self.assertEqual(events, [])

    def test_lease(self) -> None:
        """
        Without the lease nothing is forgotten; when it is lost, nothing more.
        """
        self.leases.stolen_after = 2
        self.history.old = [2, 2]
        self.successResultOf(self.run_once())
        self.assertEqual(len(self.history.prunings), 1)

    def test_storage_unavailable(self) -> None:
        """
        A database that is down ends the run.
        """
        self.history.broken = True
        self.failureResultOf(self.run_once(), StorageUnavailable)
