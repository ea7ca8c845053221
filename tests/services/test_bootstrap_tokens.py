"""
Tests for the bootstrap tokens of Macs.
"""

from __future__ import annotations

import plistlib

from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import LimitExceeded, SecretUnreadable, StorageUnavailable
from scepd.model import Activity, bootstrap_place
from scepd.pki.keyring import Keyring
from scepd.services.bootstrap_tokens import LARGEST_TOKEN
from scepd.services.checkin_identity import DeviceRefused
from tests.support.fake_mdm_world import KEYRING, NOW, MDMWorld, check_in
from tests.support.pki import party

SECRET = b"secret-bootstrap-token"


class BootstrapTokenTests(SynchronousTestCase):
    """
    Tests for SetBootstrapToken and GetBootstrapToken.
    """

    def setUp(self) -> None:
        """
        Enroll a Mac.
        """
        self.world = MDMWorld()
        self.world.enroll()
        self.store = self.world.bootstrap_tokens

    def set(self, token: bytes | None = SECRET) -> None:
        """
        Hand a token over.
        """
        more = {} if token is None else {"BootstrapToken": token}
        sent = self.world.send(check_in("SetBootstrapToken", "UDID-1", **more))
        self.assertEqual(self.successResultOf(sent), b"")

    def get(self) -> bytes:
        """
        Ask for it.
        """
        return self.successResultOf(self.world.send(check_in("GetBootstrapToken")))

    def test_given_back(self) -> None:
        """
        A token is sealed for its place, and given back as it came.
        """
        self.set()
        sealed = self.store.tokens["UDID-1"]
        assert sealed is not None
        self.assertNotIn(SECRET, sealed.data)
        self.assertEqual(KEYRING.open(sealed, bootstrap_place("UDID-1")), SECRET)
        self.assertEqual(plistlib.loads(self.get()), {"BootstrapToken": SECRET})

    def test_audited(self) -> None:
        """
        Each time that it is given back is an activity.
        """
        self.set()
        self.get()
        self.get()
        done = Activity(NOW, "device", "read bootstrap token", "UDID-1")
        self.assertEqual(self.store.activities, [done, done])

    def test_none(self) -> None:
        """
        Without a token the answer has one of no length, and is no activity; so it is when it was
        taken back.
        """
        self.assertEqual(plistlib.loads(self.get()), {"BootstrapToken": b""})
        for nothing in (None, b""):
            self.set()
            self.set(nothing)
            self.assertEqual(plistlib.loads(self.get()), {"BootstrapToken": b""})
        self.assertEqual(self.store.activities, [])

    def test_not_in_logs(self) -> None:
        """
        It is in no log line.
        """
        with capturedLogs() as events:
            self.set()
            self.get()
        self.assertEqual(len(events), 2)
        self.assertNotIn("secret-bootstrap", repr(events))

    def test_long(self) -> None:
        """
        What is longer than any token is not kept.
        """
        long = check_in("SetBootstrapToken", BootstrapToken=bytes(LARGEST_TOKEN + 1))
        self.failureResultOf(self.world.send(long), LimitExceeded)
        self.assertEqual(self.store.tokens, {})

    def test_key_lost(self) -> None:
        """
        When the keyring has lost its key, the device is refused and the log tells it.
        """
        self.set()
        self.world.keyring = Keyring({"k2": bytes(32)})
        with capturedLogs() as events:
            sent = self.world.send(check_in("GetBootstrapToken"))
            self.failureResultOf(sent, SecretUnreadable)
        self.assertEqual(events[-1]["log_level"].name, "error")

    def test_stranger(self) -> None:
        """
        Nobody but the device itself gets it, or changes it.
        """
        self.set()
        stranger = party("CN=stranger", 1)
        self.world.issue(stranger)
        for kind in ("GetBootstrapToken", "SetBootstrapToken"):
            self.failureResultOf(self.world.send(check_in(kind), stranger), DeviceRefused)
        self.assertIsNotNone(self.store.tokens["UDID-1"])

    def test_storage_unavailable(self) -> None:
        """
        What was not stored is not confirmed.
        """
        self.store.broken = True
        sent = self.world.send(check_in("SetBootstrapToken", BootstrapToken=SECRET))
        self.failureResultOf(sent, StorageUnavailable)
