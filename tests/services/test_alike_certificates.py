"""
Tests of two profiles whose certificates look alike: one authority, one subject, no marker.
"""

from __future__ import annotations

import plistlib
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from twisted.trial.unittest import SynchronousTestCase

from scepd.model import Profile, WindowOutcome
from scepd.ports import SignedBy, Subject
from scepd.profiles.certificate_candidates import CandidateCertificate
from scepd.services.verification_inventory import Inventory
from tests.services.verification_case import certificate
from tests.storage import records
from tests.storage.inline import InlineDatabase
from tests.support.at_once import at_once
from tests.support.fake_mdm_world import authority, scep_profile
from tests.support.lifecycle_world import CA, LifecycleWorld, Offer
from tests.support.pki import rsa_key

_DAY = 86400


def unmarked_profile(uuid: str) -> Profile:
    """
    A profile whose certificate is named after the device only.
    """
    profile = scep_profile(uuid, CA)
    content = plistlib.loads(profile.content)
    payload = content["PayloadContent"][0]["PayloadContent"]
    payload["Subject"] = [[["CN", "%SerialNumber%"]]]
    whole = plistlib.dumps(content)
    return replace(profile, content=whole, sha256=sha256(whole).hexdigest())


class AlikeTests(SynchronousTestCase):
    """
    A device with two such profiles, which keeps one certificate of each.
    """

    def setUp(self) -> None:
        """
        The device is enrolled.
        """
        database = InlineDatabase()
        self.addCleanup(database.engine.dispose)
        self.world = LifecycleWorld(database)
        now = self.world.now
        name = x509.Name.from_rfc4514_string("CN=CORP CA")
        begin, end = now - timedelta(days=9), now + timedelta(days=999)
        builder = x509.CertificateBuilder(name, name, rsa_key().public_key(), 5, begin, end)
        der = builder.sign(rsa_key(), hashes.SHA256()).public_bytes(Encoding.DER)
        ca = replace(authority(CA), certificates=(der,))
        added = self.world.stores.authorities.add_certificate_authority(
            ca, records.activity(at=now)
        )
        at_once(added)
        self.world.authenticate("H-1")
        self.world.update_token("H-1")
        self.profiles: list[Profile] = []
        self.held: dict[str, CandidateCertificate] = {}
        self.issued: list[str] = []

    def add(self, *uuids: str) -> None:
        """
        The device should have these profiles, too.
        """
        for uuid in uuids:
            profile = unmarked_profile(uuid)
            activity = records.activity(uuid, at=self.world.now)
            at_once(self.world.stores.profiles.add_profile(profile, activity))
            self.profiles.append(profile)

    def deliver(self, refused: str = "") -> None:
        """
        What is due is delivered; a new certificate replaces that of the same profile.

        :param refused: the profile whose certificate the authority refuses.
        """
        self.world.tick()
        while (offer := self.world.poll("H-1")) is not None:
            self.world.clock.advance(2)
            self.ask(offer, refused)
            self.world.clock.advance(2)
            self.world.answer("H-1", offer, "Acknowledged")

    def ask(self, offer: Offer, refused: str) -> None:
        """
        The device asks for the certificate of a profile.
        """
        uuid = next(one.uuid for one in self.profiles if one.identifier == offer.identifier)
        now, id = self.world.now, f"x-{self.world.now}"
        enrollment, key = self.world.stores.enrollment, SignedBy(id, "transaction")
        reserved = at_once(
            enrollment.reserve_window(
                Subject("H-1", uuid, CA), id, now=now, until=now, signed_by=key
            )
        )
        exchange = records.exchange(
            id,
            host_uuid="H-1",
            profile_uuid=uuid,
            ca_name=CA,
            window_id=reserved.window_id,
            pki_status="FAILURE" if uuid == refused else "SUCCESS",
            started_at=now,
        )
        at_once(enrollment.settle_window(exchange, WindowOutcome.LOCK, key))
        if uuid != refused:
            begin = now.replace(microsecond=0)
            self.held[uuid] = certificate("CN=SERIAL-H-1", begin=begin, lasts=timedelta(days=90))
            self.issued.append(uuid)

    def take(self, *shown: str) -> None:
        """
        The agent lists the profiles, and the certificates of these; of none named: all.
        """
        listed = [(profile.identifier, self.world.now) for profile in self.profiles]
        held = [self.held[uuid] for uuid in shown or self.held]
        at_once(self.world.verification.take("H-1", Inventory(listed, held, "osquery")))

    def live(self, days: int) -> None:
        """
        Some days pass, with an inventory each.
        """
        for _ in range(days):
            self.world.clock.advance(_DAY)
            self.take()
            self.world.renew()
            self.deliver()
            self.world.clock.advance(60)
            self.take()

    def own(self) -> dict[str, str]:
        """
        The certificate that is taken for that of each profile.
        """
        return {one.profile_uuid: one.sha1 for one in self.world.certificates("H-1")}

    def are_verified(self) -> bool:
        """
        Whether all profiles are.
        """
        rows = [self.world.row("H-1", one.uuid) for one in self.profiles]
        return all(row is not None and row.status == "verified" for row in rows)

    def expected(self) -> dict[str, str]:
        """
        The certificate that each profile really brought.
        """
        return {uuid: one.sha1 for uuid, one in self.held.items()}

    def test_both_renewed(self) -> None:
        """
        Each profile has its own certificate, and each is renewed about every 60 days.
        """
        self.add("aA", "aB")
        self.deliver()
        self.take()
        self.assertTrue(self.are_verified())
        self.assertEqual(self.own(), self.expected())
        self.live(190)
        self.assertTrue(self.are_verified())
        self.assertEqual(self.own(), self.expected())
        self.assertEqual(sorted(self.issued), ["aA"] * 4 + ["aB"] * 4)

    def test_second_later(self) -> None:
        """
        A profile that comes later takes no other one's certificate.
        """
        self.add("aA")
        self.deliver()
        self.take()
        self.live(1)
        self.add("aB")
        self.deliver()
        self.take()
        self.assertEqual(self.own(), self.expected())
        self.live(190)
        self.assertEqual(self.own(), self.expected())
        self.assertEqual(sorted(self.issued), ["aA"] * 4 + ["aB"] * 4)

    def test_one_refused(self) -> None:
        """
        The certificate of one profile does not prove another, for which the authority gave none.
        """
        self.add("aA", "aB")
        self.deliver(refused="aB")
        self.take()
        self.assertEqual(self.own(), self.expected())
        row = self.world.row("H-1", "aB")
        assert row is not None
        self.assertEqual(row.status, "verifying")

    def test_exchanged(self) -> None:
        """
        If the certificates were taken for each other's, that ends with the next renewal.
        """
        self.add("aA", "aB")
        self.deliver()
        self.held["aA"], self.held["aB"] = self.held["aB"], self.held["aA"]
        self.take()
        self.assertNotEqual(self.own(), self.expected())
        self.live(190)
        self.assertTrue(self.are_verified())
        self.assertEqual(self.own(), self.expected())
        self.assertEqual(sorted(self.issued), ["aA"] * 4 + ["aB"] * 4)

    def test_one_seen(self) -> None:
        """
        Where only one certificate is seen it stands for both, and both are renewed by it; one that
        is seen later is the other one's.
        """
        self.add("aA", "aB")
        self.deliver()
        self.take("aA")
        self.assertTrue(self.are_verified())
        self.assertEqual(len(self.own()), 1)
        for _ in range(70):
            self.world.clock.advance(_DAY)
            self.take("aA")
            self.world.renew()
        rows = [self.world.row("H-1", one.uuid) for one in self.profiles]
        self.assertEqual([row.status for row in rows if row is not None], ["pending"] * 2)
        self.deliver()
        self.take()
        self.assertTrue(self.are_verified())
        self.assertEqual(self.own(), self.expected())
