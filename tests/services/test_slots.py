"""
Tests for the slots of certificate authorities.
"""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import QueueTimeout
from scepd.metrics import Metrics
from scepd.services.slots import Slots


class SlotsTests(SynchronousTestCase):
    """
    Tests for two slots with a queue of 30 seconds.
    """

    def setUp(self) -> None:
        """
        All slots are free.
        """
        self.clock = Clock()
        self.metrics = Metrics()
        self.slots = Slots(self.clock, self.metrics)

    def take(self, ca_name: str = "CA", most: int = 2) -> Deferred[None]:
        """
        Ask for a slot.
        """
        return Deferred.fromCoroutine(self.slots.take(ca_name, most=most, timeout=30))

    def shown(self, ca_name: str = "CA") -> tuple[float | None, float | None]:
        """
        The metrics: slots in use, and requests that wait.
        """
        sample = self.metrics.registry.get_sample_value
        labels = {"ca": ca_name}
        return sample("scepd_slots_in_use", labels), sample("scepd_slots_waiting", labels)

    def test_free(self) -> None:
        """
        A free slot is had at once, by each certificate authority for itself.
        """
        for name in ("CA", "CA", "OTHER"):
            self.successResultOf(self.take(name))
        self.assertEqual(self.shown(), (2, None))
        self.assertEqual(self.shown("OTHER"), (1, None))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_in_order(self) -> None:
        """
        Slots that are given back go to those who wait, in the order in which they came.
        """
        turns = [self.take() for _ in range(5)]
        self.assertEqual(self.shown(), (2, 3))
        for turn in turns[2:]:
            self.assertNoResult(turn)
            self.slots.give_back("CA")
            self.successResultOf(turn)
        self.assertEqual(self.shown(), (2, 0))
        self.slots.give_back("CA")
        self.slots.give_back("CA")
        self.assertEqual(self.shown(), (0, 0))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_nobody_jumps_the_queue(self) -> None:
        """
        Who comes while others wait waits too, even at the moment in which a slot is given back.
        """
        first, _, waiting = (self.take() for _ in range(3))
        self.successResultOf(first)
        came: list[Deferred[None]] = []
        waiting.addCallback(lambda _: came.append(self.take()))
        self.slots.give_back("CA")
        self.assertNoResult(came[0])
        self.assertEqual(self.shown(), (2, 1))

    def test_more_slots(self) -> None:
        """
        When there are more than before, those who wait get them first.
        """
        turns = [self.take() for _ in range(4)]
        late = [self.take(most=5) for _ in range(2)]
        for turn in (*turns, late[0]):
            self.successResultOf(turn)
        self.assertNoResult(late[1])
        self.assertEqual(self.shown(), (5, 1))
        self.slots.give_back("CA")
        self.successResultOf(late[1])

    def test_fewer_slots(self) -> None:
        """
        When there are fewer than before, those that are given back are given to nobody until no
        more are in use than there are.
        """
        first, second, third = (self.take() for _ in range(3))
        last = self.take(most=1)
        self.slots.give_back("CA")
        self.assertNoResult(third)
        self.assertEqual(self.shown(), (1, 2))
        for turn in (third, last):
            self.slots.give_back("CA")
            self.successResultOf(turn)
            self.assertEqual(self.shown()[0], 1)
        for turn in (first, second):
            self.successResultOf(turn)
        self.slots.give_back("CA")
        self.assertEqual(self.shown(), (0, 0))

    def test_long_line(self) -> None:
        """
        A line of any length is served when each gives the slot back at once: all are turned away
        that way when a certificate authority turns out to be out.
        """
        self.take()
        self.take()
        turns = [self.take() for _ in range(1000)]
        for turn in turns:
            turn.addCallback(lambda _: self.slots.give_back("CA"))
        self.slots.give_back("CA")
        for turn in turns:
            self.successResultOf(turn)
        self.assertEqual(self.shown(), (1, 0))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_timeout(self) -> None:
        """
        Who waited in vain is told so, and the next in line moves up.
        """
        self.take()
        self.take()
        early = self.take()
        self.clock.advance(10)
        late = self.take()
        self.clock.advance(20)
        error = self.failureResultOf(early, QueueTimeout).value
        self.assertEqual(str(error), "all 2 slots of CA stayed in use for 30 s")
        self.assertEqual(self.shown(), (2, 1))
        self.slots.give_back("CA")
        self.successResultOf(late)

    def test_cancelled(self) -> None:
        """
        Who gives up waiting loses the place and takes no slot.
        """
        self.take()
        self.take()
        gone, next_one = self.take(), self.take()
        gone.cancel()
        self.failureResultOf(gone, CancelledError)
        self.slots.give_back("CA")
        self.successResultOf(next_one)
        self.assertEqual(self.shown(), (2, 0))
        self.assertEqual(self.clock.getDelayedCalls(), [])
