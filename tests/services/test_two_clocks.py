"""
Tests of two nodes whose clocks differ by seconds: what came before what is not told by them.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from scepd.profiles.certificate_candidates import CandidateCertificate
from scepd.services.verification_inventory import Inventory
from tests.storage.inline import InlineDatabase
from tests.support.at_once import at_once
from tests.support.lifecycle_world import NOT_FOUND, SCEP, LifecycleWorld, Offer, new_certificate

SKEW = 60
_HOUR = 3700


class TwoClocksTests(SynchronousTestCase):
    """
    One node hands over, and another one does all else.
    """

    def setUp(self) -> None:
        """
        A device is enrolled.
        """
        self.enroll()

    def enroll(self) -> None:
        """
        Begin with a database that is empty but for a device.
        """
        database = InlineDatabase()
        self.addCleanup(database.engine.dispose)
        self.world = LifecycleWorld(database)
        self.world.add_authority()
        self.world.add_profiles()
        self.world.authenticate("H-1")
        self.world.update_token("H-1")
        self.certificates: list[CandidateCertificate] = []

    def hand_over(self, skew: float) -> Offer | None:
        """
        A node whose clock is ahead by so many seconds hands over what is due.
        """
        self.world.tick()
        self.world.clock.advance(skew)
        offer = self.world.poll("H-1")
        self.world.clock.advance(-skew)
        return offer

    def deliver(self, skew: float) -> None:
        """
        A delivery brings a certificate.
        """
        offer = self.hand_over(skew)
        assert offer is not None
        number = len(self.certificates)
        self.world.clock.advance(3)
        self.world.ask_authority("H-1", "SUCCESS", f"key-{number}")
        self.certificates.append(new_certificate("H-1", number, self.world.now))
        self.world.clock.advance(1)
        self.world.answer("H-1", offer, "Acknowledged")

    def take(self, source: str = "MDM") -> None:
        """
        The device tells what it has.
        """
        listed = [(SCEP.identifier, None if source == "MDM" else self.world.now)]
        inventory = Inventory(listed, list(self.certificates), source)
        at_once(self.world.verification.take("H-1", inventory))

    def state(self) -> tuple[str, int]:
        """
        Status and failed attempts of the assignment.
        """
        row = self.world.row("H-1", SCEP.uuid)
        assert row is not None
        return row.status, row.attempts

    def test_certificate_stays(self) -> None:
        """
        A certificate that proved a delivery still proves it in later inventories, whichever clock
        was ahead.
        """
        for skew in (SKEW, 0, -SKEW):
            self.enroll()
            self.deliver(skew)
            for _ in range(5):
                self.world.clock.advance(2)
                self.take()
                self.assertEqual(self.state(), ("verified", 0))
                self.world.clock.advance(_HOUR)

    def test_older_certificate(self) -> None:
        """
        A certificate that was recorded before does not prove a later delivery, whichever clock was
        ahead.
        """
        for skew in (SKEW, 0, -SKEW):
            self.enroll()
            self.deliver(0)
            self.take("osquery")
            self.world.clock.advance(1)
            self.world.resend("H-1", SCEP.uuid)
            self.world.clock.advance(1)
            offer = self.hand_over(skew)
            assert offer is not None
            self.world.answer("H-1", offer, "Acknowledged")
            self.world.clock.advance(1)
            self.take()
            self.assertEqual(self.state(), ("verifying", 0))

    def test_outages(self) -> None:
        """
        An outage of the certificate authority counts as no attempt, whichever clock was ahead.
        """
        for skew in (5, 0, -5):
            self.enroll()
            for number in range(5):
                offer = self.next_offer(skew)
                self.world.clock.advance(2)
                self.world.ask_authority("H-1", "out", f"key-{number}")
                self.world.clock.advance(1)
                self.world.answer("H-1", offer, "Error", NOT_FOUND)
                self.assertEqual(self.state(), ("pending", 0))

    def test_outage_before(self) -> None:
        """
        An outage that an earlier delivery met is no excuse for a later one, whichever clock was
        ahead, and however soon the later one comes.
        """
        for skew in (SKEW, 0, -SKEW):
            self.enroll()
            offer = self.next_offer(0)
            self.world.ask_authority("H-1", "out", "key")
            self.world.answer("H-1", offer, "Error", NOT_FOUND)
            self.world.resend("H-1", SCEP.uuid)
            self.world.answer("H-1", self.next_offer(skew), "Error", NOT_FOUND)
            self.assertEqual(self.state(), ("pending", 1))

    def test_closed_window(self) -> None:
        """
        A refusal belongs to the delivery whose window was closed, whichever clock was ahead: to no
        later one, but to that one also when nothing is left of the window.
        """
        for skew in (SKEW, 0, -SKEW):
            self.enroll()
            first = self.next_offer(skew)
            self.world.ask_authority("H-1", "SUCCESS", "key")
            self.world.ask_authority("H-1", "SUCCESS", "another key")
            self.world.answer("H-1", first, "Error", NOT_FOUND)
            self.assertEqual(self.state(), ("pending", 0))
            self.world.resend("H-1", SCEP.uuid)
            second = self.next_offer(skew)
            self.world.answer("H-1", second, "NotNow")
            self.world.ask_authority("H-1", "SUCCESS", "key")
            self.world.answer("H-1", second, "Error", NOT_FOUND)
            self.assertEqual(self.state(), ("pending", 0))
            self.world.resend("H-1", SCEP.uuid)
            self.world.answer("H-1", self.next_offer(skew), "Error", NOT_FOUND)
            self.assertEqual(self.state(), ("pending", 1))

    def next_offer(self, skew: float) -> Offer:
        """
        What is handed over as soon as it is due.
        """
        for _ in range(200):
            offer = self.hand_over(skew)
            if offer is not None:
                return offer
            self.world.clock.advance(30)
        raise AssertionError("nothing is due")

    @settings(max_examples=15, deadline=None)
    @given(st.lists(st.integers(-SKEW, SKEW), min_size=1, max_size=4))
    def test_deliveries(self, skews: list[int]) -> None:
        """
        Each delivery is proved once and for all, though each is handed over by another node.
        """
        self.enroll()
        for number, skew in enumerate(skews):
            if number:
                self.world.clock.advance(1)
                self.world.resend("H-1", SCEP.uuid)
            self.deliver(skew)
            for _ in range(3):
                self.take()
                self.assertEqual(self.state(), ("verified", 0))
                self.world.clock.advance(_HOUR)
