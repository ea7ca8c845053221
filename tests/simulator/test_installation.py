"""
Tests for profiles as a simulated device reads and installs them.
"""

from __future__ import annotations

import plistlib
from datetime import UTC, datetime

from twisted.trial.unittest import SynchronousTestCase

from scepd.simulator.failures import DeviceError
from scepd.simulator.installation import install, read_profile
from scepd.simulator.keychain import InstalledProfile, Keychain
from scepd.simulator.patience import Waiting
from scepd.simulator.push_address import PushToken
from scepd.simulator.subjects import subject_of
from tests.simulator.server import HARDWARE, Server, configuration, profile
from tests.support.pki import openssl_sign, party, require

_VARIABLES = HARDWARE.apple_variables
_AT = datetime(2026, 5, 1, 12, tzinfo=UTC)


class ReadTests(SynchronousTestCase):
    """
    Tests for read_profile.
    """

    def test_content(self) -> None:
        """
        All that another SCEP client needs is there, and no secret is in the repr.
        """
        found = read_profile(profile(), _VARIABLES)
        self.assertEqual(
            (found.identifier, found.display_name, found.uuid, found.is_enrollment),
            ("com.example.wifi", "Wi-Fi", "B0000000-0000-4000-8000-000000000001", False),
        )
        (request,) = found.requests
        self.assertEqual(
            (request.url, request.challenge, request.key_bits),
            ("http://scepd.test/scep", "challenge-of-the-profile", 1024),
        )
        self.assertEqual(request.subject.rfc4514_string(), "OU=fleet-a1,CN=C02SIMULATED WIFI")
        self.assertNotIn("challenge-of", repr(found))

    def test_defaults(self) -> None:
        """
        Challenge and Keysize may be left out, and so may the display name.
        """
        (request,) = read_profile(profile(Challenge=None, Keysize=None), _VARIABLES).requests
        self.assertEqual((request.challenge, request.key_bits), ("", 1024))
        found = read_profile(configuration(PayloadDisplayName=""), _VARIABLES)
        self.assertEqual(found.display_name, "com.example.wifi")

    def test_signed(self) -> None:
        """
        A profile in a signature of OpenSSL's is read, and so is a binary one.
        """
        require("openssl")
        plain = read_profile(profile(), _VARIABLES)
        signed = openssl_sign(party("CN=signer", 1), profile(), "-nodetach")
        self.assertEqual(read_profile(signed, _VARIABLES), plain)
        binary = plistlib.dumps(plistlib.loads(profile()), fmt=plistlib.FMT_BINARY)
        self.assertEqual(read_profile(binary, _VARIABLES), plain)

    def test_no_profile(self) -> None:
        """
        What is no configuration profile is refused.
        """
        contents = (
            b"",
            b"\x30\x03",
            b"bplist00",
            plistlib.dumps(["a"]),
            plistlib.dumps("a"),
            configuration(PayloadType="Other"),
            configuration(PayloadIdentifier=7),
            configuration(PayloadIdentifier=""),
            configuration(PayloadContent="text"),
            configuration(PayloadContent={}),
            configuration({"PayloadType": "com.apple.security.scep"}),
        )
        for content in contents:
            self._refused(content)

    def test_scep_payload(self) -> None:
        """
        A SCEP payload with values that make no sense is refused, and no secret is told.
        """
        changes: list[dict[str, object]] = [
            {"URL": None},
            {"URL": 7},
            {"Challenge": 7},
            {"Keysize": "1024"},
            {"Key Type": "EC"},
            {"Subject": None},
        ]
        for change in changes:
            self.assertNotIn("challenge-of", str(self._refused(profile(**change))))

    def _refused(self, content: bytes) -> DeviceError:
        error: DeviceError = self.assertRaises(DeviceError, read_profile, content, _VARIABLES)
        self.assertEqual((error.number, error.domain), (1000, "MCInstallationErrorDomain"))
        return error


