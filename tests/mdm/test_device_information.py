"""
Tests for what devices answer to DeviceInformation.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from scepd.mdm.device_information import DeviceInformation, device_information_of, platform_of
from scepd.plist.values import PlistValue

_ANY = st.recursive(
    st.booleans() | st.integers() | st.text(max_size=10) | st.binary(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner),
    max_leaves=8,
)


class DeviceInformationTests(SynchronousTestCase):
    """
    Tests for L{device_information_of} and L{platform_of}.
    """

    def test_whole(self) -> None:
        """
        Platform, serial number, model and system are taken from QueryResponses.
        """
        responses: dict[str, PlistValue] = {
            "ProductName": "iPad13,4",
            "ModelName": "iPad Pro",
            "SerialNumber": "DMPXXXXXXXXX",
            "OSVersion": "18.1",
            "UDID": "x",
        }
        found = device_information_of({"QueryResponses": responses, "Status": "Acknowledged"})
        expected = DeviceInformation("ipados", "DMPXXXXXXXXX", "iPad Pro", "18.1")
        self.assertEqual(found, expected)

    def test_not_asked(self) -> None:
        """
        What is absent or odd is empty.
        """
        nothing = DeviceInformation("", "", "", "")
        contents: tuple[dict[str, PlistValue], ...] = (
            {},
            {"QueryResponses": []},
            {"QueryResponses": {"OSVersion": 15, "SerialNumber": b"x"}},
        )
        for content in contents:
            self.assertEqual(device_information_of(content), nothing)

    def test_platforms(self) -> None:
        """
        The platform follows from any of the names.
        """
        for names, platform in (
            (("Mac14,7", ""), "macos"),
            (("", "MacBook Pro"), "macos"),
            (("iPhone15,2",), "ios"),
            (("iPod9,1",), "ios"),
            (("iPad13,4", "iPad"), "ipados"),
            (("AppleTV14,1",), ""),
            ((), ""),
        ):
            self.assertEqual(platform_of(*names), platform)

    @given(st.dictionaries(st.sampled_from(("ModelName", "OSVersion", "Model")), _ANY))
    def test_any_responses(self, responses: dict[str, PlistValue]) -> None:
        """
        Whatever a device answers, it is short printable text.
        """
        found = device_information_of({"QueryResponses": responses})
        for text in (found.platform, found.serial_number, found.model, found.os_version):
            self.assertLessEqual(len(text), 255)
            self.assertTrue(text.isprintable())
