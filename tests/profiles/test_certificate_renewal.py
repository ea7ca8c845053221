"""
Tests for when a certificate is due for renewal.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from scepd.profiles.certificate_renewal import RenewalRule

_BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
_EXACT = RenewalRule(jitter=0)
_DAY = timedelta(days=1)


def due(rule: RenewalRule, validity: timedelta, seen: timedelta, host: str = "H") -> timedelta:
    """
    Tell when a certificate is due, counted from its NotBefore.
    """
    found = rule.due_at(_BEGIN, _BEGIN + validity, _BEGIN + seen, host, "ab" * 20)
    return found - _BEGIN


class RenewalRuleTests(SynchronousTestCase):
    """
    Tests for RenewalRule.
    """

    def test_lead(self) -> None:
        """
        A validity over 30 days leaves 30, a shorter one half of itself, be it a minute.
        """
        nothing = timedelta(0)
        minute = timedelta(seconds=60)
        self.assertEqual(due(_EXACT, 365 * _DAY, nothing), 335 * _DAY)
        self.assertEqual(due(_EXACT, 31 * _DAY, nothing), _DAY)
        self.assertEqual(due(_EXACT, 30 * _DAY, nothing), 15 * _DAY)
        self.assertEqual(due(_EXACT, minute, nothing), minute / 2)

    def test_first_seen(self) -> None:
        """
        A certificate that was back-dated counts from when it was seen; one from the future doesn't.
        """
        self.assertEqual(due(_EXACT, 60 * _DAY, 40 * _DAY), 50 * _DAY)
        self.assertEqual(due(_EXACT, 10 * _DAY, -5 * _DAY), 5 * _DAY)
        self.assertEqual(due(_EXACT, 10 * _DAY, 12 * _DAY), 12 * _DAY)

    def test_jitter(self) -> None:
        """
        Hosts differ by up to a tenth, to both sides, and the same host never does.
        """
        dates = [due(RenewalRule(), 365 * _DAY, timedelta(0), str(host)) for host in range(300)]
        self.assertGreaterEqual(min(dates), 332 * _DAY)
        self.assertLessEqual(max(dates), 338 * _DAY)
        self.assertLess(min(dates), 332.2 * _DAY)
        self.assertGreater(max(dates), 337.8 * _DAY)
        again = [due(RenewalRule(), 365 * _DAY, timedelta(0), str(host)) for host in range(300)]
        self.assertEqual(dates, again)
        upper, lower = (due(RenewalRule(), _DAY, timedelta(0), host) for host in ("AB", "ab"))
        self.assertEqual(upper, lower)

    def test_is_due(self) -> None:
        """
        A certificate is due from that moment on.
        """
        at = _BEGIN + timedelta(seconds=30)
        arguments = (_BEGIN, _BEGIN + timedelta(seconds=60), _BEGIN, "H", "ab" * 20)
        self.assertTrue(_EXACT.is_due(at, *arguments))
        self.assertFalse(_EXACT.is_due(at - timedelta(microseconds=1), *arguments))

    @settings(max_examples=200, deadline=None, derandomize=True, database=None)
    @given(st.integers(1, 10**9), st.integers(-(10**9), 10**9), st.text(max_size=40))
    def test_never_at_once(self, validity: int, seen: int, host: str) -> None:
        """
        While it is valid no certificate is due as soon as it is seen, nor after it ends.
        """
        found = due(RenewalRule(), timedelta(seconds=validity), timedelta(seconds=seen), host)
        if seen < validity:
            self.assertGreater(found, timedelta(seconds=max(seen, 0)))
            self.assertLess(found, timedelta(seconds=validity))
