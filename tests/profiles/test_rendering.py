"""
Tests for putting values into profiles.
"""

from __future__ import annotations

import plistlib
from datetime import datetime
from functools import partial

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import Fault
from scepd.profiles.rendering import render
from tests.profiles.builders import (
    SAMPLE,
    binary,
    faults_of,
    in_plist,
    profile,
    scep_payload,
    xml,
)
from tests.profiles.test_mobileconfig import signed

_VALUES = {
    "CUSTOM_SCEP_CHALLENGE_X": "a<b>&\"c'",
    "CUSTOM_SCEP_PROXY_URL_X": "https://scepd.example/mdm/scep/proxy/h%2Ca1%2CX",
    "SCEP_RENEWAL_ID": "fleet-a1",
    "HOST_UUID": "0F0E",
}
_CARRIED = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff")
    | st.sampled_from("&<>\"'$]{}\t\r\n")
)
_PROPERTY = settings(max_examples=150, deadline=None, derandomize=True, database=None)


class XMLTests(SynchronousTestCase):
    """
    Tests for render with XML.
    """

    def test_only_variables_change(self) -> None:
        """
        Values are escaped, and no other byte of the document changes.
        """
        values = {
            "CUSTOM_SCEP_CHALLENGE_Test_SCEP": "1 < 2 & 3",
            "CUSTOM_SCEP_PROXY_URL_Test_SCEP": "u",
        }
        expected = SAMPLE.replace(
            b"$FLEET_VAR_CUSTOM_SCEP_CHALLENGE_Test_SCEP", b"1 &lt; 2 &amp; 3"
        ).replace(b"${FLEET_VAR_CUSTOM_SCEP_PROXY_URL_Test_SCEP}", b"u")
        self.assertEqual(render(SAMPLE, values), expected)

    def test_no_variables(self) -> None:
        """
        Without variables the bytes come back as they are.
        """
        document = in_plist("<string>&#65;\r\n%SerialNumber%<!-- $FLEET_VAR_A --> &quot;</string>")
        self.assertEqual(render(document, {}), document)

    def test_values_are_not_scanned(self) -> None:
        """
        A challenge that looks like a variable comes out literally.
        """
        rendered = render(
            in_plist("<string>$FLEET_VAR_HOST_UUID</string>"),
            {"HOST_UUID": "$FLEET_VAR_SCEP_RENEWAL_ID", "SCEP_RENEWAL_ID": "x"},
        )
        self.assertEqual(rendered, in_plist("<string>$FLEET_VAR_SCEP_RENEWAL_ID</string>"))

    def test_cdata(self) -> None:
        """
        In a CDATA section too a value comes out as it is.
        """
        document = in_plist("<string><![CDATA[<a>]$FLEET_VAR_HOST_UUID]&b]]></string>")
        rendered = render(document, {"HOST_UUID": "]]> & <c>"})
        self.assertEqual(plistlib.loads(rendered), "<a>]]]> & <c>]&b")

    def test_markup_in_attributes(self) -> None:
        """
        Angle brackets in attributes and comments don't mislead.
        """
        document = (
            b"<plist version='>'><!-- <string> > --><string>$FLEET_VAR_HOST_UUID</string></plist>"
        )
        self.assertEqual(
            render(document, {"HOST_UUID": "x"}),
            document.replace(b"$FLEET_VAR_HOST_UUID", b"x"),
        )

    def test_encodings(self) -> None:
        """
        A document keeps its encoding; characters that it lacks become references.
        """
        text = (
            '<?xml version="1.0" encoding="{}"?><plist><string>\u00e9 $FLEET_VAR_A</string></plist>'
        )
        for encoding, codec in (
            ("UTF-8", "utf-8-sig"),
            ("UTF-16", "utf-16"),
            ("ISO-8859-1", "iso-8859-1"),
        ):
            document = text.format(encoding).encode(codec)
            rendered = render(document, {"A": "\u20ac\U0001f600"})
            self.assertEqual(rendered[:3], document[:3])
            self.assertEqual(plistlib.loads(rendered), "\u00e9 \u20ac\U0001f600")

    @_PROPERTY
    @given(_CARRIED, _CARRIED)
    def test_any_value(self, first: str, second: str) -> None:
        """
        Any text that XML can carry comes out exactly as it went in, in every encoding.
        """
        inner = (
            "<array><string>$FLEET_VAR_A</string><string>-${FLEET_VAR_B}$FLEET_VAR_A</string>"
            "<string><![CDATA[]${FLEET_VAR_B}]]]></string></array>"
        )
        expected = [first, f"-{second}{first}", f"]{second}]"]
        document = f"<plist>{inner}</plist>"
        for content in (
            document.encode(),
            document.encode("utf-16"),
            b"<?xml version='1.0' encoding='us-ascii'?>" + document.encode(),
        ):
            rendered = render(content, {"A": first, "B": second})
            self.assertEqual(plistlib.loads(rendered, fmt=plistlib.FMT_XML), expected)


