"""
Tests of the column types.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.dialects.sqlite import dialect
from twisted.trial.unittest import SynchronousTestCase

from scepd.storage.columns import EncodedCertificates, Facts, UTCDateTime, Words

DIALECT = dialect()
TIMES = st.datetimes(timezones=st.just(UTC))


class UTCDateTimeTests(SynchronousTestCase):
    """
    Times as whole microseconds.
    """

    def test_known(self) -> None:
        """
        A time in any zone is the microseconds since 1970, as ``date +%s%6N`` counts them.
        """
        column = UTCDateTime()
        at = datetime(2026, 3, 1, 13, 0, 0, 5, tzinfo=timezone(timedelta(hours=1)))
        self.assertEqual(column.process_bind_param(at, DIALECT), 1772366400000005)
        found = column.process_result_value(1772366400000005, DIALECT)
        self.assertEqual(found, at)
        self.assertIs(found and found.tzinfo, UTC)

    def test_naive(self) -> None:
        """
        A time without a zone is refused.
        """
        naive = datetime(2026, 3, 1)
        self.assertRaises(ValueError, UTCDateTime().process_bind_param, naive, DIALECT)

    @given(TIMES, TIMES)
    def test_order(self, one: datetime, other: datetime) -> None:
        """
        Stored times sort as times do, to the microsecond and before 1970, and come back whole.
        """
        column = UTCDateTime()
        numbers = [column.process_bind_param(at, DIALECT) for at in (one, other)]
        assert numbers[0] is not None and numbers[1] is not None
        self.assertEqual(numbers[0] < numbers[1], one < other)
        self.assertEqual(column.process_result_value(numbers[0], DIALECT), one)


class TextTests(SynchronousTestCase):
    """
    Tuples and mappings as JSON.
    """

    def test_stored_form(self) -> None:
        """
        What is stored can be read without this program.
        """
        self.assertEqual(Words().process_bind_param(("ä", 'b"'), DIALECT), '["ä", "b\\""]')
        der = EncodedCertificates().process_bind_param((b"\x00\xff", b""), DIALECT)
        self.assertEqual(der, '["AP8=", ""]')
        self.assertEqual(
            Facts().process_bind_param({"b": "2", "a": "1"}, DIALECT), '{"a": "1", "b": "2"}'
        )

    def test_none(self) -> None:
        """
        None stays None.
        """
        for column in (UTCDateTime(), Words(), EncodedCertificates(), Facts()):
            self.assertIsNone(column.process_bind_param(None, DIALECT))
            self.assertIsNone(column.process_result_value(None, DIALECT))
