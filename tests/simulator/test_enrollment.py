"""
Tests for the simulated device's enrollment, check-in, and renewal.
"""

from __future__ import annotations

import base64
import plistlib
from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from scepd.mdm.enrollment import build_enrollment_profile
from scepd.simulator.failures import DeviceError
from tests.simulator.server import (
    BASE,
    ENROLL_URL,
    ENROLLMENT,
    HARDWARE,
    Server,
    command,
    profile,
)
from tests.support.pki import openssl, require

_UDID = "0A1B2C3D-0000-4000-8000-00000000000F"


class EnrollmentTests(SynchronousTestCase):
    """
    Tests for enrollment and check-in.
    """

    def setUp(self) -> None:
        """
        Make the server.
        """
        self.server = Server()

    def test_enroll(self) -> None:
        """
        Profile, SCEP, Authenticate, TokenUpdate, in this order, and signed with the new identity.
        """
        device = self.server.device()
        device.enroll(ENROLL_URL)
        self.assertEqual(
            self.server.paths(),
            [
                "GET /mdm/enroll",
                "GET GetCACaps",
                "GET GetCACert",
                "POST PKIOperation",
                "PUT /mdm/checkin",
                "PUT /mdm/checkin",
            ],
        )
        identity = device.identity
        assert identity is not None
        self.assertEqual(identity.summary.subject.rfc4514_string(), "CN=C02SIMULATED")
        self.assertEqual(self.server.challenges, [b"challenge-of-the-enrollment"])
        self.assertEqual({by for _, by in self.server.messages}, {identity.certificate})
        token, magic = device.push_token.token, device.push_token.magic
        self.assertEqual(
            [message for message, _ in self.server.messages],
            [
                {
                    "MessageType": "Authenticate",
                    "Topic": "com.apple.mgmt.External.x",
                    "UDID": _UDID,
                    "SerialNumber": "C02SIMULATED",
                    "DeviceName": "A Mac",
                    "Model": "Mac16,1",
                    "ModelName": "MacBook Pro",
                    "ProductName": "Mac16,1",
                    "OSVersion": "15.1",
                    "BuildVersion": "24B83",
                },
                {
                    "MessageType": "TokenUpdate",
                    "Topic": "com.apple.mgmt.External.x",
                    "UDID": _UDID,
                    "AwaitingConfiguration": False,
                    "Token": token,
                    "PushMagic": magic,
                },
            ],
        )

    def test_signature(self) -> None:
        """
        OpenSSL verifies the signature of a message.
        """
        require("openssl")
        device, body = self.server.enrolled(), plistlib.dumps({"Status": "Idle"})
        device.put_raw(f"{BASE}/mdm/connect", body)
        signature = base64.b64decode(self.server.requests[-1].headers["Mdm-Signature"])
        verified = openssl(
            *("cms", "-verify", "-noverify", "-binary", "-inform", "DER", "-in", "signature"),
            *("-content", "body"),
            files={"signature": signature, "body": body},
        )
        self.assertEqual(verified, body)

    def test_check_out(self) -> None:
        """
        CheckOut bears the topic and the UDID.
        """
        self.server.enrolled().check_out()
        expected = {
            "MessageType": "CheckOut",
            "Topic": "com.apple.mgmt.External.x",
            "UDID": _UDID,
        }
        self.assertEqual(self.server.messages[0][0], expected)

    def test_not_enrolled(self) -> None:
        """
        A device without an enrollment can send nothing, and says so.
        """
        device = self.server.device()
        for step in (device.authenticate, device.check_out, device.poll):
            error = self.assertRaises(DeviceError, step)
            self.assertEqual(str(error), "the device is not enrolled")
        self.assertRaises(DeviceError, device.put_raw, BASE, b"")
        self.assertEqual((device.profiles, device.identities), ((), ()))

    def test_hostile_profile(self) -> None:
        """
        What is no enrollment profile is an error, and leaves the device as it was.
        """
        for content in (b"", b"\x30\x80", b"<plist>", profile(), plistlib.dumps([])):
            self.server.enrollment = content
            device = self.server.device()
            error = self.assertRaises(DeviceError, device.enroll, ENROLL_URL)
            self.assertIn("the enrollment profile: ", str(error))
            self.assertIsNone(device.identity)

    def test_refused(self) -> None:
        """
        A link that is used up is an error without its token.
        """
        body = b"token-of-the-enrollment is used up"
        self.server.replies["/mdm/enroll"] = (403, body)
        error = self.assertRaises(DeviceError, self.server.device().enroll, ENROLL_URL)
        self.assertEqual(str(error), "GET: HTTP 403: … is used up")

    def test_close(self) -> None:
        """
        Closing ends the connection of device and agent.
        """
        device = self.server.enrolled()
        agent = self.server.agent(device)
        device.close()
        agent.close()
        self.assertRaises(RuntimeError, device.poll)
        self.assertRaises(RuntimeError, agent.poll)