class BinaryTests(SynchronousTestCase):
    """
    Tests for render with binary profiles.
    """

    def test_values(self) -> None:
        """
        Values come out exactly; everything else stays, dates, data and order included.
        """
        kept = {"z": datetime(2024, 2, 29, 1, 2, 3), "a": b"$x", "n": 2**63, "f": 0.5, "t": True}
        rendered = render(binary(profile(scep_payload(), kept)), _VALUES)
        self.assertTrue(rendered.startswith(b"bplist00"))
        scep, other = plistlib.loads(rendered)["PayloadContent"]
        self.assertEqual(scep["PayloadContent"]["Challenge"], "a<b>&\"c'")
        self.assertEqual(scep["PayloadContent"]["Subject"][1], [["OU", "fleet-a1"]])
        self.assertEqual(other, kept)
        self.assertIs(other["t"], True)

    @_PROPERTY
    @given(_CARRIED)
    def test_any_value(self, value: str) -> None:
        """
        Any text comes out exactly as it went in.
        """
        content = plistlib.dumps(["a $FLEET_VAR_A", {"k": "$FLEET_VAR_A"}], fmt=plistlib.FMT_BINARY)
        rendered = render(content, {"A": value})
        self.assertEqual(plistlib.loads(rendered), [f"a {value}", {"k": value}])


class RefusalTests(SynchronousTestCase):
    """
    Tests for what render refuses.
    """

    def test_missing_values(self) -> None:
        """
        Every variable without a value is named.
        """
        for content in (xml(profile(scep_payload())), binary(profile(scep_payload()))):
            self.assertEqual(
                faults_of(partial(render, content, {"SCEP_RENEWAL_ID": "x"})),
                (
                    Fault(
                        "$FLEET_VAR_CUSTOM_SCEP_CHALLENGE_X",
                        "Variable $FLEET_VAR_CUSTOM_SCEP_CHALLENGE_X has no value.",
                    ),
                    Fault(
                        "$FLEET_VAR_CUSTOM_SCEP_PROXY_URL_X",
                        "Variable $FLEET_VAR_CUSTOM_SCEP_PROXY_URL_X has no value.",
                    ),
                ),
            )

    def test_characters_that_xml_lacks(self) -> None:
        """
        Control characters, surrogates and the like are refused without showing the value.
        """
        expected = (
            Fault(
                "$FLEET_VAR_A",
                "The value of $FLEET_VAR_A holds characters that XML can't carry.",
            ),
        )
        contents = [plistlib.dumps("$FLEET_VAR_A", fmt=form) for form in plistlib.PlistFormat]
        for bad in ("\x00", "\x0b", "\x1f", "\ud800", "\ufffe", "\uffff"):
            values = {"A": f"s3cret{bad}"}
            for content in contents:
                self.assertEqual(faults_of(partial(render, content, values)), expected)

    def test_unreadable(self) -> None:
        """
        A profile that is no property list is a fault of the profile.
        """
        (fault,) = faults_of(lambda: render(b"$FLEET_VAR_A", {"A": "x"}))
        self.assertEqual(fault.field, "profile")

    def test_signed(self) -> None:
        """
        A signed profile comes back as it is.
        """
        content = signed(xml(profile()))
        self.assertEqual(render(content, {}), content)

    @_PROPERTY
    @given(st.binary(max_size=100), st.data())
    def test_hostile(self, junk: bytes, data: st.DataObject) -> None:
        """
        Junk and mutated profiles are rendered or refused with faults; nothing else is raised.
        """
        faults_of(lambda: render(junk, _VALUES))
        for good in (SAMPLE, binary(profile(scep_payload()))):
            mutated = bytearray(good)
            mutated[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
            faults_of(partial(render, bytes(mutated), _VALUES))
