"""
Tests for deadlines that rest.
"""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from scepd.web.deadlines import PausableDeadline


class PausableDeadlineTests(SynchronousTestCase):
    """
    Tests for a deadline of ten seconds.
    """

    def setUp(self) -> None:
        """
        It rests.
        """
        self.clock = Clock()
        self.called: list[float] = []
        self.deadline = PausableDeadline(
            self.clock, 10, lambda: self.called.append(self.clock.seconds())
        )

    def test_pauses_do_not_count(self) -> None:
        """
        Only the time between start and stop is used, however often it is paused.
        """
        for _ in range(3):
            self.deadline.start()
            self.deadline.start()
            self.clock.advance(3)
            self.deadline.stop()
            self.deadline.stop()
            self.clock.advance(100)
        self.assertEqual(self.called, [])
        self.deadline.start()
        self.clock.advance(1)
        self.assertEqual(self.called, [310])

    def test_restart(self) -> None:
        """
        Another time may run, also after the first was over.
        """
        self.deadline.start()
        self.clock.advance(10)
        self.deadline.restart(2)
        self.deadline.restart(2)
        self.clock.advance(2)
        self.clock.advance(50)
        self.assertEqual(self.called, [10, 12])
