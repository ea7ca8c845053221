"""
Tests for the page on what an operator sees when Apple says no.
"""

from __future__ import annotations

import re
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from scepd.apns.reasons import ROWS, OutcomeKind

PAGE = Path(__file__).resolve().parents[2] / "docs" / "push.md"


class PageTests(SynchronousTestCase):
    """
    Tests for ``docs/push.md``.
    """

    def setUp(self) -> None:
        """
        Read the page.
        """
        self.text = PAGE.read_text("utf-8")

    def test_every_reason(self) -> None:
        """
        Each reason of the table is on the page, and none that is not in the table.
        """
        reasons = {reason for _, reason in ROWS if reason}
        named = set(re.findall(r"`([A-Z][a-z]+[A-Za-z]*)`", self.text))
        self.assertEqual(reasons - named, set())
        self.assertEqual(named - reasons, set())

    def test_suspending_reasons(self) -> None:
        """
        Those that suspend stand in the chapter on the certificate.
        """
        _, _, rest = self.text.partition("### About the push certificate")
        chapter = rest.partition("### About Apple")[0]
        for (_, reason), row in ROWS.items():
            if reason and row.kind is OutcomeKind.SUSPENDED:
                self.assertIn(f"`{reason}`", chapter)
