"""
Tests for commands.
"""

from __future__ import annotations

import contextlib
import datetime
import plistlib
from typing import TypeAlias

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import EncodingError, LimitExceeded, MessageError
from scepd.mdm.commands import (
    certificate_list,
    device_information,
    install_profile,
    parse_command,
    profile_list,
    raw_command,
    remove_profile,
)

Root: TypeAlias = "str | list[object] | dict[str, object]"
_HOSTILE = settings(max_examples=100, deadline=None, derandomize=True, database=None)


class BuildTests(SynchronousTestCase):
    """
    Tests for building commands; plistlib reads them.
    """

    def test_commands(self) -> None:
        """
        Every command is an XML property list with CommandUUID, RequestType and what it asks.
        """
        for body, command in (
            (
                install_profile("u", b"\x00<&>"),
                {"RequestType": "InstallProfile", "Payload": b"\x00<&>"},
            ),
            (remove_profile("u", "a.b"), {"RequestType": "RemoveProfile", "Identifier": "a.b"}),
            (profile_list("u"), {"RequestType": "ProfileList"}),
            (certificate_list("u"), {"RequestType": "CertificateList"}),
            (
                device_information("u", ["UDID"]),
                {"RequestType": "DeviceInformation", "Queries": ["UDID"]},
            ),
        ):
            self.assertTrue(body.startswith(b"<?xml"))
            self.assertEqual(plistlib.loads(body), {"CommandUUID": "u", "Command": command})

    def test_raw_command(self) -> None:
        """
        An operator's command gets our uuid, whole or as a bare Command; dates and data survive.
        """
        date = datetime.datetime(2026, 1, 2, 3, 4, 5)
        command = {"RequestType": "Settings", "Date": date, "Data": [b"x"], "Number": 1.5}
        whole = {"Command": command, "CommandUUID": "theirs", "RequestRequiresNetworkTether": True}
        for form in plistlib.PlistFormat:
            found = plistlib.loads(raw_command("ours", plistlib.dumps(whole, fmt=form)))
            self.assertEqual(found, {**whole, "CommandUUID": "ours"})
            found = plistlib.loads(raw_command("ours", plistlib.dumps(command, fmt=form)))
            self.assertEqual(found, {"Command": command, "CommandUUID": "ours"})

    def test_refused_raw_commands(self) -> None:
        """
        What is no property list with a request type is refused, and so is one above 1 MiB.
        """
        roots: list[Root] = [[], "x", {}, {"Command": {}}, {"Command": 5}, {"RequestType": 5}]
        for root in roots:
            with self.assertRaises(EncodingError):
                raw_command("u", plistlib.dumps(root))
        with self.assertRaises(EncodingError):
            raw_command("u", b"RequestType")
        control = plistlib.dumps({"RequestType": "X", "Y": "\x01"}, fmt=plistlib.FMT_BINARY)
        with self.assertRaises(EncodingError):
            raw_command("u", control)
        with self.assertRaises(LimitExceeded):
            raw_command("u", plistlib.dumps({"RequestType": "X", "Y": b"x" * 1_100_000}))


class ParseTests(SynchronousTestCase):
    """
    Tests for parse_command.
    """

    def test_command(self) -> None:
        """
        A device finds uuid, request type and content, in XML and binary form.
        """
        command = {"RequestType": "InstallProfile", "Payload": b"secret"}
        for form in plistlib.PlistFormat:
            body = plistlib.dumps({"CommandUUID": "u", "Command": command}, fmt=form)
            found = parse_command(body)
            self.assertEqual((found.uuid, found.request_type), ("u", "InstallProfile"))
            self.assertEqual((found.payload, found.identifier), (b"secret", ""))
            self.assertNotIn("secret", repr(found))

    def test_removal(self) -> None:
        """
        A RemoveProfile has an identifier, a DeviceInformation has queries.
        """
        self.assertEqual(parse_command(remove_profile("u", "a.b")).identifier, "a.b")
        self.assertEqual(parse_command(device_information("u", ["A", "B"])).queries, ("A", "B"))
        self.assertEqual(parse_command(profile_list("u")).queries, ())
        self.assertIsNone(parse_command(profile_list("u")).payload)

    def test_large_profile(self) -> None:
        """
        A profile of 16 MiB fits into a command.
        """
        payload = b"x" * (16 * 1024 * 1024)
        self.assertEqual(parse_command(install_profile("u", payload)).payload, payload)

    def test_refused(self) -> None:
        """
        A command without uuid or request type is refused.
        """
        roots: list[Root] = [[], {}, {"CommandUUID": "u"}, {"CommandUUID": "u", "Command": {}}]
        for root in roots:
            with self.assertRaises(EncodingError):
                parse_command(plistlib.dumps(root))
        with self.assertRaises(EncodingError):
            parse_command(plistlib.dumps({"Command": {"RequestType": "X"}}))

    @_HOSTILE
    @given(st.data())
    def test_mutations(self, data: st.DataObject) -> None:
        """
        A command with one octet changed is read or refused, by the device and for an operator.
        """
        body = bytearray(remove_profile("u", "a.b"))
        body[data.draw(st.integers(0, len(body) - 1))] ^= data.draw(st.integers(1, 255))
        for read in (parse_command, lambda each: raw_command("u", each)):
            with contextlib.suppress(MessageError):
                read(bytes(body))
