"""
Tests for the times at which enrollments were last seen.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import StorageUnavailable
from scepd.services.clock import utc_now
from scepd.services.last_seen import LastSeen
from tests.support.fake_mdm import FakeCheckIns


class LastSeenTests(SynchronousTestCase):
    """
    Tests for L{LastSeen}.
    """

    def setUp(self) -> None:
        """
        Nobody was there yet.
        """
        self.clock = Clock()
        self.store = FakeCheckIns()
        self.last_seen = LastSeen(self.store, self.clock)

    def flush(self) -> Deferred[None]:
        """
        Write what is waiting.
        """
        return Deferred.fromCoroutine(self.last_seen.flush())

    def test_batches(self) -> None:
        """
        However often an enrollment was there, it is written once; many are in several batches.
        """
        for _ in range(3):
            for number in range(1200):
                self.last_seen.saw(f"UDID-{number}")
        self.assertEqual(self.store.saw_calls, [])
        self.successResultOf(self.flush())
        self.assertEqual(self.store.saw_calls, [500, 500, 200])
        self.assertEqual(len(self.store.seen), 1200)
        self.successResultOf(self.flush())
        self.assertEqual(len(self.store.saw_calls), 3)

    def test_time(self) -> None:
        """
        The last time counts.
        """
        self.last_seen.saw("UDID-1")
        self.clock.advance(3)
        self.last_seen.saw("UDID-1")
        self.successResultOf(self.flush())
        self.assertEqual(self.store.seen, {"UDID-1": utc_now(self.clock)})

    def test_failure(self) -> None:
        """
        What can't be written is written the next time.
        """
        self.last_seen.saw("UDID-1")
        self.store.broken = True
        self.failureResultOf(self.flush(), StorageUnavailable)
        self.store.broken = False
        self.successResultOf(self.flush())
        self.assertEqual(list(self.store.seen), ["UDID-1"])

    def test_outage(self) -> None:
        """
        Those that waited for the database's return keep their times, to a minute.
        """
        seen = {}
        for number in range(4):
            self.last_seen.saw(f"UDID-{number}")
            seen[f"UDID-{number}"] = utc_now(self.clock)
            self.clock.advance(1800)
        self.successResultOf(self.flush())
        self.assertEqual(self.store.seen, seen)

    def test_bound(self) -> None:
        """
        Memory is bounded: more than 100,000 don't wait.
        """
        for number in range(100_010):
            self.last_seen.saw(f"UDID-{number}")
        self.successResultOf(self.flush())
        self.assertEqual(len(self.store.seen), 100_000)
