"""
Tests for the variables' grammar, names and values.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import Fault
from scepd.profiles.variables import (
    MARKER_LENGTH,
    AuthorityValues,
    HostValues,
    authority_of,
    find_variables,
    has_broken_variable,
    is_supported,
    is_whole_variable,
    renewal_marker,
    resolve_variables,
    substitute,
)
from tests.profiles.builders import faults_of

_PROFILE = "a0b8b8ff1-7d5e-4bfa-9a27-5d9d3a1f2c44"
_HOST = HostValues(
    uuid="0F0E",
    serial="C02X",
    platform="macos",
    facts={
        "end_user_email_idp": "ada@example.com",
        "end_user_idp_username": "ada@example.com",
        "end_user_idp_groups": "staff,admins",
        "end_user_idp_department": "R&D",
        "end_user_idp_full_name": "Ada Lovelace",
    },
)


def resolve(*names: str, host: HostValues = _HOST) -> dict[str, str]:
    """
    Resolve variables where one authority, ``X``, exists.

    :param names: the variables.
    :param host: the host.
    :returns: their values.
    """
    authorities = {"X": AuthorityValues(challenge="s3cret", proxy_url="https://scepd/x%2Cy")}
    return resolve_variables(names, host=host, profile_uuid=_PROFILE, authorities=authorities)


class GrammarTests(SynchronousTestCase):
    """
    Tests for finding and replacing variables.
    """

    def test_find(self) -> None:
        """
        Both forms are found in order; a bare name takes every following word character.
        """
        for text, names in (
            ("$FLEET_VAR_HOST_UUID", ("HOST_UUID",)),
            ("${FLEET_VAR_HOST_UUID}x", ("HOST_UUID",)),
            ("$FLEET_VAR_HOST_UUIDx-$FLEET_VAR_A", ("HOST_UUIDx", "A")),
            ("$FLEET_VAR_A$FLEET_VAR_A", ("A", "A")),
            ("$FLEET_VAR_A\u00e9", ("A",)),
            ("$$FLEET_VAR_A", ("A",)),
            ("$FLEET_VAR_", ()),
            ("${FLEET_VAR_A", ()),
            ("$ FLEET_VAR_A %SerialNumber% $fleet_var_a", ()),
        ):
            self.assertEqual(find_variables(text), names, text)

    def test_broken(self) -> None:
        """
        A beginning without a name or without its closing brace is noticed.
        """
        for text in (
            "$FLEET_VAR_",
            "${FLEET_VAR_}",
            "${FLEET_VAR_A",
            "$FLEET_VAR_A ${FLEET_VAR_-}",
        ):
            self.assertTrue(has_broken_variable(text), text)
        for text in ("", "$FLEET_VAR_A", "a ${FLEET_VAR_A} b"):
            self.assertFalse(has_broken_variable(text), text)

    def test_whole(self) -> None:
        """
        Only a variable without anything around it is whole.
        """
        self.assertTrue(is_whole_variable("$FLEET_VAR_A"))
        self.assertTrue(is_whole_variable("${FLEET_VAR_A}"))
        for text in (
            "$FLEET_VAR_A/extra",
            " $FLEET_VAR_A",
            "$FLEET_VAR_A\n",
            "${FLEET_VAR_A}}",
            "",
        ):
            self.assertFalse(is_whole_variable(text), text)

    def test_substitute_once(self) -> None:
        """
        A value that looks like a variable is not replaced again.
        """
        values = {"A": "$FLEET_VAR_B", "B": "wrong"}
        self.assertEqual(substitute("-${FLEET_VAR_A}-", values.__getitem__), "-$FLEET_VAR_B-")


class NamesTests(SynchronousTestCase):
    """
    Tests for the supported names.
    """

    def test_supported(self) -> None:
        """
        Exactly the documented names are supported; case counts.
        """
        for name in (
            "CUSTOM_SCEP_CHALLENGE_X",
            "CUSTOM_SCEP_PROXY_URL_Test_SCEP",
            "SCEP_RENEWAL_ID",
            "CERTIFICATE_RENEWAL_ID",
            "HOST_UUID",
            "HOST_HARDWARE_SERIAL",
            "HOST_PLATFORM",
            "HOST_END_USER_EMAIL_IDP",
            "HOST_END_USER_IDP_USERNAME",
            "HOST_END_USER_IDP_USERNAME_LOCAL_PART",
            "HOST_END_USER_IDP_GROUPS",
            "HOST_END_USER_IDP_DEPARTMENT",
            "HOST_END_USER_IDP_FULL_NAME",
        ):
            self.assertTrue(is_supported(name), name)
        for name in (
            "host_uuid",
            "HOST_UUIDS",
            "CUSTOM_SCEP_CHALLENGE_",
            "CUSTOM_SCEP_PROXY_URL",
            "NDES_SCEP_CHALLENGE",
            "DIGICERT_DATA_X",
            "",
        ):
            self.assertFalse(is_supported(name), name)

    def test_authority(self) -> None:
        """
        Only challenges and proxy URLs belong to an authority.
        """
        self.assertEqual(authority_of("CUSTOM_SCEP_CHALLENGE_a_B1"), "a_B1")
        self.assertEqual(authority_of("CUSTOM_SCEP_PROXY_URL_X"), "X")
        self.assertIsNone(authority_of("CUSTOM_SCEP_PROXY_URL_"))
        self.assertIsNone(authority_of("SCEP_RENEWAL_ID"))


class ResolveTests(SynchronousTestCase):
    """
    Tests for resolve_variables.
    """

    def test_every_variable(self) -> None:
        """
        Each variable gets its value from where it belongs.
        """
        expected = {
            "CUSTOM_SCEP_CHALLENGE_X": "s3cret",
            "CUSTOM_SCEP_PROXY_URL_X": "https://scepd/x%2Cy",
            "SCEP_RENEWAL_ID": f"fleet-{_PROFILE}",
            "CERTIFICATE_RENEWAL_ID": f"fleet-{_PROFILE}",
            "HOST_UUID": "0F0E",
            "HOST_HARDWARE_SERIAL": "C02X",
            "HOST_PLATFORM": "macos",
            "HOST_END_USER_EMAIL_IDP": "ada@example.com",
            "HOST_END_USER_IDP_USERNAME": "ada@example.com",
            "HOST_END_USER_IDP_USERNAME_LOCAL_PART": "ada",
            "HOST_END_USER_IDP_GROUPS": "staff,admins",
            "HOST_END_USER_IDP_DEPARTMENT": "R&D",
            "HOST_END_USER_IDP_FULL_NAME": "Ada Lovelace",
        }
        self.assertEqual(resolve(*expected), expected)

    def test_given_local_part(self) -> None:
        """
        A local part that the operator set goes before the one in the user name.
        """
        host = HostValues(
            "u",
            facts={"end_user_idp_username": "a@b", "end_user_idp_username_local_part": "ada.l"},
        )
        name = "HOST_END_USER_IDP_USERNAME_LOCAL_PART"
        self.assertEqual(resolve(name, host=host), {name: "ada.l"})

    def test_missing(self) -> None:
        """
        All missing values are reported together, each with a sentence that names it.
        """
        names = ("CUSTOM_SCEP_CHALLENGE_Y", "HOST_HARDWARE_SERIAL", "HOST_PLATFORM", "NONE")
        host = HostValues("U1", platform="windows")
        self.assertEqual(
            faults_of(lambda: resolve(*names, "HOST_END_USER_EMAIL_IDP", "HOST_UUID", host=host)),
            (
                Fault(
                    "$FLEET_VAR_CUSTOM_SCEP_CHALLENGE_Y",
                    "Variable $FLEET_VAR_CUSTOM_SCEP_CHALLENGE_Y needs the certificate authority "
                    '"Y": there is none.',
                ),
                Fault(
                    "$FLEET_VAR_HOST_END_USER_EMAIL_IDP",
                    "Variable $FLEET_VAR_HOST_END_USER_EMAIL_IDP needs the fact "
                    "HOST_END_USER_EMAIL_IDP of host U1, which is not known.",
                ),
                Fault(
                    "$FLEET_VAR_HOST_HARDWARE_SERIAL",
                    "Variable $FLEET_VAR_HOST_HARDWARE_SERIAL needs the hardware serial number of "
                    "host U1, which is not known.",
                ),
                Fault(
                    "$FLEET_VAR_HOST_PLATFORM",
                    "Variable $FLEET_VAR_HOST_PLATFORM needs the platform (macos, ios or ipados) "
                    "of host U1, which is not known.",
                ),
                Fault(
                    "$FLEET_VAR_NONE",
                    "Variable $FLEET_VAR_NONE is not supported in configuration profiles.",
                ),
            ),
        )

    def test_secrets_hide(self) -> None:
        """
        Neither challenge nor URL shows in a representation.
        """
        shown = repr(AuthorityValues(challenge="s3cret", proxy_url="https://t0ken"))
        self.assertNotIn("s3cret", shown)
        self.assertNotIn("t0ken", shown)

    def test_marker_length(self) -> None:
        """
        The marker's length is known beforehand.
        """
        self.assertEqual(len(renewal_marker(_PROFILE)), MARKER_LENGTH)
        self.assertEqual(MARKER_LENGTH, 43)
