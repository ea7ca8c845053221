"""
Tests for when a certificate is due for renewal.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from scepd.profiles.certificate_renewal import OverdueRule, RenewalRule, retry_at

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
        Hosts differ by up to a tenth of the lead, to both sides, and the same host never does.
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

    def test_fleet(self) -> None:
        """
        2,000 certificates that expire on one day are due over at least 5 days, whether they are
        valid for a month or for ten years, and no hour has more than a fortieth of them.
        """
        for days in (31, 32, 36, 45, 60, 61, 90, 365, 3650):
            dates = [
                due(RenewalRule(), days * _DAY, timedelta(0), f"H-{number}")
                for number in range(2000)
            ]
            self.assertGreater(max(dates) - min(dates), 5 * _DAY, days)
            self.assertGreater(min(dates), timedelta(0), days)
            # Not later than a fifth of the lead after it.
            self.assertLess(max(dates), (days - 24) * _DAY, days)
            hours = Counter(one // timedelta(hours=1) for one in dates)
            self.assertLess(max(hours.values()), 2000 / 40, days)

    def test_short_lived_fleet(self) -> None:
        """
        Of a shorter validity the fleet is spread over a tenth, around its half.
        """
        for validity in (timedelta(seconds=20), timedelta(hours=8), 7 * _DAY, 30 * _DAY):
            dates = [
                due(RenewalRule(), validity, timedelta(0), f"H-{number}") for number in range(2000)
            ]
            self.assertGreaterEqual(min(dates), validity * 0.45)
            self.assertLessEqual(max(dates), validity * 0.55)
            self.assertGreater(max(dates) - min(dates), validity * 0.099)

    @settings(max_examples=200, deadline=None, derandomize=True, database=None)
    @given(
        st.integers(1, 10**9),
        st.integers(0, 10**9),
        st.integers(0, 10**9),
        st.text(max_size=40),
    )
    def test_later_seen(self, validity: int, seen: int, later: int, host: str) -> None:
        """
        The later a certificate is first seen, the later it is due.
        """
        first, second = (
            due(RenewalRule(), timedelta(seconds=validity), timedelta(seconds=at), host)
            for at in (seen, seen + later)
        )
        self.assertLessEqual(first, second)

    @settings(max_examples=200, deadline=None, derandomize=True, database=None)
    @given(st.floats(1, 3650), st.floats(0.001, 3650), st.floats(0, 0.5), st.text(max_size=9))
    def test_other_settings(self, lead: float, validity: float, jitter: float, host: str) -> None:
        """
        Whatever lead and jitter are, a certificate is due while it is valid.
        """
        rule = RenewalRule(timedelta(days=lead), jitter)
        found = due(rule, timedelta(days=validity), timedelta(0), host)
        self.assertGreaterEqual(found, timedelta(0))
        self.assertLessEqual(found, timedelta(days=validity))


class OverdueRuleTests(SynchronousTestCase):
    """
    Tests for OverdueRule.
    """

    def test_overdue(self) -> None:
        """
        Three days after it was due a renewal is overdue, or when half of what was left has passed.
        """
        rule = OverdueRule()
        for left, expected in ((30 * _DAY, 3 * _DAY), (6 * _DAY, 3 * _DAY), (_DAY, _DAY / 2)):
            self.assertEqual(rule.overdue_at(_BEGIN, _BEGIN + left), _BEGIN + expected)
        self.assertEqual(rule.overdue_at(_BEGIN, _BEGIN - _DAY), _BEGIN)


class RetryTests(SynchronousTestCase):
    """
    Tests for retry_at.
    """

    def test_wait(self) -> None:
        """
        The wait holds while there is time for twice of it, or nothing is known, or all is lost.
        """
        minute, hour = timedelta(minutes=1), timedelta(hours=1)
        for left in (2 * hour, 30 * _DAY, timedelta(0), -hour):
            self.assertEqual(retry_at(_BEGIN, hour, _BEGIN + left, minute), _BEGIN + hour)
        self.assertEqual(retry_at(_BEGIN, hour, None, minute), _BEGIN + hour)

    def test_least(self) -> None:
        """
        Tries are not less than a minute apart, unless the wait is.
        """
        minute, second = timedelta(minutes=1), timedelta(seconds=1)
        self.assertEqual(retry_at(_BEGIN, _DAY, _BEGIN + minute, minute), _BEGIN + minute)
        self.assertEqual(retry_at(_BEGIN, second, _BEGIN + minute, minute), _BEGIN + second)

    @settings(max_examples=200, deadline=None, derandomize=True, database=None)
    @given(st.integers(1, 10**7), st.integers(121, 10**8))
    def test_before_expiry(self, wait: int, left: int) -> None:
        """
        With more than two minutes left the next try comes before expiry.
        """
        minute = timedelta(minutes=1)
        not_after = _BEGIN + timedelta(seconds=left)
        found = retry_at(_BEGIN, timedelta(seconds=wait), not_after, minute)
        self.assertLess(found, not_after)
        self.assertGreater(found, _BEGIN)
