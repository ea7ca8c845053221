"""
Tests for deliveries that are sent again.
"""

from __future__ import annotations

from datetime import timedelta

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import Conflict, InvalidInput, NotFound
from scepd.services.clock import utc_now
from scepd.services.resending import MOST_PER_HOUR, Resending, Resent
from tests.support.at_once import at_once
from tests.support.fake_resending import FakeResending


class ResendingTests(SynchronousTestCase):
    """
    Tests on a fake store.
    """

    def setUp(self) -> None:
        """
        Make the service.
        """
        self.clock = Clock()
        self.clock.advance(1_000_000)
        self.now = utc_now(self.clock)
        self.store = FakeResending()
        self.service = Resending(self.store, self.clock)

    def test_one(self) -> None:
        """
        One is due now, and the activity tells who wanted it.
        """
        self.store.others.add(("H-1", "a-1"))
        at_once(self.service.resend("H-1", "a-1", "alice"))
        self.assertEqual(self.store.resent, [("H-1", "a-1", self.now)])
        [activity] = self.store.activities
        self.assertEqual(
            (activity.actor, activity.action, activity.subject),
            ("alice", "re-sent profile", "H-1/a-1"),
        )

    def test_refused(self) -> None:
        """
        A host without the profile, and one that is not enrolled, are told apart.
        """
        self.store.parked.add(("H-2", "a-1"))
        missing = self.assertRaises(NotFound, at_once, self.service.resend("H-1", "a-1", "alice"))
        self.assertIn("neither has nor should have", str(missing))
        parked = self.assertRaises(Conflict, at_once, self.service.resend("H-2", "a-1", "alice"))
        self.assertIn("not enrolled", str(parked))
        self.assertEqual(self.store.activities, [])

    def test_all_at_once(self) -> None:
        """
        Without a rate all that failed of the profile are due now; others stay as they are.
        """
        self.store.failed = [("H-1", "a-1"), ("H-2", "a-1"), ("H-2", "a-2")]
        resent = at_once(self.service.resend_failed("a-1", None, "alice"))
        self.assertEqual(resent, Resent(2, self.now))
        self.assertEqual(self.store.failed, [("H-2", "a-2")])
        self.assertEqual({due for _, _, due in self.store.resent}, {self.now})

    def test_rate(self) -> None:
        """
        With a rate they are spread evenly over as many batches as it takes.
        """
        self.store.failed = [(f"H-{number:04}", "a-1") for number in range(1201)]
        resent = at_once(self.service.resend_failed("a-1", 60, "alice"))
        self.assertEqual(resent, Resent(1201, self.now + timedelta(minutes=1200)))
        dues = [due for _, _, due in self.store.resent]
        minute = timedelta(minutes=1)
        self.assertEqual(dues, [self.now + index * minute for index in range(1201)])
        self.assertEqual(len(self.store.activities), 1)

    def test_none(self) -> None:
        """
        Where nothing failed nothing is sent, nor recorded.
        """
        resent = at_once(self.service.resend_failed("a-1", None, "alice"))
        self.assertEqual(resent, Resent(0, None))
        self.assertEqual(self.store.activities, [])

    def test_wrong_rate(self) -> None:
        """
        A rate that can't be is refused before anything is changed.
        """
        self.store.failed = [("H-1", "a-1")]
        for rate in (0, MOST_PER_HOUR + 1):
            error = self.assertRaises(
                InvalidInput, at_once, self.service.resend_failed("a-1", rate, "alice")
            )
            self.assertEqual([fault.field for fault in error.faults], ["per_hour"])
        self.assertEqual(self.store.resent, [])
