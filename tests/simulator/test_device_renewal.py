"""
Tests for a simulated device that renews its certificates by itself.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from scepd.scep.attributes import MessageType
from scepd.simulator.device import SimulatedDevice
from scepd.simulator.failures import DeviceError
from tests.simulator.scep_case import SleptClock, serving
from tests.simulator.server import ENROLL_URL, HARDWARE, command, profile
from tests.support.authority_double import AuthorityDouble


class RenewalTests(SynchronousTestCase):
    """
    Tests for renew_identity and renew_profile.
    """

    def setUp(self) -> None:
        """
        Make a device that is enrolled, and has a profile.
        """
        self.authority, self.clock = AuthorityDouble(), SleptClock()
        self.server = serving(self.authority)
        self.device = SimulatedDevice(HARDWARE, self.server.http(), waiting=self.clock.waiting)
        self.device.enroll(ENROLL_URL)
        self.server.commands = [command("InstallProfile", Payload=profile())]
        self.device.poll()
        self.authority.received.clear()
        self.server.messages.clear()

    def _types(self) -> list[str]:
        return [each.message_type for each in self.authority.received]

    def test_identity(self) -> None:
        """
        The old identity signs the request, the new one the next message.
        """
        old = self.device.identity
        self.device.renew_identity()
        self.device.renew_identity(MessageType.PKCS_REQ)
        self.assertEqual(self._types(), ["17", "19"])
        self.assertEqual(old and old.certificate, self.authority.received[0].signer)
        self.device.authenticate()
        self.assertEqual(self.server.messages[0][1], self.authority.issued[-1])

    def test_profile(self) -> None:
        """
        The profile has the new certificate, of a new key; the old one stays in the keychain.
        """
        (old,) = self.device.keychain.identities
        self.authority.pending = 1
        self.device.renew_profile("com.example.wifi")
        self.assertEqual(self._types(), ["17", "20"])
        held = self.device.keychain.profiles["com.example.wifi"]
        self.assertEqual(held.identities[0].certificate, self.authority.issued[-1])
        self.assertNotEqual(held.identities[0].summary.public_key(), old.summary.public_key())
        self.assertEqual(self.device.keychain.identities, [old, *held.identities])

    def test_refused(self) -> None:
        """
        What the authority refuses changes nothing.
        """
        before = (self.device.identity, self.device.keychain.profiles["com.example.wifi"])
        self.authority.refusal = ("2", None)
        self.assertRaises(DeviceError, self.device.renew_identity)
        self.assertRaises(DeviceError, self.device.renew_profile, "com.example.wifi")
        after = (self.device.identity, self.device.keychain.profiles["com.example.wifi"])
        self.assertEqual(before, after)

    def test_nothing_there(self) -> None:
        """
        Without an enrollment, or without the profile, there is nothing to renew.
        """
        self.assertRaises(DeviceError, self.device.renew_profile, "com.example.other")
        bare = SimulatedDevice(HARDWARE, self.server.http())
        self.assertRaises(DeviceError, bare.renew_identity)
        self.assertEqual(self.authority.received, [])