class RenewalTests(SynchronousTestCase):
    """
    Tests for a new enrollment profile that comes by command.
    """

    def setUp(self) -> None:
        """
        Enroll a device.
        """
        self.server = Server()
        self.device = self.server.enrolled()
        identity = self.device.identity
        assert identity is not None
        self.first = identity.certificate

    def _renew(self, content: bytes) -> list[tuple[str, bytes]]:
        """
        Hand over a profile; returns kind and signer of each message.
        """
        self.server.commands = [command("InstallProfile", Payload=content)]
        self.device.poll()
        return [
            (message.get("MessageType") or message["Status"], by)
            for message, by in self.server.messages
        ]

    def test_renewal(self) -> None:
        """
        The device authenticates with its new identity before it acknowledges; the keychain's
        identities, which are those of other profiles, stay.
        """
        messages = self._renew(self.server.enrollment)
        second = self.device.identities[0].certificate
        self.assertNotEqual(second, self.first)
        self.assertEqual(
            messages,
            [
                ("Idle", self.first),
                ("Authenticate", second),
                ("TokenUpdate", second),
                ("Acknowledged", second),
            ],
        )
        self.assertEqual(self.device.keychain.identities, [])

    def test_old_identity(self) -> None:
        """
        The acknowledgement can be signed with the old identity.
        """
        self.device.behaviour.old_identity = 1
        self.assertEqual(self._renew(self.server.enrollment)[-1], ("Acknowledged", self.first))

    def test_lost_identity(self) -> None:
        """
        A device that loses power with its new identity unused comes back with the old one.
        """
        self.device.behaviour.lose_identity = 1
        self.assertEqual(self._renew(self.server.enrollment), [("Idle", self.first)])
        self.server.messages.clear()
        kinds = [kind for kind, _ in self._renew(self.server.enrollment)]
        self.assertEqual(kinds, ["Idle", "Authenticate", "TokenUpdate", "Acknowledged"])

    def test_another_enrollment(self) -> None:
        """
        A profile of another identifier, server or topic is refused before SCEP is asked.
        """
        for changed in (
            replace(ENROLLMENT, identifier="other"),
            replace(ENROLLMENT, server_url="http://other.test"),
            replace(ENROLLMENT, topic="other"),
        ):
            last = self._renew(build_enrollment_profile(changed))[-1]
            self.assertEqual(last, ("Error", self.first))
        self.assertEqual(self.server.challenges, [])

    def test_refused(self) -> None:
        """
        When the server refuses the new identity, the old one is kept.
        """
        self.server.replies["/mdm/checkin"] = (400, b"no")
        self.assertEqual(self._renew(self.server.enrollment)[-1], ("Error", self.first))
        self.assertEqual(self.device.hardware, HARDWARE)
        self.assertEqual(self.device.identities[0].certificate, self.first)
