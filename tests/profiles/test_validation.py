"""
Tests for the checks of an upload: every row of the table, with its message and its field.
"""

from __future__ import annotations

import plistlib
from dataclasses import replace
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import Fault
from scepd.profiles.validation import ValidatedProfile, validate_profile
from tests.profiles.builders import (
    SAMPLE,
    binary,
    profile,
    scep_payload,
    upload_faults,
    xml,
)
from tests.profiles.test_mobileconfig import signed

_CONTENT = "PayloadContent[0].PayloadContent"
_OU = f"{_CONTENT}.Subject[1][0][1]"
_RENEWAL_PLACE = (
    "Variable $FLEET_VAR_SCEP_RENEWAL_ID must be in the SCEP certificate's organizational unit "
    "(OU)."
)
_ONLY_IN_PAYLOAD = (
    'Variables prefixed with "$FLEET_VAR_SCEP_" and "$FLEET_VAR_CUSTOM_SCEP_" must only be in the '
    "SCEP payload."
)
_SUBJECT_SHAPE = (
    "Subject must be an array of arrays of pairs of texts, such as [[[CN, x]], [[OU, y]]]."
)
_PLAIN = (
    "Variables ($FLEET_VAR_*) must be written in plain text: without character references (&#36;), "
    "comments or CDATA sections inside or right behind them."
)


def subject(kind: str, value: str) -> list[list[list[str]]]:
    """
    Build a subject with one name.

    :param kind: the attribute.
    :param value: its value.
    :returns: the value of a payload's Subject.
    """
    return [[["CN", "x"]], [[kind, value]]]


