"""
Tests for what inventories prove.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from twisted.internet.defer import Deferred
from twisted.logger import LogLevel, capturedLogs

from scepd.errors import StorageUnavailable
from scepd.model import ManagedCertificate
from scepd.profiles.lifecycle import Event
from scepd.services.clock import utc_now
from scepd.services.verification_inventory import Inventory
from tests.services.verification_case import (
    MARKER,
    PROFILE,
    VerificationTestCase,
    certificate,
)
from tests.support.fake_mdm_world import (
    NOW,
    plain_profile,
)


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

    def test_among_many(self) -> None:
        """
        Nor do very many others hide it.
        """
        other = certificate("CN=other")
        others = [replace(other, sha1=f"{number:040x}") for number in range(300)]
        self.take(*others, certificate(f"CN=C02ABC,OU={MARKER}"))
        self.assertEqual(self.event(), Event.INVENTORY_PROVED)

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
        with capturedLogs() as logged:
            self.take_mdm(stranger)
        self.assertEqual(self.event(), Event.CERTIFICATE_NOT_IDENTIFIED)
        self.assertIn(LogLevel.warn, [event["log_level"] for event in logged])
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
