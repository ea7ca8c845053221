"""
Tests for the rates of certificate authorities.
"""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import RateLimited
from scepd.services.rates import Rates


class RateTests(SynchronousTestCase):
    """
    Tests for two requests per second and a patience of three seconds.
    """

    def setUp(self) -> None:
        """
        Nobody has asked.
        """
        self.clock = Clock()
        self.rates = Rates(self.clock)

    def take(self, name: str = "CA", per_second: float | None = 2.0) -> Deferred[None]:
        """
        Ask for a turn.
        """
        return Deferred.fromCoroutine(self.rates.take(name, per_second=per_second, timeout=3))

    def test_no_limit(self) -> None:
        """
        Without a rate nobody waits.
        """
        for _ in range(100):
            self.successResultOf(self.take(per_second=None))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_in_order(self) -> None:
        """
        A second's worth goes at once, the rest in order, one each half second; another certificate
        authority has a line of its own.
        """
        turns = [self.take() for _ in range(5)]
        self.successResultOf(self.take("OTHER"))
        done = [[turn.called for turn in turns].count(True)]
        for _ in range(4):
            self.clock.advance(0.5)
            done.append([turn.called for turn in turns].count(True))
        self.assertEqual(done, [2, 3, 4, 5, 5])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_less_than_one(self) -> None:
        """
        A rate below one per second is kept, too.
        """
        turns = [self.take(per_second=0.5) for _ in range(2)]
        self.successResultOf(turns[0])
        self.clock.advance(1.9)
        self.assertNoResult(turns[1])
        self.clock.advance(0.1)
        self.successResultOf(turns[1])

    def test_on_average(self) -> None:
        """
        Over a long time no more than the rate goes through, and no less.
        """
        done = 0
        for _ in range(1000):
            self.take().addCallbacks(lambda _: _count(), lambda failure: None)
            self.clock.advance(0.1)
            done = len(_COUNTED)
        _COUNTED.clear()
        self.assertTrue(200 <= done <= 203, done)

    def test_too_long(self) -> None:
        """
        Who would wait longer than the patience is told at once, and holds nobody up.
        """
        turns = [self.take() for _ in range(8)]
        error = self.failureResultOf(self.take(), RateLimited).value
        self.assertEqual(str(error), "CA takes 2 requests per second; the line is longer than 3 s")
        self.clock.pump([0.5] * 6)
        self.assertTrue(all(turn.called for turn in turns))

    def test_cancelled(self) -> None:
        """
        Who gives up loses the place, and the next one moves up.
        """
        self.take()
        self.take()
        gone, next_one = self.take(), self.take()
        gone.cancel()
        self.failureResultOf(gone, CancelledError)
        self.clock.advance(0.5)
        self.successResultOf(next_one)

    def test_changed(self) -> None:
        """
        A changed rate counts at once; those who wait go on when there is none any more.
        """
        self.take()
        self.take()
        waiting = self.take()
        self.successResultOf(self.take(per_second=None))
        self.clock.advance(0.5)
        self.successResultOf(waiting)


_COUNTED: list[None] = []


def _count() -> None:
    _COUNTED.append(None)
