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
from scepd.model import Delivery, HostInventory, ManagedCertificate
from scepd.profiles.certificate_candidates import CandidateCertificate, candidate_from_der
from scepd.profiles.certificate_renewal import RenewalRule
from scepd.profiles.lifecycle import Event
from scepd.services.clock import utc_now
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
    plain_profile,
    scep_profile,
)
from tests.support.fakes import FakeCertificateAuthorities, FakeHosts, InlineWorkers
from tests.support.pki import rsa_key

PROFILE = scep_profile("a3f2b8a1c-0000-4000-8000-000000000001")
MARKER = f"fleet-{PROFILE.uuid}"
MAC = HostInventory("UDID-1", "macos", True)
_DAY = timedelta(days=1)


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
        self.assertEqual((self.store.recorded, self.store.events), ([], []))
        [taken] = self.store.taken
        self.assertTrue(taken.profiles and taken.certificates)

    def test_unknown_host(self) -> None:
        """
        Nor is that of a host which is gone taken.
        """
        self.hosts.by_uuid.clear()
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
        A profile that is not listed is missing; after a while surely.
        """
        self.take(certificate(f"OU={MARKER}"), profiles=())
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
        One that was granted is never delivered again only because it can't be told: the device is
        asked over MDM, at once, and what is no clearer then is verified with an alarm.
        """
        stranger = certificate("CN=rewritten by the authority")
        self.take(stranger)
        self.assertIsNone(self.event())
        self.assertEqual(self.store.taken[-1].mdm_due_at, utc_now(self.clock))
        self.after_grace()
        self.take(stranger)
        self.assertIsNone(self.event())
        self.take_mdm(stranger)
        self.assertEqual(self.event(), Event.CERTIFICATE_NOT_IDENTIFIED)
        self.delivered(status="verified", detail="certificate not identified")
        self.take(stranger)
        self.take_mdm(stranger)
        self.assertIsNone(self.event())
        self.take(stranger, certificate(f"OU={MARKER}"))
        self.assertEqual(self.event(), Event.INVENTORY_PROVED)

    def test_not_answered(self) -> None:
        """
        Where the device never answers over MDM, that is said after twice the grace.
        """
        self.clock.advance(7200)
        self.take(certificate("CN=rewritten by the authority"))
        self.assertEqual(self.event(), Event.CERTIFICATE_NOT_IDENTIFIED)

    def test_surely_missing(self) -> None:
        """
        Only what the device's own list surely lacks is delivered again, after the grace.
        """
        self.take_mdm()
        self.assertEqual(self.event(), Event.CERTIFICATE_MISSED)
        self.after_grace()
        self.take()
        self.assertIsNone(self.event())
        self.take_mdm(unreadable=1)
        self.assertEqual(self.event(), Event.CERTIFICATE_NOT_IDENTIFIED)
        self.take_mdm()
        self.assertEqual(self.event(), Event.CERTIFICATE_MISSED_PAST_GRACE)

    def test_lost(self) -> None:
        """
        So is that of a verified profile, unless osquery's newest inventory showed it: each of them
        may see another keychain.
        """
        self.after_grace()
        self.delivered(status="verified", certified=True, vouched=True)
        self.take_mdm()
        self.assertIsNone(self.event())
        self.delivered(status="verified", certified=True)
        self.take()
        self.assertIsNone(self.event())
        self.assertEqual(self.store.taken[-1].mdm_due_at, utc_now(self.clock))
        self.take_mdm()
        self.assertEqual(self.event(), Event.CERTIFICATE_MISSED_PAST_GRACE)

    def test_window_forgotten(self) -> None:
        """
        Once the window of an old delivery is forgotten its certificate can't be judged.
        """
        self.delivered(status="verified", window_opened_at=None, granted=False)
        self.after_grace()
        self.take()
        self.assertIsNone(self.event())


