"""
Tests of the checks of an upload, a test for each row of the specification: with its message, by the
path of payload and key, in XML as in binary profiles.
"""

from __future__ import annotations

from collections.abc import Mapping

from twisted.trial.unittest import SynchronousTestCase

from scepd.profiles.suggestions import variable_suggestion
from scepd.profiles.validation import validate_profile
from tests.profiles.builders import binary, profile, scep_payload, upload_faults, xml

_CHALLENGE = "$FLEET_VAR_CUSTOM_SCEP_CHALLENGE_X"
_URL = "$FLEET_VAR_CUSTOM_SCEP_PROXY_URL_X"
_INSIDE = "PayloadContent[0].PayloadContent"


class UploadRowTests(SynchronousTestCase):
    """
    Each row alone, so that it is the only fault.
    """

    def check(
        self, root: Mapping[str, object], *faults: tuple[str, str], known: tuple[str, ...] = ("X",)
    ) -> None:
        """
        Both forms of a profile have exactly these faults.
        """
        for content in (xml(root), binary(root)):
            found = [(fault.field, fault.message) for fault in upload_faults(content, *known)]
            self.assertEqual(found, list(faults))

    def test_good(self) -> None:
        """
        A good one has none, with variables in braces and bare.
        """
        self.check(profile(scep_payload()))

    def test_unknown_variable(self) -> None:
        """
        A bare name takes every following word character; so it may be one that nobody knows.
        """
        for text, name in (
            ("$FLEET_VAR_FOO", "FOO"),
            ("${FLEET_VAR_FOO}", "FOO"),
            ("$FLEET_VAR_HOST_UUID_1", "HOST_UUID_1"),
            ("$FLEET_VAR_host_uuid", "host_uuid"),
        ):
            message = f"Variable $FLEET_VAR_{name} is not supported in configuration profiles."
            told = f"{message} {variable_suggestion(name)}"
            self.check(profile(scep_payload(Name=text)), (f"{_INSIDE}.Name", told))

    def test_unknown_authority(self) -> None:
        """
        The certificate authority must exist; its name's case counts.
        """
        end = "names a certificate authority that doesn't exist. There are: x."
        self.check(
            profile(scep_payload()),
            (f"{_INSIDE}.Challenge", f"Variable {_CHALLENGE} {end}"),
            (f"{_INSIDE}.URL", f"Variable {_URL} {end}"),
            known=("x",),
        )

    def test_missing(self) -> None:
        """
        Challenge and URL come together.
        """
        self.check(
            profile(scep_payload(URL="https://ca.example.com/")),
            (f"{_INSIDE}.URL", f"Missing {_URL} in the profile"),
        )
        self.check(
            profile(scep_payload(Challenge="fixed")),
            (f"{_INSIDE}.Challenge", f"Missing {_CHALLENGE} in the profile"),
        )

    def test_names_differ(self) -> None:
        """
        They are of one certificate authority.
        """
        other = "$FLEET_VAR_CUSTOM_SCEP_PROXY_URL_Y"
        message = f"CA name mismatch between {_CHALLENGE} and {other} in the profile."
        self.check(profile(scep_payload(URL=other)), (f"{_INSIDE}.URL", message), known=("X", "Y"))

    def test_twice(self) -> None:
        """
        Each stands once.
        """
        marker = "$FLEET_VAR_SCEP_RENEWAL_ID"
        message = f"Variable {marker} is already present in configuration profile."
        subject = [[["CN", marker]], [["OU", marker]]]
        self.check(profile(scep_payload(Subject=subject)), (f"{_INSIDE}.Subject[1][0][1]", message))

    def test_two_payloads(self) -> None:
        """
        With variables there is one SCEP payload.
        """
        other = scep_payload(Challenge="fixed", URL="https://ca.example.com/", Subject=[])
        self.check(
            profile(scep_payload(), other),
            ("PayloadContent[1].PayloadType", "Add only one SCEP payload."),
        )

    def test_no_payload(self) -> None:
        """
        And they stand in it.
        """
        message = (
            'Variables prefixed with "$FLEET_VAR_SCEP_" and "$FLEET_VAR_CUSTOM_SCEP_" must only be '
            "in the SCEP payload."
        )
        other = {"PayloadType": "com.apple.wifi.managed", "A": _CHALLENGE, "B": _URL}
        faults = ("PayloadContent[0].A", message), ("PayloadContent[0].B", message)
        self.check(profile(other), *faults)

    def test_not_the_whole_value(self) -> None:
        """
        They are all of Challenge and of URL.
        """
        for key, variable in (("Challenge", _CHALLENGE), ("URL", _URL)):
            message = f'Variable "{variable}" must be in the SCEP certificate\'s "{key}" field.'
            root = profile(scep_payload(**{key: f"{variable}/"}))
            self.check(root, (f"{_INSIDE}.{key}", message))

    def test_renewal_marker_elsewhere(self) -> None:
        """
        The marker stands in an OU or CN, by either of its names.
        """
        for name in ("SCEP_RENEWAL_ID", "CERTIFICATE_RENEWAL_ID"):
            message = (
                f"Variable $FLEET_VAR_{name} must be in the SCEP certificate's organizational unit "
                "(OU)."
            )
            for attribute in ("O", "2.5.4.10", "emailAddress"):
                subject = [[[attribute, f"${{FLEET_VAR_{name}}}"]]]
                self.check(
                    profile(scep_payload(Subject=subject)),
                    (f"{_INSIDE}.Subject[0][0][1]", message),
                )
            for attribute in ("OU", "CN", "2.5.4.11", "2.5.4.3"):
                subject = [[[attribute, f"${{FLEET_VAR_{name}}}"]]]
                self.check(profile(scep_payload(Subject=subject)))

    def test_too_long(self) -> None:
        """
        With the marker an OU or CN has 64 characters at most; the length is told.
        """
        marker = "${FLEET_VAR_SCEP_RENEWAL_ID}"
        message = (
            "The organizational unit (OU) would be 65 characters long with "
            "$FLEET_VAR_SCEP_RENEWAL_ID; at most 64 are allowed."
        )
        long = profile(scep_payload(Subject=[[["OU", "x" * 22 + marker]]]))
        self.check(long, (f"{_INSIDE}.Subject[0][0][1]", message))
        self.check(profile(scep_payload(Subject=[[["OU", "x" * 21 + marker]]])))

    def test_warnings(self) -> None:
        """
        What is only unwise is told, and let pass.
        """
        weak = profile(
            scep_payload(**{"Keysize": 1024, "Key Usage": 4, "Key Type": "ECSECPrimeRandom"})
        )
        for content in (xml(weak), binary(weak)):
            found = validate_profile(content, known_authorities=["X"]).warnings
            keys = [warning.partition(":")[0] for warning in found]
            self.assertEqual(
                keys, [f"{_INSIDE}.Keysize", f"{_INSIDE}.Key Usage", f"{_INSIDE}.Key Type"]
            )

    def test_header(self) -> None:
        """
        Type, identifier, name and scope, all together with what is wrong inside.
        """
        root = profile(scep_payload(Name="$FLEET_VAR_FOO"), PayloadType="Config", PayloadScope="x")
        del root["PayloadIdentifier"], root["PayloadDisplayName"]
        for content in (xml(root), binary(root)):
            fields = [fault.field for fault in upload_faults(content)]
            self.assertEqual(
                fields,
                [
                    "PayloadType",
                    "PayloadIdentifier",
                    "PayloadDisplayName",
                    "PayloadScope",
                    f"{_INSIDE}.Name",
                ],
            )
