"""
Tests for what is said before the push certificate expires.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from twisted.trial.unittest import SynchronousTestCase

from scepd.apns.expiry import expiry_complaint

NOT_AFTER = datetime(2026, 9, 1, 12, tzinfo=UTC)


class ExpiryTests(SynchronousTestCase):
    """
    Tests of the sentence by time.
    """

    def test_sentences(self) -> None:
        """
        Nothing for long, then the days that are left, and in the end that it is over.
        """
        cases = (
            (timedelta(days=30, seconds=1), ""),
            (timedelta(days=30), "expires in 30 days, on 2026-09-01; renew it"),
            (timedelta(days=1, seconds=1), "expires in 2 days, on"),
            (timedelta(seconds=1), "expires in 1 day, on"),
            (timedelta(0), "expired on 2026-09-01; renew it"),
            (timedelta(days=-9), "expired on"),
        )
        for left, sentence in cases:
            said = expiry_complaint(NOT_AFTER, NOT_AFTER - left)
            self.assertEqual(bool(said), bool(sentence), said)
            self.assertIn(sentence, said)

    def test_never(self) -> None:
        """
        Provider tokens do not expire.
        """
        self.assertEqual(expiry_complaint(None, NOT_AFTER), "")
