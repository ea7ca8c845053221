"""
Tests for the subjects that were found to be assigned.
"""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from scepd.ports import Subject
from scepd.services.recent_subjects import RecentSubjects
from tests.support.proxy import SUBJECT


class RecentSubjectsTests(SynchronousTestCase):
    """
    Tests for what is remembered, and for how long.
    """

    def test_half_a_minute(self) -> None:
        """
        A subject is remembered for 30 seconds from when it was added last; no other is.
        """
        clock = Clock()
        recent = RecentSubjects(clock)
        self.assertNotIn(SUBJECT, recent)
        recent.add(SUBJECT)
        clock.advance(20)
        recent.add(SUBJECT)
        clock.advance(29)
        self.assertIn(SUBJECT, recent)
        self.assertNotIn(Subject("HOST-2", "aPROFILE-1", "CORP"), recent)
        clock.advance(1)
        self.assertNotIn(SUBJECT, recent)

    def test_bounded(self) -> None:
        """
        Of more than 10,000 the oldest goes.
        """
        recent = RecentSubjects(Clock())
        for number in range(10_001):
            recent.add(Subject(f"HOST-{number}", "aPROFILE-1", "CORP"))
        self.assertNotIn(Subject("HOST-0", "aPROFILE-1", "CORP"), recent)
        self.assertIn(Subject("HOST-1", "aPROFILE-1", "CORP"), recent)
        self.assertIn(Subject("HOST-10000", "aPROFILE-1", "CORP"), recent)
