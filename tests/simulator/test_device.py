"""
Tests for the simulated device's commands.
"""

from __future__ import annotations

import plistlib
from typing import Any

from cryptography import x509
from twisted.trial.unittest import SynchronousTestCase

from scepd.simulator.failures import DeviceError
from tests.simulator.server import (
    Server,
    command,
    profile,
)
from tests.support.pki import openssl_sign, party, require

_UDID = "0A1B2C3D-0000-4000-8000-00000000000F"


class CommandTests(SynchronousTestCase):
    """
    Tests for polling.
    """

    def setUp(self) -> None:
        """
        Enroll a device.
        """
        self.server = Server()
        self.device = self.server.enrolled()

    def _poll(self, *commands: bytes) -> list[dict[str, Any]]:
        """
        Let the device do commands; returns its results.
        """
        self.server.messages.clear()
        self.server.commands = list(commands)
        self.assertEqual(self.device.poll(), len(commands))
        idle, *results = [message for message, _ in self.server.messages]
        self.assertEqual(idle, {"UDID": _UDID, "Status": "Idle"})
        return results

    def _failed(self, result: dict[str, Any]) -> tuple[str, int, str]:
        self.assertEqual(result["Status"], "Error")
        (link,) = result["ErrorChain"]
        self.assertEqual(link["LocalizedDescription"], link["USEnglishDescription"])
        return link["ErrorDomain"], link["ErrorCode"], link["USEnglishDescription"]

    def test_idle(self) -> None:
        """
        Without commands there is nothing to report.
        """
        self.assertEqual(self._poll(), [])

    def test_install(self) -> None:
        """
        A profile, signed or not, is installed and acknowledged, and its steps are told.
        """
        require("openssl")
        steps: list[str] = []
        self.device._story = lambda step, _: steps.append(step)
        signed = openssl_sign(party("CN=signer", 1), profile(), "-nodetach")
        for payload in (profile(), signed):
            results = self._poll(command("InstallProfile", Payload=payload))
            expected = {"UDID": _UDID, "CommandUUID": "command-1", "Status": "Acknowledged"}
            self.assertEqual(results, [expected])
        self.assertEqual(steps, ["B12", "B25"] * 2)
        self.assertEqual(len(self.device.keychain.identities), 2)
        self.assertEqual(self.device.last_answer, b"")
        self.assertEqual(self.server.challenges, [b"challenge-of-the-profile"] * 2)

    def test_lists(self) -> None:
        """
        ProfileList and CertificateList tell everything that the device holds, MDM's own included.
        """
        _, listed, certificates = self._poll(
            command("InstallProfile", Payload=profile()),
            command("ProfileList"),
            command("CertificateList"),
        )
        rows = [
            (row["PayloadIdentifier"], row["PayloadUUID"], row["PayloadDisplayName"])
            for row in listed["ProfileList"]
        ]
        self.assertEqual(
            rows,
            [
                ("com.example.enroll", "A0000000-0000-4000-8000-000000000001", "Enrollment"),
                ("com.example.wifi", "B0000000-0000-4000-8000-000000000001", "Wi-Fi"),
            ],
        )
        found = certificates["CertificateList"]
        names = [(row["CommonName"], row["IsIdentity"]) for row in found]
        self.assertEqual(names, [("C02SIMULATED", True), ("C02SIMULATED WIFI", True)])
        newest = x509.load_der_x509_certificate(found[1]["Data"])
        self.assertEqual(newest, self.device.keychain.identities[0].summary)

    def test_partly(self) -> None:
        """
        Requests that are refused, or put off, are answered so as long as they are.
        """
        self.device.behaviour.refused_requests = frozenset({"CertificateList"})
        self.device.behaviour.late_requests = frozenset({"ProfileList"})
        refused, late = self._poll(command("CertificateList"), command("ProfileList"))
        self.assertEqual(self._failed(refused)[2], "CertificateList failed")
        self.assertEqual(late["Status"], "NotNow")
        self.device.behaviour.late_requests = frozenset()
        (listed,) = self._poll(command("ProfileList"))
        self.assertEqual(listed["Status"], "Acknowledged")

    def test_device_information(self) -> None:
        """
        What is asked for and known is told.
        """
        asked = ["SerialNumber", "OSVersion", "BuildVersion", "WiFiMAC"]
        (result,) = self._poll(command("DeviceInformation", Queries=asked))
        told = {"SerialNumber": "C02SIMULATED", "OSVersion": "15.1", "BuildVersion": "24B83"}
        self.assertEqual(result["QueryResponses"], told)

    def test_remove(self) -> None:
        """
        A profile is removed with its identity; the second time it is not found, as macOS says it.
        """
        remove = command("RemoveProfile", Identifier="com.example.wifi")
        install = command("InstallProfile", Payload=profile())
        _, first, second = self._poll(install, remove, remove)
        self.assertEqual(first["Status"], "Acknowledged")
        self.assertEqual(self._failed(second)[:2], ("MDMClientError", 89))
        self.assertEqual(self.device.keychain.identities, [])

    def test_unknown(self) -> None:
        """
        An unknown command is answered Error, and the next one is done.
        """
        first, second = self._poll(command("Dance"), command("ProfileList", "command-2"))
        self.assertEqual(
            self._failed(first),
            ("MCMDMErrorDomain", 12021, "“Dance” is not a valid request type."),
        )
        self.assertEqual((second["CommandUUID"], second["Status"]), ("command-2", "Acknowledged"))

    def test_not_now(self) -> None:
        """
        NotNow as often as told, then the profile is installed.
        """
        self.device.behaviour.not_now = 1
        first, second = self._poll(*[command("InstallProfile", Payload=profile())] * 2)
        self.assertEqual((first["Status"], second["Status"]), ("NotNow", "Acknowledged"))

    def test_refuse(self) -> None:
        """
        Error without a look at the profile, as often as told; the error is kept.
        """
        self.device.behaviour.refuse = 1
        (result,) = self._poll(command("InstallProfile", Payload=b"nonsense"))
        self.assertEqual(
            self._failed(result),
            ("MCInstallationErrorDomain", 4001, "the profile could not be installed"),
        )
        self.assertEqual(self.device.errors, ["the profile could not be installed"])

    def test_bad_profile(self) -> None:
        """
        A profile that makes no sense, or none at all, is answered Error.
        """
        for payload in (b"nonsense", profile(Keysize=7), b"", "text"):
            (result,) = self._poll(command("InstallProfile", Payload=payload))
            self.assertEqual(self._failed(result)[0], "MCInstallationErrorDomain")
        self.assertEqual(len(self.device.profiles), 1)

    def test_authority_fails(self) -> None:
        """
        The HTTP status of a SCEP answer and its words stand in the error.
        """
        self.server.replies["PKIOperation"] = (403, b"window is closed")
        (result,) = self._poll(command("InstallProfile", Payload=profile()))
        error = ("MCInstallationErrorDomain", 403, "POST: HTTP 403: window is closed")
        self.assertEqual(self._failed(result), error)

    def test_callbacks(self) -> None:
        """
        Callbacks come before anything is done and after everything is, before the result.
        """
        seen: list[tuple[int, int]] = []

        def look() -> None:
            seen.append((len(self.device.keychain.identities), len(self.server.messages)))

        self.device.behaviour.before_install = self.device.behaviour.after_install = look
        self._poll(command("InstallProfile", Payload=profile()))
        self.assertEqual(seen, [(0, 1), (1, 1)])

    def test_lost_result(self) -> None:
        """
        A result that is lost leaves the profile installed and the server without an answer; run
        again, there is a second key.
        """
        self.device.behaviour.lose_results = 1
        install = command("InstallProfile", Payload=profile())
        self.assertEqual(self._poll(install), [])
        self.assertEqual(len(self._poll(install)), 1)
        first, second = self.device.keychain.identities
        self.assertNotEqual(first.summary.public_key(), second.summary.public_key())

    def test_hold(self) -> None:
        """
        A profile that is held is neither installed nor answered, and any SCEP client can go on.
        """
        self.device.behaviour.hold = 1
        self.assertEqual(self._poll(command("InstallProfile", Payload=profile())), [])
        self.assertEqual(self.device.keychain.identities, [])
        assert self.device.received is not None
        (request,) = self.device.received.requests
        self.assertEqual(request.challenge, "challenge-of-the-profile")

    def test_hostile(self) -> None:
        """
        What is no command, and commands without end, are errors.
        """
        bodies = (b"<", b"bplist00", plistlib.dumps([]), plistlib.dumps({"CommandUUID": "x"}))
        for body in bodies:
            self.server.commands = [body]
            error = self.assertRaises(DeviceError, self.device.poll)
            self.assertIn("the command: ", str(error))
        endless = (200, command("ProfileList"))
        self.server.replies["/mdm/connect"] = endless
        self.assertIn("more than 1000", str(self.assertRaises(DeviceError, self.device.poll)))

    def test_names(self) -> None:
        """
        Names that XML can't carry do not spoil what the device tells.
        """
        root = plistlib.loads(profile())
        root["PayloadDisplayName"] = "a\x07b"
        binary = plistlib.dumps(root, fmt=plistlib.FMT_BINARY)
        results = self._poll(command("InstallProfile", Payload=binary), command("ProfileList"))
        self.assertEqual(results[1]["ProfileList"][1]["PayloadDisplayName"], "ab")
