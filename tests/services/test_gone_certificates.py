"""
Tests of certificates that are surely not on their device any more: they excuse no failure.
"""

from __future__ import annotations

import plistlib
from dataclasses import replace
from hashlib import sha256

from twisted.trial.unittest import SynchronousTestCase

from scepd.model import HostProfile, Profile
from scepd.profiles.certificate_candidates import CandidateCertificate
from scepd.services.verification_inventory import Inventory
from tests.storage import records
from tests.storage.inline import InlineDatabase
from tests.support.at_once import at_once
from tests.support.fake_mdm_world import chain_item
from tests.support.lifecycle_world import SCEP, LifecycleWorld, new_certificate

_DAY = 86400


def for_user(profile: Profile) -> Profile:
    """
    The same profile for the user of a device.
    """
    content = plistlib.dumps(plistlib.loads(profile.content) | {"PayloadScope": "User"})
    digest = sha256(content).hexdigest()
    return replace(profile, content=content, scope="User", sha256=digest)


class GoneTests(SynchronousTestCase):
    """
    A device that had a certificate, and whose deliveries fail from then on.
    """

    def setUp(self) -> None:
        """
        A device is enrolled.
        """
        database = InlineDatabase()
        self.addCleanup(database.engine.dispose)
        self.world = LifecycleWorld(database)
        self.world.add_authority()

    def enroll(self, profile: Profile = SCEP) -> None:
        """
        A device should have a profile.
        """
        self.profile = profile
        activity = records.activity(profile.uuid, at=self.world.now)
        at_once(self.world.stores.profiles.add_profile(profile, activity))
        self.world.authenticate("H-1")
        self.world.update_token("H-1")

    def deliver(self, user: str = "") -> CandidateCertificate:
        """
        It gets the profile and a certificate.
        """
        self.world.tick()
        offer = self.world.poll("H-1", user)
        assert offer is not None
        self.world.ask_authority("H-1", "SUCCESS")
        self.world.clock.advance(5)
        self.world.answer("H-1", offer, "Acknowledged")
        return replace(new_certificate("H-1", 1, self.world.now), sha256="ab" * 32)

    def take(self, inventory: Inventory) -> None:
        """
        It tells what it has.
        """
        at_once(self.world.verification.take("H-1", inventory))

    def fail_daily(self, times: int, user: str = "") -> HostProfile:
        """
        Each delivery of the next days fails; how the assignment stands then.
        """
        for number in range(times):
            self.world.clock.advance(_DAY)
            self.world.tick()
            offer = self.world.poll("H-1", user)
            if offer is not None:
                self.world.ask_authority("H-1", "FAILURE", f"key-{number}")
                self.world.answer("H-1", offer, "Error", chain_item())
        return self.row()

    def row(self) -> HostProfile:
        """
        The assignment.
        """
        row = self.world.row("H-1", self.profile.uuid)
        assert row is not None
        return row

    def expires(self) -> bool:
        """
        Whether the assignment is said to have a certificate that expires.
        """
        return bool(self.world.certificates("H-1"))

    def test_user_left(self) -> None:
        """
        With a user goes the certificate.
        """
        self.enroll(for_user(SCEP))
        self.world.open_channel("H-1", "ann")
        certificate = self.deliver("ann")
        listed = [(SCEP.identifier, self.world.now)]
        self.take(Inventory([], [certificate], "osquery", listed))
        self.assertEqual(self.row().status, "verified")
        self.world.end_channel("H-1", "ann")
        self.assertFalse(self.expires())
        self.world.open_channel("H-1", "bob")
        self.assertEqual(self.fail_daily(5, "bob").status, "failed")

    def test_agent_lacks_both(self) -> None:
        """
        An agent that showed profile and certificate shows neither.
        """
        self.enroll()
        certificate = self.deliver()
        self.take(Inventory([(SCEP.identifier, self.world.now)], [certificate], "osquery"))
        self.world.clock.advance(_DAY)
        self.take(Inventory([], [], "osquery"))
        self.assertFalse(self.expires())
        self.assertEqual(self.fail_daily(5).status, "failed")

    def test_device_lacks_both(self) -> None:
        """
        A device that listed profile and certificate lists neither, one after the other.
        """
        self.enroll()
        certificate = self.deliver()
        self.take(Inventory([(SCEP.identifier, None)], None, "MDM"))
        self.take(Inventory(None, [certificate], "MDM"))
        self.assertEqual(self.row().status, "verified")
        self.world.clock.advance(_DAY)
        self.take(Inventory([], None, "MDM"))
        self.assertTrue(self.expires())
        self.world.tick()
        self.take(Inventory(None, [], "MDM"))
        self.assertFalse(self.expires())
        self.assertEqual(self.fail_daily(5).status, "failed")

    def test_device_lacks_certificate(self) -> None:
        """
        A device that listed the certificate lists it no more, and the profile still.
        """
        self.enroll()
        certificate = self.deliver()
        self.take(Inventory([(SCEP.identifier, None)], [certificate], "MDM"))
        self.world.clock.advance(_DAY)
        self.take(Inventory([(SCEP.identifier, None)], [], "MDM"))
        self.assertFalse(self.expires())
        self.assertEqual(self.fail_daily(5).status, "failed")

    def test_unsure(self) -> None:
        """
        What one list lacks that is not whole, never showed the certificate, or is of an agent that
        still lists the profile, may be there.
        """
        self.enroll()
        certificate = self.deliver()
        self.take(Inventory([(SCEP.identifier, self.world.now)], [certificate], "osquery"))
        self.world.clock.advance(_DAY)
        self.world.resend("H-1", SCEP.uuid)
        self.world.tick()
        for inventory in (
            Inventory([], None, "osquery"),
            Inventory([], [], "osquery", unreadable=1),
            Inventory([(SCEP.identifier, self.world.now)], [], "osquery"),
            Inventory(None, [], "MDM", unreadable=1),
        ):
            self.take(inventory)
            self.assertTrue(self.expires())
        row = self.fail_daily(5)
        self.assertEqual(row.status, "pending")
        self.assertIn("renewing (", row.detail)

    def test_agent_vouches(self) -> None:
        """
        What the agent shows is there, though the device does not list it.
        """
        self.enroll()
        certificate = self.deliver()
        self.take(Inventory([(SCEP.identifier, None)], [certificate], "MDM"))
        self.world.clock.advance(_DAY)
        listed = [(SCEP.identifier, self.world.now)]
        self.take(Inventory(listed, [replace(certificate, sha256="")], "osquery"))
        self.take(Inventory([], [], "MDM"))
        self.assertEqual(self.row().status, "pending")
        self.assertTrue(self.expires())

    def test_renewal_goes_on(self) -> None:
        """
        While the certificate is listed, a renewal is tried without end.
        """
        self.enroll()
        certificate = self.deliver()
        self.take(Inventory([(SCEP.identifier, None)], [certificate], "MDM"))
        self.world.resend("H-1", SCEP.uuid)
        for _ in range(5):
            self.fail_daily(1)
            self.take(Inventory(None, [certificate], "MDM"))
        row = self.row()
        self.assertEqual(row.status, "pending")
        self.assertIn("renewing (", row.detail)
