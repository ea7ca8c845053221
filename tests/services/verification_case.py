"""
A host that was delivered a profile, for tests of what inventories prove.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from scepd.model import Delivery, HostInventory
from scepd.profiles.certificate_candidates import CandidateCertificate, candidate_from_der
from scepd.profiles.certificate_renewal import RenewalRule
from scepd.profiles.lifecycle import Event
from scepd.services.rendering import ProfileRendering
from scepd.services.verification import VerificationSettings
from scepd.services.verification_inventory import Inventory
from tests.support.fake_inventories import FakeInventories, make_verification
from tests.support.fake_mdm import FakeVerification
from tests.support.fake_mdm_world import (
    EXTERNAL_URL,
    KEYRING,
    NOW,
    authority,
    host,
    scep_profile,
)
from tests.support.fakes import FakeCertificateAuthorities, FakeHosts, InlineWorkers
from tests.support.pki import rsa_key

PROFILE = scep_profile("a3f2b8a1c-0000-4000-8000-000000000001")
MARKER = f"fleet-{PROFILE.uuid}"
MAC = HostInventory("UDID-1", "macos", True)
DAY = timedelta(days=1)


def certificate(
    subject: str, *, begin: datetime = NOW, lasts: timedelta = timedelta(days=365)
) -> CandidateCertificate:
    """
    A certificate of the certificate authority, as an inventory shows it.
    """
    builder = x509.CertificateBuilder(
        issuer_name=x509.Name.from_rfc4514_string("CN=CORP CA"),
        subject_name=x509.Name.from_rfc4514_string(subject),
        public_key=rsa_key().public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=begin,
        not_valid_after=begin + lasts,
    )
    der = builder.sign(rsa_key(), hashes.SHA256()).public_bytes(Encoding.DER)
    found = candidate_from_der(der)
    assert found is not None
    return found


class VerificationTestCase(SynchronousTestCase):
    """
    A host that acknowledged a profile with a certificate a minute after it got it.
    """

    def setUp(self) -> None:
        """
        Make the service; it is a minute later still.
        """
        self.clock = Clock()
        self.clock.advance(NOW.timestamp() + 120)
        self.store = FakeVerification()
        self.inventories = FakeInventories()
        self.hosts = FakeHosts(by_uuid={"UDID-1": host()})
        authorities = FakeCertificateAuthorities(by_name={"CORP": authority()})
        workers = InlineWorkers()
        rendering = ProfileRendering(authorities, lambda: KEYRING, workers, EXTERNAL_URL)
        self.verification = make_verification(
            self.store,
            self.inventories,
            self.hosts,
            rendering,
            authorities,
            self.clock,
            VerificationSettings(renewal=RenewalRule(jitter=0)),
        )
        self.delivered()

    def delivered(self, **changes: object) -> None:
        """
        Let the host have this delivery.
        """
        delivery = Delivery(
            profile_uuid=PROFILE.uuid,
            profile_identifier=PROFILE.identifier,
            content=PROFILE.content,
            ca_name="CORP",
            status="verifying",
            delivered_at=NOW,
            acknowledged_at=NOW + timedelta(seconds=60),
            window_opened_at=NOW,
            granted=True,
            known_sha1s=frozenset(),
        )
        self.store.of_host["UDID-1"] = [replace(delivery, **changes)]  # type: ignore[arg-type]

    def take(
        self,
        *certificates: CandidateCertificate,
        profiles: Sequence[tuple[str, datetime | None]] | None = ((PROFILE.identifier, NOW),),
        source: str = "osquery",
        unreadable: int = 0,
    ) -> None:
        """
        Take an inventory.
        """
        inventory = Inventory(profiles, certificates, source, unreadable=unreadable)
        taken = Deferred.fromCoroutine(self.verification.take("UDID-1", inventory))
        self.successResultOf(taken)

    def take_mdm(
        self,
        *certificates: CandidateCertificate,
        profiles: Sequence[str] = (PROFILE.identifier,),
        unreadable: int = 0,
    ) -> None:
        """
        Take both lists that a device answered over MDM, as one.
        """
        undated = [(identifier, None) for identifier in profiles]
        self.take(*certificates, profiles=undated, source="MDM", unreadable=unreadable)

    def event(self) -> Event | None:
        """
        What happened since this was asked the last time, if anything.
        """
        events, self.store.events = self.store.events, []
        self.assertLessEqual(len(events), 1)
        return events[0].event if events else None

    def after_grace(self) -> None:
        """
        Let the grace pass.
        """
        self.clock.advance(3600)
