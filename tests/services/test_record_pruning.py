"""
Tests for forgetting old exchanges, windows, activities and certificates.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import LogLevel, capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import StorageUnavailable
from scepd.model import Lease, Pruned
from scepd.services.leases import Leases
from scepd.services.pruning_steps import PruningPace
from scepd.services.record_pruning import Retention, RetentionSettings
from tests.support.fake_mdm import FakeLeases
from tests.support.fake_mdm_world import NOW

DAY = timedelta(days=1)
Step = Callable[[datetime, int, Lease], Coroutine[object, object, Pruned]]


@dataclass
class FakeRecords:
    """
    A RecordPruning.

    :param old: what the steps for each kind find, in turn.
    :param asked: (kind, before, limit, name of the lease) of each step.
    :param broken: the kind with which the database breaks.
    """

    old: dict[str, list[Pruned]] = field(default_factory=dict)
    asked: list[tuple[str, datetime, int, str]] = field(default_factory=list)
    broken: str = ""

    def __post_init__(self) -> None:
        """
        Have the methods of the port.
        """
        self.prune_exchanges = self._step("exchanges")
        self.prune_windows = self._step("windows")
        self.prune_activities = self._step("activities")
        self.prune_certificates = self._step("certificates")

    def _step(self, kind: str) -> Step:
        async def prune(before: datetime, limit: int, lease: Lease) -> Pruned:
            if kind == self.broken:
                raise StorageUnavailable("broken")
            self.asked.append((kind, before, limit, lease.name))
            found = self.old.get(kind)
            return found.pop(0) if found else Pruned(0, 0)

        return prune


class RetentionTests(SynchronousTestCase):
    """
    Tests for L{Retention}.
    """

    def setUp(self) -> None:
        """
        Forget in steps of 2, at most 5 of a kind in a run.
        """
        clock = Clock()
        clock.advance(NOW.timestamp())
        self.records, self.leases = FakeRecords(), FakeLeases()
        settings = RetentionSettings(90 * DAY, 60 * DAY, 30 * DAY, PruningPace(2, 5))
        leases = Leases(self.leases, "process-1")
        self.retention = Retention(self.records, leases, clock, settings)

    def run_once(self) -> Deferred[None]:
        """
        One run.
        """
        return Deferred.fromCoroutine(self.retention.run())

    def test_kinds(self) -> None:
        """
        Each kind has its own time, and all one lease; when nothing is old the log says nothing.
        """
        with capturedLogs() as events:
            self.successResultOf(self.run_once())
        expected = (("exchanges", 90), ("windows", 90), ("activities", 60), ("certificates", 30))
        self.assertEqual(
            self.records.asked,
            [(kind, NOW - days * DAY, 2, "record pruning") for kind, days in expected],
        )
        self.assertEqual(events, [])

    def test_steps(self) -> None:
        """
        Steps follow each other until one has not seen as many as it may; the log tells how many
        records are gone, not how many were seen.
        """
        self.records.old["windows"] = [Pruned(2, 0), Pruned(2, 2)]
        self.records.old["certificates"] = [Pruned(2, 0)]
        with capturedLogs() as events:
            self.successResultOf(self.run_once())
        kinds = [kind for kind, *_ in self.records.asked]
        self.assertEqual((kinds.count("windows"), kinds.count("certificates")), (3, 2))
        told = [(one["kind"], one["count"]) for one in events]
        self.assertEqual(told, [("enrollment windows", 2)])

    def test_limit(self) -> None:
        """
        One run looks at no more of a kind than it may, and says so when there are more.
        """
        self.records.old["exchanges"] = [Pruned(2, 2), Pruned(2, 2), Pruned(1, 1), Pruned(2, 2)]
        with capturedLogs() as events:
            self.successResultOf(self.run_once())
        limits = [limit for kind, _, limit, _ in self.records.asked if kind == "exchanges"]
        self.assertEqual(limits, [2, 2, 1])
        self.assertEqual([one["log_level"] for one in events], [LogLevel.info, LogLevel.warn])

    def test_lease(self) -> None:
        """
        When the lease is lost nothing more is forgotten.
        """
        self.leases.stolen_after = 2
        self.records.old["exchanges"] = [Pruned(2, 2), Pruned(2, 2)]
        self.successResultOf(self.run_once())
        self.assertEqual(len(self.records.asked), 1)

    def test_storage_unavailable(self) -> None:
        """
        A database that is down ends the run.
        """
        self.records.broken = "windows"
        self.failureResultOf(self.run_once(), StorageUnavailable)
        self.assertEqual([kind for kind, *_ in self.records.asked], ["exchanges"])
