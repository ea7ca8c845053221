"""
Tests for periodic work under a lease.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import Conflict, StorageUnavailable
from scepd.services.leases import HeldLease, Leases
from tests.support.fake_mdm import FakeLeases


class LeasesTests(SynchronousTestCase):
    """
    Tests for L{Leases}.
    """

    def setUp(self) -> None:
        """
        Make work that prolongs its lease some times.
        """
        self.store = FakeLeases()
        self.leases = Leases(self.store, "process-1", seconds=20)
        self.prolonged = 0
        self.error: Exception | None = None

    async def work(self, held: HeldLease) -> None:
        """
        Prolong the lease three times.
        """
        for _ in range(3):
            await held.prolong()
            self.prolonged += 1
        if self.error is not None:
            raise self.error

    def run_work(self) -> Deferred[None]:
        """
        Run the work once.
        """
        return Deferred.fromCoroutine(self.leases.run("processor", self.work))

    def test_given_back(self) -> None:
        """
        The lease is taken for one run, prolonged, and given back.
        """
        self.successResultOf(self.run_work())
        self.assertEqual(self.store.taken, [("processor", "process-1", 20)] * 4)
        self.assertEqual(len(self.store.given_back), 1)

    def test_held_by_another(self) -> None:
        """
        Nothing is done while another process has it.
        """
        self.store.stolen_after = 0
        self.successResultOf(self.run_work())
        self.assertEqual(self.prolonged, 0)
        self.assertEqual(self.store.given_back, [])

    def test_lost(self) -> None:
        """
        When another process takes it away the rest of the work is left to that, without a noise.
        """
        self.store.stolen_after = 2
        with capturedLogs() as events:
            self.successResultOf(self.run_work())
        self.assertEqual(self.prolonged, 1)
        self.assertEqual(
            [event["log_format"] for event in events], ["Another process took the lease {name}"]
        )

    def test_lost_at_a_write(self) -> None:
        """
        So it is when a write finds out.
        """
        self.error = Conflict("the lease has passed to another owner")
        self.successResultOf(self.run_work())

    def test_failure(self) -> None:
        """
        What the work raises comes through, and the lease is given back.
        """
        self.error = StorageUnavailable("full")
        self.failureResultOf(self.run_work(), StorageUnavailable)
        self.assertEqual(len(self.store.given_back), 1)

    def test_kept(self) -> None:
        """
        A lease can be kept for a while after the work, until the process ends.
        """
        work = self.leases.run("processor", self.work, keep=30)
        self.successResultOf(Deferred.fromCoroutine(work))
        self.assertEqual(self.store.kept, [30])
        for _ in range(2):
            self.successResultOf(Deferred.fromCoroutine(self.leases.let_go()))
        self.assertEqual(self.store.kept, [30, 0])

    def test_not_let_go(self) -> None:
        """
        A process that can't reach the database ends all the same.
        """
        work = self.leases.run("processor", self.work, keep=30)
        self.successResultOf(Deferred.fromCoroutine(work))
        self.store.broken = True
        self.successResultOf(Deferred.fromCoroutine(self.leases.let_go()))
