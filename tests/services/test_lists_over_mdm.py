"""
Lists over MDM come one by one: what one of them misses is not proved by the next.
"""

from __future__ import annotations

import plistlib
from dataclasses import replace
from hashlib import sha256

from twisted.trial.unittest import SynchronousTestCase

from scepd.model import Profile
from scepd.profiles.certificate_candidates import CandidateCertificate
from scepd.services.verification_inventory import Inventory
from tests.storage import records
from tests.storage.inline import InlineDatabase
from tests.support.at_once import at_once
from tests.support.lifecycle_world import (
    MINE,
    SCEP,
    LifecycleWorld,
    channel_of,
    new_certificate,
)

HOST, USER = "H-1", "ann"
PAST_GRACE = 4000


class ListCase(SynchronousTestCase):
    """
    A device without an agent that got its profile and its certificate.

    :ivar profile: that profile.
    :ivar installed: identifiers of what it has.
    """

    scope = "System"

    def setUp(self) -> None:
        """
        Deliver the profile, and verify it.
        """
        database = InlineDatabase()
        self.addCleanup(database.engine.dispose)
        self.world = LifecycleWorld(database)
        self.world.add_authority()
        self.profile = _of_scope(SCEP, self.scope)
        activity = records.activity(SCEP.uuid, at=self.world.now)
        at_once(self.world.stores.profiles.add_profile(self.profile, activity))
        self.world.authenticate(HOST)
        self.world.update_token(HOST)
        self.world.open_channel(HOST, USER)
        self.certificates: list[CandidateCertificate] = []
        self.installed: list[str] = []
        self.deliver()
        self.ask()
        self.assertEqual(self.state(), ("verified", 0))

    def deliver(self, *, brings: bool = True) -> bool:
        """
        What is due is delivered; whether anything was.

        :param brings: whether profile and certificate are on the device then.
        """
        self.world.tick()
        offer = self.world.poll(HOST, USER if self.scope == "User" else "")
        if offer is None:
            return False
        self.world.ask_authority(HOST, "SUCCESS")
        if brings:
            number = int(self.world.clock.seconds())
            self.certificates = [new_certificate(HOST, number, self.world.now)]
            self.installed = [SCEP.identifier]
        self.world.clock.advance(5)
        self.world.answer(HOST, offer, "Acknowledged")
        return True

    def ask(self) -> None:
        """
        All lists come, in the order in which they are asked.
        """
        listed = [(identifier, None) for identifier in self.installed]
        is_of_user = self.scope == "User"
        self.take(Inventory([] if is_of_user else listed, None, "MDM"))
        self.take(Inventory(None, self.certificates, "MDM"))
        if is_of_user:
            self.take(Inventory(None, None, "MDM", listed))

    def take(self, inventory: Inventory) -> None:
        """
        One list comes.
        """
        self.world.clock.advance(1)
        at_once(self.world.verification.take(HOST, inventory))

    def state(self) -> tuple[str, int]:
        """
        Status and attempts.
        """
        row = self.world.row(HOST, SCEP.uuid)
        assert row is not None
        return row.status, row.attempts

    def later(self) -> None:
        """
        The grace is past.
        """
        self.world.clock.advance(PAST_GRACE)


class DeviceListTests(ListCase):
    """
    Tests with a profile of the device.
    """

    def test_profile_is_gone(self) -> None:
        """
        A profile that was removed by hand is delivered again, whatever certificates are left.
        """
        for certificates in (self.certificates, []):
            self.later()
            self.installed, self.certificates = [], list(certificates)
            self.ask()
            self.assertEqual(self.state(), ("pending", 1))
            self.assertTrue(self.deliver())
            self.ask()
            self.assertEqual(self.state(), ("verified", 0))

    def test_certificate_is_gone(self) -> None:
        """
        So is one whose certificate is gone.
        """
        self.later()
        self.certificates = []
        self.ask()
        self.assertEqual(self.state(), ("pending", 1))
        self.ask()
        self.assertEqual(self.state(), ("pending", 1))
        self.assertTrue(self.deliver())
        self.ask()
        self.assertEqual(self.state(), ("verified", 0))

    def test_fails_at_last(self) -> None:
        """
        A device that says that it has it, and has not, fails; it is verified once it shows both.
        """
        for attempts in (1, 2, 3, 4):
            self.later()
            self.installed, self.certificates = [], []
            self.ask()
            self.assertEqual(self.state()[1], attempts)
            self.deliver(brings=False)
        self.assertEqual(self.state(), ("failed", 4))
        self.ask()
        self.installed = [SCEP.identifier]
        self.ask()
        self.assertEqual(self.state(), ("failed", 4))
        self.certificates = [new_certificate(HOST, 9, self.world.now)]
        self.ask()
        self.assertEqual(self.state(), ("verified", 0))


