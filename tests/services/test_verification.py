"""
Tests for what inventories prove.
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
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import StorageUnavailable
from scepd.model import Delivery, ManagedCertificate
from scepd.profiles.certificate_candidates import CandidateCertificate, candidate_from_der
from scepd.profiles.certificate_renewal import RenewalRule
from scepd.profiles.lifecycle import Event
from scepd.services.clock import utc_now
from scepd.services.rendering import ProfileRendering
from scepd.services.verification import Inventory, Verification, VerificationSettings
from scepd.services.verification_certificates import ExpectedCertificates
from tests.support.fake_mdm import FakeVerification
from tests.support.fake_mdm_world import (
    EXTERNAL_URL,
    KEYRING,
    NOW,
    authority,
    host,
    plain_profile,
    scep_profile,
)
from tests.support.fakes import FakeCertificateAuthorities, FakeHosts, InlineWorkers
from tests.support.pki import rsa_key

PROFILE = scep_profile("a3f2b8a1c-0000-4000-8000-000000000001")
MARKER = f"fleet-{PROFILE.uuid}"


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
        hosts = FakeHosts(by_uuid={"UDID-1": host()})
        authorities = FakeCertificateAuthorities(by_name={"CORP": authority()})
        workers = InlineWorkers()
        rendering = ProfileRendering(authorities, lambda: KEYRING, workers, EXTERNAL_URL)
        self.verification = Verification(
            self.store,
            hosts,
            ExpectedCertificates(rendering, authorities, workers),
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
    ) -> None:
        """
        Take an inventory.
        """
        inventory = Inventory(profiles, certificates, "osquery")
        taken = Deferred.fromCoroutine(self.verification.take("UDID-1", inventory))
        self.successResultOf(taken)

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


class ProofTests(VerificationTestCase):
    """
    Tests for what proves a delivery.
    """

    def test_marker(self) -> None:
        """
        A listed profile and a certificate with its marker prove it; the certificate is recorded.
        """
        found = certificate(f"CN=C02ABC,OU={MARKER}")
        with capturedLogs() as logged:
            self.take(certificate("CN=other"), found)
        self.assertEqual(self.event(), Event.INVENTORY_PROVED)
        [record] = self.store.recorded
        self.assertEqual((record.sha1, record.serial), (found.sha1, found.serial))
        self.assertEqual((record.host_uuid, record.ca_name), ("UDID-1", "CORP"))
        self.assertEqual((record.source, record.first_seen), ("osquery", utc_now(self.clock)))
        self.assertEqual(record.renew_at, found.not_after - timedelta(days=30))
        self.assertEqual([event["step"] for event in logged], ["B31"])

    def test_short_validity(self) -> None:
        """
        A certificate of a minute is renewed when half of what was left at first sight is over.
        """
        now = utc_now(self.clock)
        self.take(certificate(f"OU={MARKER}", begin=now, lasts=timedelta(seconds=60)))
        [record] = self.store.recorded
        self.assertEqual(record.renew_at, now + timedelta(seconds=30))

    def test_old_certificate(self) -> None:
        """
        A certificate of an earlier delivery proves nothing.
        """
        old = certificate(f"OU={MARKER}", begin=NOW - timedelta(days=300))
        self.take(old)
        self.assertIsNone(self.event())
        known = certificate(f"OU={MARKER}")
        self.delivered(known_sha1s=frozenset([known.sha1]))
        self.take(known)
        self.assertIsNone(self.event())
        self.assertEqual(self.store.recorded, [])

    def test_own_identity(self) -> None:
        """
        The MDM identity of the host proves nothing, were it of the same authority and with the
        marker; nor does it hide the certificate that does.
        """
        identity = certificate(f"CN=C02ABC,OU={MARKER}", begin=NOW + timedelta(seconds=90))
        self.delivered(known_sha1s=frozenset([identity.sha1]))
        self.take(identity)
        self.assertIsNone(self.event())
        found = certificate(f"CN=C02ABC,OU={MARKER}")
        self.take(identity, found)
        self.assertEqual(self.event(), Event.INVENTORY_PROVED)
        self.assertEqual([record.sha1 for record in self.store.recorded], [found.sha1])

    def test_lost_acknowledgement(self) -> None:
        """
        The proof holds though the acknowledgement was lost, and for a row that had failed.
        """
        for status in ("pending", "failed"):
            self.delivered(status=status, acknowledged_at=None)
            self.take(certificate(f"OU={MARKER}"))
            self.assertEqual(self.event(), Event.INVENTORY_PROVED)

    def test_verified_already(self) -> None:
        """
        What is verified is not proved again, but a newer certificate is recorded.
        """
        self.delivered(status="verified")
        self.take(certificate(f"OU={MARKER}"))
        self.assertIsNone(self.event())
        self.assertEqual(len(self.store.recorded), 1)

    def test_without_certificate(self) -> None:
        """
        A profile that brings no certificate is proved by being listed, even without an inventory
        of certificates.
        """
        plain = plain_profile()
        self.delivered(
            profile_identifier=plain.identifier,
            content=plain.content,
            ca_name=None,
            window_opened_at=None,
        )
        inventory = Inventory([(plain.identifier, None)], None, "MDM")
        self.successResultOf(Deferred.fromCoroutine(self.verification.take("UDID-1", inventory)))
        self.assertEqual(self.event(), Event.INVENTORY_PROVED)

    def test_nothing_delivered(self) -> None:
        """
        The inventory of a host that was delivered nothing is read and forgotten.
        """
        self.store.of_host.clear()
        self.take(certificate(f"OU={MARKER}"))
        self.assertEqual(self.store.proofs, 0)

    def test_storage_fails(self) -> None:
        """
        What can't be stored is not taken.
        """
        self.store.broken = True
        inventory = Inventory([], [], "osquery")
        taken = Deferred.fromCoroutine(self.verification.take("UDID-1", inventory))
        self.failureResultOf(taken, StorageUnavailable)


class MissingTests(VerificationTestCase):
    """
    Tests for what an inventory lacks.
    """

    def test_no_inventory(self) -> None:
        """
        No inventory of profiles is not an empty one: nothing is missing, however late it is.
        """
        self.after_grace()
        self.take(profiles=None)
        self.assertIsNone(self.event())

    def test_no_certificates(self) -> None:
        """
        Nor is no inventory of certificates.
        """
        self.delivered(granted=False)
        self.after_grace()
        inventory = Inventory([(PROFILE.identifier, NOW)], None, "osquery")
        self.successResultOf(Deferred.fromCoroutine(self.verification.take("UDID-1", inventory)))
        self.assertIsNone(self.event())

    def test_profile(self) -> None:
        """
        A profile that is not listed, or was installed before, is missing; after a while surely.
        """
        for profiles in ((), ((PROFILE.identifier, NOW - timedelta(days=1)),)):
            self.take(certificate(f"OU={MARKER}"), profiles=profiles)
            self.assertEqual(self.event(), Event.PROFILE_MISSED)
        self.after_grace()
        self.take(profiles=())
        self.assertEqual(self.event(), Event.PROFILE_MISSED_PAST_GRACE)

    def test_profile_of_verified(self) -> None:
        """
        A verified profile can go missing too.
        """
        self.delivered(status="verified")
        self.after_grace()
        self.take(profiles=())
        self.assertEqual(self.event(), Event.PROFILE_MISSED_PAST_GRACE)

    def test_not_acknowledged(self) -> None:
        """
        Before the device acknowledged nothing is missing.
        """
        self.delivered(status="pending", acknowledged_at=None)
        self.after_grace()
        self.take(profiles=())
        self.assertIsNone(self.event())

    def test_certificate(self) -> None:
        """
        A certificate that was never granted is missing; after a while surely.
        """
        self.delivered(granted=False)
        self.take()
        self.assertEqual(self.event(), Event.CERTIFICATE_MISSED)
        self.after_grace()
        self.take()
        event = self.store.events[0]
        self.assertEqual(self.event(), Event.CERTIFICATE_MISSED_PAST_GRACE)
        self.assertIn("not its certificate", event.detail)

    def test_not_identified(self) -> None:
        """
        One that was granted is never delivered again only because it can't be told.
        """
        stranger = certificate("CN=rewritten by the authority")
        self.take(stranger)
        self.assertIsNone(self.event())
        self.after_grace()
        self.take(stranger)
        self.assertEqual(self.event(), Event.CERTIFICATE_NOT_IDENTIFIED)
        self.delivered(status="verified")
        self.take(stranger)
        self.assertIsNone(self.event())

    def test_window_forgotten(self) -> None:
        """
        Once the window of an old delivery is forgotten its certificate can't be judged.
        """
        self.delivered(status="verified", window_opened_at=None, granted=False)
        self.after_grace()
        self.take()
        self.assertIsNone(self.event())


class UserScopeTests(VerificationTestCase):
    """
    Tests for what went by the user channel of a Mac.
    """

    def take_lists(
        self,
        of_device: Sequence[tuple[str, datetime | None]] | None,
        of_users: Sequence[tuple[str, datetime | None]] | None,
    ) -> Event | None:
        """
        Take an inventory with the certificate, and tell what happened.
        """
        found = certificate(f"CN=C02ABC,OU={MARKER}")
        inventory = Inventory(of_device, [found], "osquery", of_users)
        self.successResultOf(Deferred.fromCoroutine(self.verification.take("UDID-1", inventory)))
        return self.event()

    def test_proved(self) -> None:
        """
        It is proved by the users' list, and not by the device's.
        """
        listed = [(PROFILE.identifier, NOW)]
        self.delivered(scope="User")
        self.assertIs(self.take_lists(listed, []), Event.PROFILE_MISSED)
        self.assertIs(self.take_lists([], listed), Event.INVENTORY_PROVED)
        self.delivered(scope="System")
        self.assertIs(self.take_lists([], listed), Event.PROFILE_MISSED)

    def test_no_list(self) -> None:
        """
        Without a list of the users nothing is missing, however long ago it was delivered.
        """
        self.delivered(scope="User")
        self.after_grace()
        self.assertIsNone(self.take_lists([], None))
        self.assertIs(self.take_lists(None, []), Event.PROFILE_MISSED_PAST_GRACE)


class AskingTests(VerificationTestCase):
    """
    Tests for when a host is asked.
    """

    def due(self) -> bool:
        """
        Whether the host is asked now.
        """
        return self.successResultOf(Deferred.fromCoroutine(self.verification.is_due("UDID-1")))

    def test_hourly(self) -> None:
        """
        A host is asked once an hour.
        """
        self.assertTrue(self.due())
        self.clock.advance(3599)
        self.assertFalse(self.due())
        self.clock.advance(1)
        self.assertTrue(self.due())

    def test_soon(self) -> None:
        """
        While something that was acknowledged is not settled the host is asked each minute, until
        the grace is past.
        """
        self.assertTrue(self.due())
        self.take()
        self.assertFalse(self.due())
        self.clock.advance(60)
        self.assertTrue(self.due())
        self.assertFalse(self.due())
        self.clock.advance(3490)
        self.take(profiles=None)
        self.clock.advance(30)
        self.assertFalse(self.due())

    def test_not_stored(self) -> None:
        """
        An inventory that could not be stored is asked for again in a minute: agents send it once.
        """
        self.assertTrue(self.due())
        self.store.broken = True
        inventory = Inventory([], [], "osquery")
        taken = Deferred.fromCoroutine(self.verification.take("UDID-1", inventory))
        self.failureResultOf(taken, StorageUnavailable)
        self.store.broken = False
        self.assertFalse(self.due())
        self.clock.advance(60)
        self.assertTrue(self.due())

    def test_settled(self) -> None:
        """
        What is proved needs no further look.
        """
        self.assertTrue(self.due())
        self.take()
        self.take(certificate(f"OU={MARKER}"))
        self.clock.advance(60)
        self.assertFalse(self.due())


class RecordTests(VerificationTestCase):
    """
    Tests for expectations that can't be put together.
    """

    def test_unreadable_profile(self) -> None:
        """
        The marker counts though neither profile nor chain can be read.
        """
        for content in (b"no profile", b"bplist00junk"):
            self.delivered(content=content, ca_name="GONE")
            self.take(certificate(f"OU={MARKER}"))
            self.assertEqual(self.event(), Event.INVENTORY_PROVED)
            self.assertIsInstance(self.store.recorded[-1], ManagedCertificate)