class AcceptedTests(SynchronousTestCase):
    """
    Tests for profiles that pass.
    """

    def test_example(self) -> None:
        """
        The profile that the documents tell operators to begin with passes, without a warning.
        """
        content = (Path(__file__).parents[2] / "docs" / "wifi.mobileconfig").read_bytes()
        found = validate_profile(content, known_authorities={"Test_SCEP"})
        self.assertIn("SCEP_RENEWAL_ID", found.variables)
        self.assertEqual(found.warnings, ())

    def test_sample(self) -> None:
        """
        The sample profile passes as it is, for the authority that it names; only that its subject
        has no renewal marker is unwise.
        """
        found = validate_profile(SAMPLE, known_authorities={"Test_SCEP"})
        (warning,) = found.warnings
        self.assertIn(".Subject: without $FLEET_VAR_SCEP_RENEWAL_ID", warning)
        self.assertEqual(
            replace(found, warnings=()),
            ValidatedProfile(
                identifier="Fleet.custom.SCEP",
                display_name="SCEP proxy cert",
                scope="System",
                variables=frozenset(
                    {"CUSTOM_SCEP_CHALLENGE_Test_SCEP", "CUSTOM_SCEP_PROXY_URL_Test_SCEP"}
                ),
                certificate_authorities=("Test_SCEP",),
                signed=False,
                warnings=(),
            ),
        )

    def test_binary(self) -> None:
        """
        A binary profile of User scope passes; its renewal marker is among the variables.
        """
        content = binary(profile(scep_payload(), PayloadScope="User"))
        found = validate_profile(content, known_authorities=["X", "Y"])
        self.assertEqual(found.scope, "User")
        self.assertEqual(
            found.variables,
            {"CUSTOM_SCEP_CHALLENGE_X", "CUSTOM_SCEP_PROXY_URL_X", "SCEP_RENEWAL_ID"},
        )

    def test_without_scep_variables(self) -> None:
        """
        Several SCEP payloads of fixed values pass, and variables of the host in any payload, even
        the same one several times.
        """
        fixed = scep_payload(Challenge="c", URL="https://ca", Subject=[])
        other = {"PayloadType": "x", "Note": "$FLEET_VAR_HOST_UUID ${FLEET_VAR_HOST_UUID}"}
        found = validate_profile(xml(profile(fixed, fixed, other)), known_authorities=())
        self.assertEqual(found.variables, {"HOST_UUID"})
        self.assertEqual(found.certificate_authorities, ())

    def test_without_payloads(self) -> None:
        """
        A profile without PayloadContent passes, with its variables in display name and the like.
        """
        root = profile(PayloadDescription="for $FLEET_VAR_HOST_END_USER_EMAIL_IDP")
        del root["PayloadContent"]
        self.assertEqual(upload_faults(xml(root)), ())

    def test_renewal_marker_places(self) -> None:
        """
        The marker may stand in an OU or CN, by short name or OID, within other text, in the other
        form and under the other name.
        """
        for kind in ("OU", "CN", "2.5.4.11", "2.5.4.3"):
            for value in (
                "$FLEET_VAR_SCEP_RENEWAL_ID",
                "id ${FLEET_VAR_SCEP_RENEWAL_ID} x",
                "$FLEET_VAR_CERTIFICATE_RENEWAL_ID",
            ):
                content = xml(profile(scep_payload(Subject=subject(kind, value))))
                self.assertEqual(upload_faults(content), (), (kind, value))

    def test_longest_name(self) -> None:
        """
        64 characters with the marker are allowed; Apple's variables count as short as they can be.
        """
        for fixed in ("x" * 21, "%ComputerName%" + "x" * 21, "%SerialNumber%" + "x" * 13):
            value = fixed + "$FLEET_VAR_SCEP_RENEWAL_ID"
            content = xml(profile(scep_payload(Subject=subject("OU", value))))
            self.assertEqual(upload_faults(content), (), fixed)

    def test_signed_without_variables(self) -> None:
        """
        A signed profile without variables passes; what is in it is known.
        """
        root = profile({"PayloadType": "x", "Serial": "%SerialNumber%"}, PayloadScope="User")
        found = validate_profile(signed(xml(root)), known_authorities=())
        self.assertTrue(found.signed)
        self.assertEqual((found.identifier, found.scope), ("com.example.profile", "User"))

    def test_comments_do_not_count(self) -> None:
        """
        A variable in a comment is text for people.
        """
        content = SAMPLE.replace(b"<dict>", b"<!-- $FLEET_VAR_NONE --><dict>", 1)
        self.assertEqual(upload_faults(content, "Test_SCEP"), ())

    def test_base64_is_opaque(self) -> None:
        """
        What is inside base64 can't be seen, and is left alone.
        """
        content = xml(profile({"PayloadType": "x", "Data": b"$FLEET_VAR_HOST_UUID"}))
        self.assertEqual(upload_faults(content), ())

    def test_warnings(self) -> None:
        """
        A weak or missing key size, a key that can't sign and an unknown key type are warnings.
        """
        weak = scep_payload(**{"Keysize": 1024, "Key Usage": 4, "Key Type": "DSA"})
        expected = (
            f"{_CONTENT}.Keysize: the key should have 2048 bits or more.",
            f"{_CONTENT}.Key Usage: the key can't sign; "
            "use 1 (signing) or 5 (signing and encryption).",
            f"{_CONTENT}.Key Type: the key's type should be RSA.",
        )
        found = validate_profile(xml(profile(weak)), known_authorities={"X"})
        self.assertEqual(found.warnings, expected)
        content = {"PayloadType": "com.apple.security.scep", "PayloadContent": {}}
        found = validate_profile(xml(profile(content)), known_authorities=())
        self.assertEqual(found.warnings, expected[:1])

    def test_unmarked(self) -> None:
        """
        A subject without a renewal marker is a warning where a certificate is to be renewed.
        """
        subject = [[["CN", "%SerialNumber%"]]]
        unmarked = xml(profile(scep_payload(Subject=subject)))
        (warning,) = validate_profile(unmarked, known_authorities={"X"}).warnings
        self.assertEqual(
            warning,
            f"{_CONTENT}.Subject: without $FLEET_VAR_SCEP_RENEWAL_ID in its organizational unit "
            "(OU) the certificate is told from others of the same certificate authority by the "
            "rest of its subject only, which no other profile of a host must share.",
        )
        fixed = xml(profile(scep_payload(Challenge="c", URL="https://ca", Subject=subject)))
        self.assertEqual(validate_profile(fixed, known_authorities=()).warnings, ())
        for name in ("SCEP_RENEWAL_ID", "CERTIFICATE_RENEWAL_ID"):
            marked = xml(profile(scep_payload(Subject=[[["CN", f"a $FLEET_VAR_{name}"]]])))
            self.assertEqual(validate_profile(marked, known_authorities={"X"}).warnings, ())


