"""
Tests for the facts of hosts.
"""

from __future__ import annotations

import plistlib

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from scepd.profiles.facts import FACT_NAMES, changed_values, fact_faults, host_values
from scepd.profiles.rendering import render
from scepd.profiles.variables import HostValues
from tests.profiles.builders import binary, profile, xml

EMAIL = "HOST_END_USER_EMAIL_IDP"
USERNAME = "HOST_END_USER_IDP_USERNAME"
LOCAL_PART = "HOST_END_USER_IDP_USERNAME_LOCAL_PART"
NAME = "HOST_END_USER_IDP_FULL_NAME"


class FactFaultTests(SynchronousTestCase):
    """
    Tests for L{fact_faults}.
    """

    def test_names(self) -> None:
        """
        The names are those of the variables, and all of them.
        """
        self.assertEqual(
            set(FACT_NAMES),
            {
                EMAIL,
                USERNAME,
                LOCAL_PART,
                NAME,
                "HOST_END_USER_IDP_GROUPS",
                "HOST_END_USER_IDP_DEPARTMENT",
            },
        )
        told = dict.fromkeys(FACT_NAMES, "ann@example.com")
        self.assertEqual(list(fact_faults(told)), [])
        self.assertEqual(list(fact_faults(dict.fromkeys(FACT_NAMES))), [])

    def test_unknown(self) -> None:
        """
        An unknown name is told with those that are allowed; what it holds is not obeyed.
        """
        for name in ("end_user_email", "FLEET_VAR_" + EMAIL, "HOST_UUID", "", "\x1b[2J" * 99):
            (fault,) = fact_faults({name: "x"}, "line 3, ")
            self.assertTrue(fault.field.startswith("line 3, "))
            self.assertTrue(fault.field.isprintable())
            self.assertLess(len(fault.field), 500)
            self.assertIn(EMAIL, fault.message)

    def test_values(self) -> None:
        """
        What no profile could hold, or is surely a mistake, is refused, and never shown.
        """
        for name, value, words in (
            (NAME, "", "must not be empty"),
            (NAME, "  ", "must not be empty"),
            (NAME, " secret", "begin or end"),
            (NAME, "secret\n", "begin or end"),
            (NAME, "sec\x00ret", "control characters"),
            (NAME, "sec\nret", "control characters"),
            (NAME, "secret\ufffe", "XML"),
            (NAME, "secret\ud800", "XML"),
            (NAME, "s" * 1025, "at most 1024 characters; this one has 1025"),
            (EMAIL, "secret", "e-mail address"),
            (EMAIL, "secret@", "e-mail address"),
            (EMAIL, "a@secret@b", "e-mail address"),
            (EMAIL, "a secret@b", "e-mail address"),
        ):
            (fault,) = fact_faults({name: value})
            self.assertEqual(fault.field, name)
            self.assertIn(words, fault.message)
            self.assertNotIn("secret", fault.message)

    @given(st.sampled_from(FACT_NAMES), st.text(max_size=40))
    def test_any_value(self, name: str, value: str) -> None:
        """
        Every value that is let pass can be rendered, in XML and binary, and comes out as it is.
        """
        if list(fact_faults({name: value})):
            return
        root = profile(PayloadDescription=f"<$FLEET_VAR_{name}>")
        for content in (xml(root), binary(root)):
            rendered = plistlib.loads(render(content, {name: value}))
            self.assertEqual(rendered["PayloadDescription"], f"<{value}>")


class ChangedValueTests(SynchronousTestCase):
    """
    Tests for L{changed_values}.
    """

    def host(self, serial: str = "", platform: str = "", **facts: str) -> HostValues:
        """
        A host as its variables see it.
        """
        return host_values("H-1", serial, platform, facts)

    def test_facts(self) -> None:
        """
        Those that are new, gone or others, and no more.
        """
        before = self.host(**{EMAIL: "a@b", NAME: "Ann"})
        after = self.host(**{NAME: "Bob", "HOST_END_USER_IDP_GROUPS": "x"})
        self.assertEqual(changed_values(before, after), {EMAIL, NAME, "HOST_END_USER_IDP_GROUPS"})
        self.assertEqual(changed_values(after, after), frozenset())

    def test_local_part(self) -> None:
        """
        The local part changes with the user's name, unless it is given itself, or stays the same.
        """
        ann, other = self.host(**{USERNAME: "ann@a"}), self.host(**{USERNAME: "ann@b"})
        self.assertEqual(changed_values(self.host(), ann), {USERNAME, LOCAL_PART})
        self.assertEqual(changed_values(ann, other), {USERNAME})
        given = {LOCAL_PART: "x"}
        before = self.host(**{USERNAME: "ann@a"}, **given)
        after = self.host(**{USERNAME: "bob@a"}, **given)
        self.assertEqual(changed_values(before, after), {USERNAME})

    def test_device(self) -> None:
        """
        Platform and serial number count too; what is no platform is none.
        """
        known = self.host("C02", "macos")
        expected = {"HOST_HARDWARE_SERIAL", "HOST_PLATFORM"}
        self.assertEqual(changed_values(self.host(), known), expected)
        self.assertEqual(changed_values(self.host(), self.host("", "windows")), frozenset())
