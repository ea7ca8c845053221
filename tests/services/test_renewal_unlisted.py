"""
Tests of the renewal of certificates that were seen, though their profile was never listed.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from scepd.profiles.certificate_candidates import CandidateCertificate
from scepd.services.verification_inventory import Inventory
from tests.storage.inline import InlineDatabase
from tests.support.at_once import at_once
from tests.support.lifecycle_world import SCEP, LifecycleWorld, new_certificate

_DAY = 86400


class UnlistedTests(SynchronousTestCase):
    """
    A device that tells of its certificates, and never of its profiles.
    """

    def setUp(self) -> None:
        """
        It is enrolled.
        """
        database = InlineDatabase()
        self.addCleanup(database.engine.dispose)
        self.world = LifecycleWorld(database)
        self.world.add_authority()
        self.world.add_profiles()
        self.world.authenticate("H-1")
        self.world.update_token("H-1")
        self.certificates: list[CandidateCertificate] = []

    def deliver(self) -> bool:
        """
        What is due is delivered; tell whether anything was.
        """
        self.world.tick()
        offer = self.world.poll("H-1")
        if offer is None:
            return False
        number = len(self.certificates)
        self.world.ask_authority("H-1", "SUCCESS", f"key-{number}")
        self.certificates.append(new_certificate("H-1", number, self.world.now))
        self.world.clock.advance(1)
        self.world.answer("H-1", offer, "Acknowledged")
        return True

    def take(self) -> None:
        """
        The agent lists the certificates.
        """
        inventory = Inventory(None, list(self.certificates), "osquery")
        at_once(self.world.verification.take("H-1", inventory))

    def days_of_deliveries(self, days: int, *, sees: bool) -> list[int]:
        """
        The days of so many on which something was delivered.

        :param sees: whether the agent goes on listing certificates.
        """
        found = []
        for day in range(days):
            if sees:
                self.take()
            self.world.clock.advance(_DAY)
            self.world.renew()
            if self.deliver():
                found.append(day)
        return found

    def test_renewed(self) -> None:
        """
        Each certificate of 90 days is renewed about 30 days before it ends, once.
        """
        self.deliver()
        days = self.days_of_deliveries(200, sees=True)
        self.assertEqual(len(days), 3)
        for before, after in zip([0, *days], days, strict=False):
            self.assertTrue(50 <= after - before <= 67, days)

    def test_unseen(self) -> None:
        """
        A renewal whose certificate was not seen yet is not renewed again because of the old one.
        """
        self.deliver()
        self.take()
        days = self.days_of_deliveries(200, sees=False)
        self.assertEqual(len(days), 1)
        row = self.world.row("H-1", SCEP.uuid)
        assert row is not None
        self.assertEqual(row.status, "verifying")