class PartsTests(VerificationTestCase):
    """
    Tests for inventories over MDM, of which each list comes by itself, and for wrong clocks.
    """

    def take_part(
        self,
        profiles: Sequence[str] | None = None,
        certificates: Sequence[CandidateCertificate] | None = None,
    ) -> None:
        """
        Take one list.
        """
        dates = None if profiles is None else [(identifier, None) for identifier in profiles]
        inventory = Inventory(dates, certificates, "MDM")
        self.successResultOf(Deferred.fromCoroutine(self.verification.take("UDID-1", inventory)))

    def test_profiles_first(self) -> None:
        """
        The profile is listed, the certificate follows: the two are the proof, with the
        acknowledgement.
        """
        self.take_part([PROFILE.identifier])
        self.assertIsNone(self.event())
        self.assertEqual(self.store.taken[-1].listed, {PROFILE.uuid})
        self.delivered(listed_at=NOW + timedelta(seconds=90))
        self.take_part(None, [certificate(f"OU={MARKER}")])
        self.assertEqual(self.event(), Event.INVENTORY_PROVED)

    def test_certificates_first(self) -> None:
        """
        Or the other way round, when the device could not list its profiles just then.
        """
        self.take_part(None, [certificate(f"OU={MARKER}")])
        self.assertIsNone(self.event())
        self.assertEqual(len(self.store.recorded), 1)
        self.delivered(certified=True)
        self.take_part([PROFILE.identifier])
        self.assertEqual(self.event(), Event.INVENTORY_PROVED)

    def test_one_part(self) -> None:
        """
        One list alone is no proof and misses nothing, however late it is.
        """
        self.after_grace()
        self.take_part([PROFILE.identifier])
        self.take_part(None, [])
        self.delivered(listed_at=NOW + timedelta(seconds=30))
        self.take_part(None, [certificate(f"OU={MARKER}")])
        self.assertIsNone(self.event())

    def test_not_acknowledged(self) -> None:
        """
        Without a date or an acknowledgement the listed profile may be the one from before.
        """
        for status in ("pending", "failed"):
            self.delivered(status=status, acknowledged_at=None)
            self.take_mdm(certificate(f"OU={MARKER}"))
            self.assertIsNone(self.event())

    def test_wrong_clock(self) -> None:
        """
        A device whose clock is wrong tells dates that don't fit: the certificate proves the
        delivery, as its dates are the authority's. Without one the device is asked over MDM.
        """
        for wrong in (NOW - timedelta(days=1), NOW + timedelta(days=1)):
            dated = [(PROFILE.identifier, wrong)]
            self.take(certificate(f"OU={MARKER}"), profiles=dated)
            self.assertEqual(self.event(), Event.INVENTORY_PROVED)
            self.take(profiles=dated)
            self.assertIsNone(self.event())
            self.assertEqual(self.store.taken[-1].mdm_due_at, utc_now(self.clock))
        self.delivered(acknowledged_at=None, status="pending")
        self.take(certificate(f"OU={MARKER}"), profiles=[(PROFILE.identifier, NOW - _DAY)])
        self.assertIsNone(self.event())
        self.after_grace()
        self.delivered(status="verified")
        self.take(profiles=[(PROFILE.identifier, NOW - _DAY)])
        self.assertIsNone(self.event())

    def test_wrong_clock_without_certificate(self) -> None:
        """
        A profile that brings no certificate is proved by the device's own list then.
        """
        plain = {"ca_name": None, "window_opened_at": None}
        self.delivered(**plain)
        self.take(profiles=[(PROFILE.identifier, NOW - _DAY)])
        self.assertIsNone(self.event())
        self.take_mdm()
        self.assertEqual(self.event(), Event.INVENTORY_PROVED)

    def test_user_scope(self) -> None:
        """
        A profile of a Mac's user is looked for among those of its users: without their list
        nothing is missing. Devices without users' profiles tell all in one list.
        """
        self.after_grace()
        self.delivered(scope="User")
        self.take(profiles=())
        self.take_mdm(profiles=())
        self.assertIsNone(self.event())
        users = Inventory([], [certificate(f"OU={MARKER}")], "osquery", [(PROFILE.identifier, NOW)])
        self.successResultOf(Deferred.fromCoroutine(self.verification.take("UDID-1", users)))
        self.assertEqual(self.event(), Event.INVENTORY_PROVED)
        self.hosts.by_uuid["UDID-1"] = host(platform="ios")
        self.take_mdm(certificate(f"OU={MARKER}"))
        self.assertEqual(self.event(), Event.INVENTORY_PROVED)


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
        self.take(certificate(f"OU={MARKER}"))
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
        self.clock.advance(60)
        self.assertFalse(self.due())

    def test_not_stored(self) -> None:
        """
        An inventory that does not come, or could not be stored, is asked for again in a minute:
        agents send it once.
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

    def test_agent_is_enough(self) -> None:
        """
        While osquery lists profiles the host is not asked over MDM, but after two hours' silence.
        """
        self.take(certificate(f"OU={MARKER}"))
        [taken] = self.store.taken
        later = utc_now(self.clock) + timedelta(hours=2)
        self.assertEqual((taken.agent_until, taken.mdm_due_at), (later, later))

    def test_agent_without_profiles(self) -> None:
        """
        An agent that can't list profiles has its host asked over MDM: at once, then hourly, and in
        growing steps while something waits for its proof.
        """
        now = utc_now(self.clock)
        self.take(profiles=None)
        self.assertEqual(self.mdm_due(), now)
        asked = replace(MAC, mdm_asked_at=now)
        self.inventories.states["UDID-1"] = asked
        self.take(profiles=None)
        self.assertEqual(self.mdm_due(), now + timedelta(seconds=60))
        self.delivered(status="verified")
        self.take(profiles=None)
        self.assertEqual(self.mdm_due(), now + timedelta(hours=1))
        self.inventories.states["UDID-1"] = replace(asked, mdm_due_at=now + timedelta(minutes=7))
        self.take(profiles=None)
        self.assertEqual(self.mdm_due(), now + timedelta(minutes=7))

    def test_mdm(self) -> None:
        """
        After an answer over MDM the next is wanted in an hour; while something waits for its proof
        as late again as the acknowledgement is, but once at the end of the grace. An agent that
        came back is enough.
        """
        self.take_mdm(certificate(f"OU={MARKER}"))
        self.assertEqual(self.mdm_due(), utc_now(self.clock) + timedelta(hours=1))
        self.take_mdm()
        self.assertEqual(self.mdm_due(), utc_now(self.clock) + timedelta(seconds=60))
        self.clock.advance(540)
        self.take_mdm()
        self.assertEqual(self.mdm_due(), utc_now(self.clock) + timedelta(seconds=600))
        self.clock.advance(1500)
        self.take_mdm()
        self.assertEqual(self.mdm_due(), NOW + timedelta(seconds=60 + 3600))
        until = utc_now(self.clock) + timedelta(minutes=9)
        self.inventories.states["UDID-1"] = replace(MAC, agent_until=until)
        self.take_mdm()
        self.assertEqual(self.mdm_due(), until)
        self.assertIsNone(self.store.taken[-1].agent_due_at)

    def mdm_due(self) -> datetime | None:
        """
        When the host is asked over MDM by what was taken last.
        """
        return self.store.taken[-1].mdm_due_at


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