class SubjectTests(SynchronousTestCase):
    """
    Tests for subject_of.
    """

    def test_variables(self) -> None:
        """
        Apple's variables are filled in, unknown ones stay; RDNs of several attributes and OIDs do.
        """
        spelled = [
            [["C", "US"]],
            [["CN", "%SerialNumber%-%HardwareUUID%-%Other%"], ["2.5.4.5", "100%"]],
        ]
        name = subject_of(spelled, {"SerialNumber": "S", "HardwareUUID": "U"})
        self.assertEqual(name.rfc4514_string(), "CN=S-U-%Other%+2.5.4.5=100%,C=US")

    def test_refused(self) -> None:
        """
        Other shapes, and types and values that no name can have, are refused; values stay untold.
        """
        spellings: tuple[object, ...] = (
            None,
            [],
            "CN",
            ["CN"],
            [["CN"]],
            [[]],
            [[["CN", "x", "y"]]],
            [[["CN", 1]]],
            [[[1, 2, "CN", "x"]]],
            [[["nonsense", "secret"]]],
            [[["1.2.x", "secret"]]],
            [[["C", "secret"]]],
            [[["CN", ""]]],
            [[["CN", "secret"], ["CN", "secret"]]],
            [[["CN", "\ud800"]]],
        )
        for spelled in spellings:
            error = self.assertRaises(DeviceError, subject_of, spelled, {})
            self.assertNotIn("secret", str(error))


class InstallTests(SynchronousTestCase):
    """
    Tests for install and the keychain.
    """

    def test_install(self) -> None:
        """
        The SCEP payload's certificate is there, and the making of the key is told.
        """
        told: list[tuple[str, str]] = []
        found = read_profile(profile(), _VARIABLES)
        installed = install(
            found,
            Server().http(),
            Waiting(lambda: _AT),
            lambda step, text: told.append((step, text)),
        )
        (identity,) = installed.identities
        subject = identity.summary.subject.rfc4514_string()
        self.assertEqual(subject, "OU=fleet-a1,CN=C02SIMULATED WIFI")
        self.assertEqual(identity.key.key_size, 1024)
        self.assertEqual(installed.installed_at, _AT)
        self.assertEqual(told, [("B12", "private key of 1024 bits made on the device")])

    def test_keychain(self) -> None:
        """
        A profile that is installed again replaces its predecessor, whose identity stays; removal
        takes the profile and its identity.
        """
        found = read_profile(profile(), _VARIABLES)
        first, second = (
            install(found, Server().http(), Waiting(lambda: _AT), lambda *_: None) for _ in range(2)
        )
        keychain = Keychain()
        keychain.install(first)
        keychain.install(second)
        self.assertEqual(list(keychain.profiles.values()), [second])
        self.assertEqual(keychain.identities, [*first.identities, *second.identities])
        self.assertTrue(keychain.remove("com.example.wifi"))
        self.assertFalse(keychain.remove("com.example.wifi"))
        self.assertEqual(keychain.identities, list(first.identities))

    def test_no_payloads(self) -> None:
        """
        A profile without SCEP payloads is installed without an identity.
        """
        found = read_profile(configuration({"PayloadType": "other"}), _VARIABLES)
        installed = install(found, Server().http(), Waiting(lambda: _AT), lambda *_: None)
        self.assertEqual(
            installed,
            InstalledProfile(
                "com.example.wifi", "Wi-Fi", _AT, uuid="B0000000-0000-4000-8000-000000000001"
            ),
        )

    def test_push_token(self) -> None:
        """
        Push tokens differ, have 32 octets, and stay out of the repr.
        """
        one, other = PushToken.make(), PushToken.make()
        self.assertNotEqual((one.token, one.magic), (other.token, other.magic))
        self.assertEqual(len(one.token), 32)
        self.assertEqual(repr(one), "PushToken()")
