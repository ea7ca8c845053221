"""
Tests for when to try again.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from scepd.apns.retry import DIALLING, BackOff, next_wish


class BackOffTests(SynchronousTestCase):
    """
    Tests for back-off with full jitter.
    """

    def test_growth(self) -> None:
        """
        The longest delay doubles up to its bound.
        """
        longest = [DIALLING.delay(attempt, lambda: 1.0) for attempt in range(8)]
        self.assertEqual(longest, [1, 2, 4, 8, 16, 32, 60, 60])

    @given(st.integers(0, 10**9), st.floats(0, 1, exclude_max=True))
    def test_bounds(self, attempt: int, number: float) -> None:
        """
        Every delay lies between its bounds, however often was tried.
        """
        delay = BackOff(5, 900, least=1).delay(attempt, lambda: number)
        self.assertTrue(1 <= delay <= 901)


class WishTests(SynchronousTestCase):
    """
    Tests for the repetition of pushes that were taken.
    """

    def test_schedule(self) -> None:
        """
        30 s, 2 min, 8 min, 30 min, 2 h, then daily.
        """
        delays = [next_wish(repeats, lambda: 0.5) for repeats in range(7)]
        self.assertEqual(delays, [30, 120, 480, 1800, 7200, 86_400, 86_400])

    def test_spread(self) -> None:
        """
        Each is spread by 20 % to both sides.
        """
        self.assertAlmostEqual(next_wish(0, lambda: 0.0), 24)
        self.assertAlmostEqual(next_wish(0, lambda: 1.0), 36)
