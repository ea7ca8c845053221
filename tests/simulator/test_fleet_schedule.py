"""
Tests for work that is done at its time.
"""

from __future__ import annotations

from queue import Queue
from threading import Event

from twisted.trial.unittest import SynchronousTestCase

from scepd.simulator.fleet_schedule import Schedule

_PATIENCE = 20.0


class ScheduleTests(SynchronousTestCase):
    """
    Tests for a schedule with one thread of each kind.
    """

    def setUp(self) -> None:
        """
        Start one.
        """
        self.schedule = Schedule({"devices": 1, "agents": 1, "slow": 1})
        self.addCleanup(self.schedule.end)
        self.done: Queue[str] = Queue()

    def test_order(self) -> None:
        """
        What is due earlier is done earlier, whenever it was asked for.
        """
        for wait, name in ((0.05, "second"), (0.1, "third"), (0.0, "first")):
            self.schedule.after(wait, lambda name=name: self.done.put(name))  # type: ignore[misc]
        found = [self.done.get(timeout=_PATIENCE) for _ in range(3)]
        self.assertEqual(found, ["first", "second", "third"])

    def test_lanes(self) -> None:
        """
        What sleeps keeps nobody else waiting.
        """
        free = Event()
        self.addCleanup(free.set)
        self.schedule.after(0.0, lambda: self.assertTrue(free.wait(_PATIENCE)), "slow")
        self.schedule.after(0.0, lambda: self.done.put("done"))
        self.assertEqual(self.done.get(timeout=_PATIENCE), "done")

    def test_end(self) -> None:
        """
        After the end nothing is begun, and ending twice is no fault.
        """
        self.schedule.after(3600.0, lambda: self.done.put("never"))
        self.schedule.end()
        self.schedule.after(0.0, lambda: self.done.put("never"))
        self.schedule.end()
        self.assertTrue(self.done.empty())