class RefusedTests(SynchronousTestCase):
    """
    Tests for profiles that are refused.
    """

    def assert_faults(self, content: bytes, *expected: tuple[str, str]) -> None:
        """
        Check the faults of a profile, in any order.
        """
        found = sorted((fault.field, fault.message) for fault in upload_faults(content))
        self.assertEqual(found, sorted(expected))

    def test_unreadable(self) -> None:
        """
        What is not a property list, or too large, is a fault of the profile.
        """
        (fault,) = upload_faults(b"junk")
        self.assertEqual(fault.field, "profile")
        (fault,) = upload_faults(b"0" * 1048577)
        self.assertEqual(fault, Fault("profile", "the property list is longer than 1048576 bytes"))
        self.assertEqual(
            upload_faults(plistlib.dumps([1])),
            (Fault("profile", "A profile must be a dictionary."),),
        )
        (fault,) = upload_faults(signed(None))
        self.assertEqual(fault.field, "profile")

    def test_header(self) -> None:
        """
        Type, identifier, display name and scope are checked at once.
        """
        root = {"PayloadType": "x", "PayloadIdentifier": " ", "PayloadScope": "system"}
        self.assert_faults(
            xml(root),
            ("PayloadType", "PayloadType must be Configuration."),
            (
                "PayloadIdentifier",
                "PayloadIdentifier must be present, and a text that is not empty.",
            ),
            (
                "PayloadDisplayName",
                "PayloadDisplayName must be present, and a text that is not empty.",
            ),
            ("PayloadScope", "PayloadScope must be System or User."),
        )

    def test_identifier(self) -> None:
        """
        An identifier that may be told otherwise than it was uploaded is refused: its profile would
        be missed on each host.
        """
        for wrong in (" com.example", "com.example ", "com.example\u00a0", "a\nb", "a\x00b"):
            content = plistlib.dumps(profile(PayloadIdentifier=wrong), fmt=plistlib.FMT_BINARY)
            (fault,) = upload_faults(content)
            self.assertEqual(fault.field, "PayloadIdentifier")
            self.assertIn("must not begin or end with a space", fault.message)
        for right in ("com.ex\u00e4mple", "com.ex\u00a0ample", "a b"):
            self.assertEqual(upload_faults(xml(profile(PayloadIdentifier=right))), ())

    def test_display_name(self) -> None:
        """
        A binary property list can hold a NUL, and PostgreSQL can't.
        """
        content = plistlib.dumps(profile(PayloadDisplayName="a\0b"), fmt=plistlib.FMT_BINARY)
        (fault,) = upload_faults(content)
        self.assertEqual(
            fault, Fault("PayloadDisplayName", "PayloadDisplayName must not hold a NUL.")
        )

    def test_payloads_of_wrong_type(self) -> None:
        """
        PayloadContent must be an array of dictionaries.
        """
        self.assert_faults(
            xml(profile(PayloadContent={})),
            ("PayloadContent", "PayloadContent must be an array of payloads."),
        )
        self.assert_faults(
            xml(profile(PayloadContent=["x"])),
            ("PayloadContent[0]", "A payload must be a dictionary."),
        )

    def test_signed_with_variables(self) -> None:
        """
        A signed profile can't have variables.
        """
        self.assert_faults(
            signed(xml(profile(scep_payload()))),
            ("profile", "a signed profile can't contain variables ($FLEET_VAR_*)"),
        )

    def test_unknown_variables(self) -> None:
        """
        Unknown and lower-case names are refused, in their place.
        """
        root = profile(
            {"PayloadType": "x", "A": ["$FLEET_VAR_NOPE"]}, Note="${FLEET_VAR_host_uuid}"
        )
        self.assert_faults(
            xml(root),
            (
                "PayloadContent[0].A[0]",
                "Variable $FLEET_VAR_NOPE is not supported in configuration profiles."
                " docs/profiles.md lists those that are: HOST_…, SCEP_RENEWAL_ID and"
                " CUSTOM_SCEP_…_<CA>.",
            ),
            (
                "Note",
                "Variable $FLEET_VAR_host_uuid is not supported in configuration profiles."
                " Did you mean $FLEET_VAR_HOST_UUID?",
            ),
        )

    def test_unknown_authority(self) -> None:
        """
        Both variables of an authority that doesn't exist are faults.
        """
        self.assertEqual(
            upload_faults(xml(profile(scep_payload())), "x", "XX"),
            (
                Fault(
                    f"{_CONTENT}.Challenge",
                    "Variable $FLEET_VAR_CUSTOM_SCEP_CHALLENGE_X names a certificate authority "
                    "that doesn't exist. There are: XX, x.",
                ),
                Fault(
                    f"{_CONTENT}.URL",
                    "Variable $FLEET_VAR_CUSTOM_SCEP_PROXY_URL_X names a certificate authority "
                    "that doesn't exist. There are: XX, x.",
                ),
            ),
        )

    def test_missing_partner(self) -> None:
        """
        A challenge without URL, or a URL without challenge, is refused where the other belongs.
        """
        self.assert_faults(
            xml(profile(scep_payload(URL="https://ca.example"))),
            (f"{_CONTENT}.URL", "Missing $FLEET_VAR_CUSTOM_SCEP_PROXY_URL_X in the profile"),
        )
        self.assert_faults(
            xml(profile(scep_payload(Challenge="fixed"))),
            (f"{_CONTENT}.Challenge", "Missing $FLEET_VAR_CUSTOM_SCEP_CHALLENGE_X in the profile"),
        )

    def test_names_differ(self) -> None:
        """
        Challenge and URL must name the same authority.
        """
        content = xml(profile(scep_payload(URL="$FLEET_VAR_CUSTOM_SCEP_PROXY_URL_Y")))
        self.assertEqual(
            upload_faults(content, "X", "Y"),
            (
                Fault(
                    f"{_CONTENT}.URL",
                    "CA name mismatch between $FLEET_VAR_CUSTOM_SCEP_CHALLENGE_X and "
                    "$FLEET_VAR_CUSTOM_SCEP_PROXY_URL_Y in the profile.",
                ),
            ),
        )

    def test_twice(self) -> None:
        """
        A SCEP variable can't occur twice, in whatever form.
        """
        renewal = "$FLEET_VAR_SCEP_RENEWAL_ID"
        again = scep_payload(
            Subject=[[["OU", renewal]], [["CN", renewal]]],
            Extra="${FLEET_VAR_CUSTOM_SCEP_CHALLENGE_X}",
        )
        self.assert_faults(
            xml(profile(again)),
            (
                f"{_OU}",
                "Variable $FLEET_VAR_SCEP_RENEWAL_ID is already present in configuration profile.",
            ),
            (
                f"{_CONTENT}.Extra",
                "Variable $FLEET_VAR_CUSTOM_SCEP_CHALLENGE_X is already present in configuration "
                "profile.",
            ),
            (
                f"{_CONTENT}.Extra",
                'Variable "$FLEET_VAR_CUSTOM_SCEP_CHALLENGE_X" must be in the SCEP certificate\'s '
                '"Challenge" field.',
            ),
        )

    def test_two_payloads(self) -> None:
        """
        With variables only one SCEP payload is allowed.
        """
        fixed = scep_payload(Challenge="c", URL="https://ca", Subject=[])
        self.assert_faults(
            xml(profile(fixed, scep_payload())),
            ("PayloadContent[1].PayloadType", "Add only one SCEP payload."),
        )

    def test_no_payload(self) -> None:
        """
        SCEP variables can't stand in other payloads, or beside the payload's content.
        """
        other = {**scep_payload(), "PayloadType": "com.example.other"}
        self.assert_faults(
            xml(profile(other)),
            (f"{_CONTENT}.Challenge", _ONLY_IN_PAYLOAD),
            (f"{_CONTENT}.URL", _ONLY_IN_PAYLOAD),
            (_OU, _RENEWAL_PLACE),
        )
        beside = {
            **scep_payload(URL="u"),
            "PayloadDescription": "$FLEET_VAR_CUSTOM_SCEP_PROXY_URL_X",
        }
        self.assert_faults(
            xml(profile(beside)), ("PayloadContent[0].PayloadDescription", _ONLY_IN_PAYLOAD)
        )

    def test_not_the_whole_value(self) -> None:
        """
        Challenge and URL must be the variable and nothing else.
        """
        extended = scep_payload(
            URL="$FLEET_VAR_CUSTOM_SCEP_PROXY_URL_X/extra",
            Challenge=" $FLEET_VAR_CUSTOM_SCEP_CHALLENGE_X",
        )
        self.assert_faults(
            xml(profile(extended)),
            (
                f"{_CONTENT}.Challenge",
                'Variable "$FLEET_VAR_CUSTOM_SCEP_CHALLENGE_X" must be in the SCEP certificate\'s '
                '"Challenge" field.',
            ),
            (
                f"{_CONTENT}.URL",
                'Variable "$FLEET_VAR_CUSTOM_SCEP_PROXY_URL_X" must be in the SCEP certificate\'s '
                '"URL" field.',
            ),
        )

    def test_swapped(self) -> None:
        """
        Challenge and URL can't change places.
        """
        swapped = scep_payload(
            URL="$FLEET_VAR_CUSTOM_SCEP_CHALLENGE_X",
            Challenge="$FLEET_VAR_CUSTOM_SCEP_PROXY_URL_X",
        )
        found = upload_faults(xml(profile(swapped)))
        self.assertEqual(
            [fault.field for fault in found], [f"{_CONTENT}.Challenge", f"{_CONTENT}.URL"]
        )

    def test_renewal_marker_elsewhere(self) -> None:
        """
        The marker must be the value of an OU or CN, not of other names or fields.
        """
        marker = "$FLEET_VAR_SCEP_RENEWAL_ID"
        for changes, path in (
            ({"Subject": subject("O", marker)}, _OU),
            ({"Subject": subject(marker, "x")}, f"{_CONTENT}.Subject[1][0][0]"),
            ({"Subject": [], "SubjectAltName": {"OU": marker}}, f"{_CONTENT}.SubjectAltName.OU"),
            ({"Subject": [], "Name": marker}, f"{_CONTENT}.Name"),
        ):
            self.assert_faults(xml(profile(scep_payload(**changes))), (path, _RENEWAL_PLACE))

    def test_misshapen_subject(self) -> None:
        """
        A subject that no device could read is refused, with the place of its first mistake; a
        marker in it stands where none may be.
        """
        marker = "$FLEET_VAR_SCEP_RENEWAL_ID"
        for value, at_marker, at_mistake in (
            (marker, "", ""),
            ([["OU", marker]], "[0][1]", "[0][0]"),
            ([[["CN", "x"]], [["OU", marker, "x"]]], "[1][0][1]", "[1][0]"),
            ([[["OU", [marker]]]], "[0][0][1][0]", "[0][0]"),
            (["CN=x", [["O", marker]]], "[1][0][1]", "[0]"),
        ):
            self.assert_faults(
                xml(profile(scep_payload(Subject=value))),
                (f"{_CONTENT}.Subject{at_marker}", _RENEWAL_PLACE),
                (f"{_CONTENT}.Subject{at_mistake}", _SUBJECT_SHAPE),
            )

    def test_misshapen_subject_without_variables(self) -> None:
        """
        It is refused in a SCEP payload that has nothing to do with scepd, too.
        """
        for value in ("CN=x", {"CN": "x"}, ["CN"], [[["CN", 1]]]):
            fixed = scep_payload(Challenge="c", URL="https://ca", Subject=value)
            (fault,) = upload_faults(xml(profile(fixed)))
            self.assertEqual(fault.message, _SUBJECT_SHAPE)

    def test_other_marker_elsewhere(self) -> None:
        """
        The message names the variable that was used.
        """
        payload = scep_payload(Subject=subject("O", "$FLEET_VAR_CERTIFICATE_RENEWAL_ID"))
        (fault,) = upload_faults(xml(profile(payload)))
        self.assertIn("$FLEET_VAR_CERTIFICATE_RENEWAL_ID must be in", fault.message)

    def test_too_long_with_marker(self) -> None:
        """
        An OU or CN above 64 characters with the marker is refused, with its length.
        """
        for kind, called in (("OU", "organizational unit (OU)"), ("CN", "common name (CN)")):
            for fixed, length in (
                ("x" * 22, 65),
                ("%HardwareUUID%", 79),
                ("$FLEET_VAR_HOST_UUID ", 69),
            ):
                value = fixed + "$FLEET_VAR_SCEP_RENEWAL_ID"
                self.assert_faults(
                    xml(profile(scep_payload(Subject=subject(kind, value)))),
                    (
                        _OU,
                        f"The {called} would be {length} characters long with "
                        "$FLEET_VAR_SCEP_RENEWAL_ID; at most 64 are allowed.",
                    ),
                )

    def test_keys_and_fixed_values(self) -> None:
        """
        Variables can't be in keys, identifiers, UUIDs, types and scopes.
        """
        variable = "$FLEET_VAR_HOST_UUID"
        payload = {"PayloadType": "x", "PayloadUUID": variable, f"a {variable}": 1}
        self.assert_faults(
            xml(profile(payload, PayloadIdentifier=variable)),
            ("PayloadIdentifier", f"Variable {variable} can't be in PayloadIdentifier."),
            ("PayloadContent[0].PayloadUUID", f"Variable {variable} can't be in PayloadUUID."),
            (
                f"PayloadContent[0].a {variable}",
                f"Variable {variable} can't be in a key, only in a value.",
            ),
        )

    def test_scep_variable_in_a_key(self) -> None:
        """
        A SCEP variable in a key does not count as its partner.
        """
        payload = scep_payload(URL={"$FLEET_VAR_CUSTOM_SCEP_PROXY_URL_X": "x"})
        self.assert_faults(
            xml(profile(payload)),
            (f"{_CONTENT}.URL", "Missing $FLEET_VAR_CUSTOM_SCEP_PROXY_URL_X in the profile"),
            (
                f"{_CONTENT}.URL.$FLEET_VAR_CUSTOM_SCEP_PROXY_URL_X",
                "Variable $FLEET_VAR_CUSTOM_SCEP_PROXY_URL_X can't be in a key, only in a value.",
            ),
        )

    def test_broken_variables(self) -> None:
        """
        A variable without a name or a closing brace would reach devices as it is.
        """
        message = "A variable that begins here has no name, or no closing brace."
        root = profile(A="${FLEET_VAR_HOST_UUID", B="$FLEET_VAR_-")
        self.assert_faults(xml(root), ("A", message), ("B", message))

    def test_data_in_binary(self) -> None:
        """
        A variable that can be seen in a binary profile's data is refused.
        """
        root = profile({"PayloadType": "x", "Data": b"a ${FLEET_VAR_HOST_UUID} b"})
        self.assert_faults(
            binary(root),
            (
                "PayloadContent[0].Data",
                "Variables ($FLEET_VAR_*) can't be in data, only in text.",
            ),
        )

    def test_hidden_variables(self) -> None:
        """
        A variable that is written with references, comments or sections would not be replaced.
        """
        for hidden in (
            b"&#36;FLEET_VAR_HOST_UUID",
            b"$FLEET_VAR_HOST_U&#x55;ID",
            b"$FLEET_VAR_<!-- -->HOST_UUID",
            b"$FLEET_VAR_HOST<![CDATA[_UUID]]>",
        ):
            content = SAMPLE.replace(b"SCEP proxy cert", hidden).replace(b"Test_SCEP", b"X")
            self.assert_faults(content, ("profile", _PLAIN))

    def test_several_at_once(self) -> None:
        """
        All faults of a profile come together, with their paths.
        """
        payload = scep_payload(
            Challenge="x$FLEET_VAR_CUSTOM_SCEP_CHALLENGE_X",
            URL="$FLEET_VAR_CUSTOM_SCEP_PROXY_URL_Y",
            Note="$FLEET_VAR_NOPE",
        )
        content = xml(profile({"PayloadType": "x"}, payload, PayloadScope="Any"))
        where = "PayloadContent[1].PayloadContent"
        self.assert_faults(
            content,
            ("PayloadScope", "PayloadScope must be System or User."),
            (
                f"{where}.URL",
                "Variable $FLEET_VAR_CUSTOM_SCEP_PROXY_URL_Y names a certificate authority that "
                "doesn't exist. There are: X.",
            ),
            (
                f"{where}.Note",
                "Variable $FLEET_VAR_NOPE is not supported in configuration profiles."
                " docs/profiles.md lists those that are: HOST_…, SCEP_RENEWAL_ID and"
                " CUSTOM_SCEP_…_<CA>.",
            ),
            (
                f"{where}.URL",
                "CA name mismatch between $FLEET_VAR_CUSTOM_SCEP_CHALLENGE_X and "
                "$FLEET_VAR_CUSTOM_SCEP_PROXY_URL_Y in the profile.",
            ),
            (
                f"{where}.Challenge",
                'Variable "$FLEET_VAR_CUSTOM_SCEP_CHALLENGE_X" must be in the SCEP certificate\'s '
                '"Challenge" field.',
            ),
        )

    def test_number_of_faults(self) -> None:
        """
        A hostile profile gets a hundred faults, not a hundred thousand; long names are cut.
        """
        many = ["$FLEET_VAR_" + "N" * 5000] * 150
        found = upload_faults(xml(profile(Many=many, **{"k" * 5000: "$FLEET_VAR_N"})))
        self.assertEqual(len(found), 100)
        self.assertLess(max(len(fault.message) + len(fault.field) for fault in found), 600)

    @settings(max_examples=100, deadline=None, derandomize=True, database=None)
    @given(st.data())
    def test_mutations(self, data: st.DataObject) -> None:
        """
        A mutated profile passes or is refused with faults; nothing else is raised.
        """
        root = profile(scep_payload())
        for good in (SAMPLE, binary(root), signed(xml(root))):
            mutated = bytearray(good)
            for _ in range(data.draw(st.integers(1, 4))):
                mutated[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
            upload_faults(bytes(mutated))

    @settings(max_examples=100, deadline=None, derandomize=True, database=None)
    @given(
        st.recursive(
            st.sampled_from(
                ["$FLEET_VAR_SCEP_RENEWAL_ID", "$FLEET_VAR_CUSTOM_SCEP_CHALLENGE_X", "OU", "x"]
            )
            | st.booleans()
            | st.binary(max_size=3),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(
                        ["PayloadContent", "PayloadType", "Subject", "URL", "Challenge"]
                    ),
                    inner,
                )
            ),
            max_leaves=15,
        )
    )
    def test_any_shape(self, value: str) -> None:
        """
        Values of any shape where others are expected are faults, never errors.
        """
        upload_faults(xml(profile(PayloadContent=value)))
        upload_faults(binary(profile(scep_payload(Subject=value, Keysize=value))))