class FailedTests(ListCase):
    """
    Tests with a profile of the device whose last delivery brought a certificate alone.
    """

    def test_recorded_certificate(self) -> None:
        """
        What was recorded of certificates proves nothing of what has failed: it must be shown again.
        """
        for _ in range(4):
            self.later()
            self.installed = []
            self.ask()
            self.deliver(brings=False)
            number = int(self.world.clock.seconds())
            self.certificates = [new_certificate(HOST, number, self.world.now)]
            self.ask()
        self.assertEqual(self.state(), ("failed", 4))
        self.installed, recorded, self.certificates = [SCEP.identifier], self.certificates, []
        self.take(Inventory([(SCEP.identifier, None)], None, "MDM"))
        self.assertEqual(self.state(), ("failed", 4))
        self.certificates = recorded
        self.ask()
        self.assertEqual(self.state(), ("verified", 0))


class UserListTests(DeviceListTests):
    """
    The same with a profile of a user, whose list comes after that of the certificates.
    """

    scope = "User"

    def test_profile_is_gone(self) -> None:
        """
        A user's profile that is gone is delivered again.
        """
        self.later()
        self.installed = []
        self.ask()
        self.assertEqual(self.state(), ("pending", 1))
        self.assertTrue(self.deliver())

    def test_fails_at_last(self) -> None:
        """
        What has failed is verified by the second round: in the first nothing had listed it before.
        """
        for _ in range(4):
            self.later()
            self.installed, self.certificates = [], []
            self.ask()
            self.deliver(brings=False)
        self.assertEqual(self.state(), ("failed", 4))
        self.installed = [SCEP.identifier]
        self.certificates = [new_certificate(HOST, 9, self.world.now)]
        self.ask()
        self.ask()
        self.assertEqual(self.state(), ("verified", 0))


class TwoUsersTests(SynchronousTestCase):
    """
    Two users of one Mac, and profiles that go by the one and by the other.
    """

    def test_other_user(self) -> None:
        """
        What one user's list lacks is not missing when it went to another one.
        """
        database = InlineDatabase()
        self.addCleanup(database.engine.dispose)
        world = LifecycleWorld(database)
        world.authenticate(HOST)
        world.set_label(HOST, wanted=True)
        world.update_token(HOST)
        world.open_channel(HOST, "ann")
        activity = records.activity(MINE.uuid, at=world.now)
        at_once(world.stores.profiles.add_profile(MINE, activity))
        world.tick()
        offer = world.poll(HOST, "ann")
        assert offer is not None
        world.answer(HOST, offer, "Acknowledged")
        world.open_channel(HOST, "bob")
        world.clock.advance(PAST_GRACE)
        listed = [(MINE.identifier, None)]
        for user, profiles, status in (
            ("bob", [], "verifying"),
            ("ann", listed, "verified"),
            ("bob", [], "verified"),
            ("ann", [], "pending"),
        ):
            channel = channel_of(HOST, user)
            inventory = Inventory(None, None, "MDM", profiles, user_channel=channel)
            at_once(world.verification.take(HOST, inventory))
            row = world.row(HOST, MINE.uuid)
            assert row is not None
            self.assertEqual(row.status, status, user)
            world.clock.advance(1)


def _of_scope(profile: Profile, scope: str) -> Profile:
    root = plistlib.loads(profile.content)
    content = plistlib.dumps(root | {"PayloadScope": scope})
    return replace(profile, content=content, scope=scope, sha256=sha256(content).hexdigest())
