"""
What was found out about an assignment that has changed meanwhile counts no more: an operator, a
device or a certificate authority was faster than an inventory, or than the processor.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from scepd.profiles.certificate_candidates import CandidateCertificate
from scepd.services.verification_inventory import Inventory
from scepd.storage.delivery import SQLDeliveryStore
from scepd.storage.verification import SQLVerificationStore
from tests.storage.inline import InlineDatabase
from tests.support.at_once import at_once
from tests.support.lifecycle_world import (
    PLAIN,
    SCEP,
    LifecycleWorld,
    Offer,
    new_certificate,
)

HOST = "H-1"
HOUR = 3600


class JudgementCase(SynchronousTestCase):
    """
    A host that should have all profiles.
    """

    def setUp(self) -> None:
        """
        Enroll it.
        """
        database = InlineDatabase()
        self.addCleanup(database.engine.dispose)
        self.world = LifecycleWorld(database)
        self.world.add_authority()
        self.world.add_profiles()
        self.world.authenticate(HOST)
        self.world.set_label(HOST, wanted=True)
        self.world.update_token(HOST)

    def deliver(self) -> CandidateCertificate:
        """
        Everything that is due is delivered; the certificate that came by it.
        """
        self.world.tick()
        while (offer := self.world.poll(HOST)) is not None:
            if offer.identifier == SCEP.identifier:
                self.world.ask_authority(HOST, "SUCCESS")
                certificate = new_certificate(HOST, int(self.world.clock.seconds()), self.world.now)
            self.world.clock.advance(5)
            self.world.answer(HOST, offer, "Acknowledged")
        self.world.clock.advance(30)
        return certificate

    def status(self, profile_uuid: str = SCEP.uuid) -> str:
        """
        How far a profile is.
        """
        row = self.world.row(HOST, profile_uuid)
        assert row is not None
        return row.status

    def offered(self) -> list[str]:
        """
        What the device is offered within a day.
        """
        found: list[Offer] = []
        for _ in range(24):
            self.world.clock.advance(HOUR)
            self.world.tick()
            while (offer := self.world.poll(HOST)) is not None:
                found.append(offer)
                self.world.answer(HOST, offer, "Acknowledged")
        return [one.identifier for one in found]

    def meanwhile(self, store: type, name: str, event: Callable[[], object]) -> None:
        """
        Let something happen, once, right before a method of a store begins.
        """
        real = getattr(store, name)
        happened: list[bool] = []

        async def interrupted(*arguments: Any, **more: Any) -> Any:
            if not happened:
                happened.append(True)
                self.world.clock.advance(0.05)
                event()
            return await real(*arguments, **more)

        self.patch(store, name, interrupted)


class InventoryTests(JudgementCase):
    """
    An inventory that shows all was read, and is being compared with what was delivered.
    """

    def take(self, event: Callable[[], object]) -> None:
        """
        The inventory comes; meanwhile something happens.
        """
        certificate = self.deliver()
        self.meanwhile(SQLVerificationStore, "prove", event)
        installed: list[tuple[str, datetime]] = [
            (profile.identifier, self.world.now) for profile in (SCEP, PLAIN)
        ]
        self.world.take_inventory(HOST, installed, [certificate])

    def test_content(self) -> None:
        """
        New content is delivered all the same; the other profile is proved.
        """
        self.take(lambda: self.world.replace(SCEP, 2))
        self.assertEqual((self.status(), self.status(PLAIN.uuid)), ("pending", "verified"))
        self.assertIn(SCEP.identifier, self.offered())

    def test_old_certificate_proves_nothing_new(self) -> None:
        """
        The certificate that was there before counts as known, though the content is new.
        """
        self.take(lambda: self.world.replace(SCEP, 2))
        (known,) = self.world.certificates(HOST)
        self.world.tick()
        offer = self.world.poll(HOST)
        assert offer is not None
        self.world.ask_authority(HOST, "SUCCESS")
        self.world.answer(HOST, offer, "Acknowledged")
        (delivery,) = [
            one
            for one in at_once(self.world.stores.verification.deliveries(HOST))
            if one.profile_uuid == SCEP.uuid
        ]
        self.assertIn(known.sha1, delivery.known_sha1s)

    def test_resent(self) -> None:
        """
        So is what an operator re-sends.
        """
        self.take(lambda: self.world.resend(HOST, SCEP.uuid))
        self.assertEqual(self.status(), "pending")
        self.assertIn(SCEP.identifier, self.offered())

    def test_wiped(self) -> None:
        """
        A device that enrolls again gets everything, and no certificate of before is recorded.
        """

        def wipe() -> None:
            self.world.authenticate(HOST)
            self.world.update_token(HOST)

        self.take(wipe)
        self.assertEqual((self.status(), self.status(PLAIN.uuid)), ("pending", "pending"))
        self.assertEqual(self.world.certificates(HOST), [])
        offered = self.offered()
        self.assertTrue({SCEP.identifier, PLAIN.identifier} <= set(offered))

    def test_removed(self) -> None:
        """
        What the host should have no more stays in its removal.
        """
        self.take(lambda: self.world.set_label(HOST, wanted=False))
        row = self.world.row(HOST, PLAIN.uuid)
        assert row is not None
        self.assertEqual((row.operation, row.status), ("remove", "pending"))

    def test_listed(self) -> None:
        """
        A list over MDM of what was there before another delivery doesn't show that one.
        """

        def deliver_again() -> None:
            self.world.resend(HOST, SCEP.uuid)
            self.deliver()

        self.deliver()
        self.meanwhile(SQLVerificationStore, "prove", deliver_again)
        inventory = Inventory([(SCEP.identifier, None)], None, "MDM")
        at_once(self.world.verification.take(HOST, inventory))
        for delivery in at_once(self.world.stores.verification.deliveries(HOST)):
            self.assertEqual((delivery.status, delivery.listed_at), ("verifying", None))


class ProcessorTests(JudgementCase):
    """
    The processor found that something is missing, and is about to store that.
    """

    def test_fact(self) -> None:
        """
        The fact comes just then.
        """
        self.world.set_fact(HOST, None)
        self.meanwhile(
            SQLDeliveryStore, "happen", lambda: self.world.set_fact(HOST, "zoe@example.com")
        )
        self.world.tick()
        self.assertEqual(self.status(PLAIN.uuid), "pending")
        self.assertIn(PLAIN.identifier, self.offered())

    def test_authority(self) -> None:
        """
        The certificate authority is added just then: the next tick finds what has failed.
        """
        self.world.remove_authority()
        self.meanwhile(SQLDeliveryStore, "happen", self.world.add_authority)
        self.world.tick()
        self.assertIn(SCEP.identifier, self.offered())

    def test_content(self) -> None:
        """
        The profile gets other content just then.
        """
        self.world.set_fact(HOST, None)
        self.meanwhile(SQLDeliveryStore, "happen", lambda: self.world.replace(PLAIN, 2))
        self.world.tick()
        self.assertEqual(self.status(PLAIN.uuid), "pending")
        self.world.tick()
        self.assertEqual(self.status(PLAIN.uuid), "failed")
