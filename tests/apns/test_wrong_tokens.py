"""
Tests for the alarm about wrong tokens.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from scepd.apns.wrong_tokens import WrongTokens


class WrongTokensTests(SynchronousTestCase):
    """
    Tests for a window of 600 seconds, a share of 20 % and at least 20.
    """

    def test_few(self) -> None:
        """
        Some devices with a wrong token are normal, even when nothing else is pushed.
        """
        judge = WrongTokens()
        judge.answered(0, 19, 19)
        self.assertFalse(judge.alarming(0))
        judge.answered(1, 1, 1)
        self.assertTrue(judge.alarming(1))

    def test_share(self) -> None:
        """
        Many among very many are normal, too.
        """
        judge = WrongTokens()
        judge.answered(0, 101, 20)
        self.assertFalse(judge.alarming(0))
        judge.answered(0, 1, 1)
        self.assertTrue(judge.alarming(0))
        self.assertEqual(judge.judged(0), (102, 21))

    def test_window(self) -> None:
        """
        What is older than the window counts no more.
        """
        judge = WrongTokens()
        judge.answered(0, 50, 50)
        self.assertTrue(judge.alarming(569))
        self.assertFalse(judge.alarming(601))
        judge.answered(601, 1)
        self.assertEqual(judge.judged(601), (1, 0))

    @given(st.lists(st.tuples(st.floats(0, 100), st.integers(0, 9), st.integers(0, 9))))
    def test_bounded(self, answers: list[tuple[float, int, int]]) -> None:
        """
        However many answers come, the judge holds no more than its slots.
        """
        judge, now, total = WrongTokens(), 0.0, 0
        for wait, count, wrong in answers:
            now += wait
            total += count
            judge.answered(now, count, wrong)
        self.assertLessEqual(judge.judged(now)[0], total)
        self.assertLessEqual(len(judge._slots), 20)
