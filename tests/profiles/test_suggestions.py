"""
Tests for what an operator may have meant.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from scepd.profiles.suggestions import authority_suggestion, variable_suggestion


class SuggestionTests(SynchronousTestCase):
    """
    Tests for names that are not known.
    """

    def test_variables(self) -> None:
        """
        The name that is most like it is told, else where all are.
        """
        for name, meant in (
            ("host_uuid", "HOST_UUID"),
            ("HOST_HARDWARE_SERIAL_NUMBER", "HOST_HARDWARE_SERIAL"),
            ("HOST_END_USER_IDP_FULLNAME", "HOST_END_USER_IDP_FULL_NAME"),
            ("RENEWAL_ID", "SCEP_RENEWAL_ID"),
        ):
            self.assertEqual(variable_suggestion(name), f"Did you mean $FLEET_VAR_{meant}?")
        for name in ("NOPE", "N" * 100_000, "", "HOST_UUIDHOST_UUIDHOST_UUID"):
            self.assertIn("docs/profiles.md", variable_suggestion(name))

    def test_authorities(self) -> None:
        """
        A few are all told, of many those that are most like it, or the first.
        """
        self.assertEqual(authority_suggestion("CORP", ()), "There is none yet.")
        self.assertEqual(authority_suggestion("CORP", {"b", "a"}), "There are: a, b.")
        many = [f"site {number:03}" for number in range(200)] + ["Corporate"]
        self.assertEqual(
            authority_suggestion("CORPORATE", many), "There are 201, such as Corporate."
        )
        self.assertEqual(
            authority_suggestion("zzz", many),
            "There are 201, such as Corporate, site 000, site 001, site 002, site 003.",
        )
        self.assertLess(len(authority_suggestion("s" * 10_000, many)), 200)
