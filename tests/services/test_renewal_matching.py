"""
Tests of what renewal makes of the certificates that inventories show, with the real database.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from scepd.model import CertificateState, Profile, WatchedCertificate
from scepd.profiles.certificate_candidates import CandidateCertificate
from scepd.services.clock import utc_now
from scepd.services.leases import Leases
from scepd.services.managed_certificates import ManagedCertificates
from scepd.services.rendering import ProfileRendering
from scepd.services.renewal import Renewal
from scepd.services.verification_inventory import Inventory
from scepd.storage.assignments import SQLAssignmentStore
from scepd.storage.breakers import SQLBreakerStore
from scepd.storage.certificate_authorities import SQLCertificateAuthorityStore
from scepd.storage.checkins import SQLCheckInStore
from scepd.storage.hosts import SQLHostStore
from scepd.storage.inventories import SQLInventoryStore
from scepd.storage.leases import SQLLeaseStore
from scepd.storage.profiles import SQLProfileStore
from scepd.storage.renewals import SQLRenewalStore
from scepd.storage.verification import SQLVerificationStore
from tests.services.verification_case import certificate
from tests.storage import records
from tests.storage.inline import InlineDatabase
from tests.support.fake_inventories import make_verification
from tests.support.fake_mdm_world import EXTERNAL_URL, KEYRING, NOW, authority, host, scep_profile
from tests.support.fakes import InlineWorkers

_DAY = timedelta(days=1)
_UUID = "a3f2b8a1c-0000-4000-8000-000000000001"
_CUT_OU = f"The devices of the Berlin office fleet-{_UUID}"[:64]


class MatchingTests(SynchronousTestCase):
    """
    A host that is renewed, with a CA that rewrites subjects.
    """

    def setUp(self) -> None:
        """
        Enroll the host, and give it the profile.
        """
        database = InlineDatabase()
        self.addCleanup(database.engine.dispose)
        self.clock = Clock()
        self.clock.advance(NOW.timestamp())
        self.profile = scep_profile(_UUID)
        self.assignments = SQLAssignmentStore(database)
        self.check_ins = SQLCheckInStore(database)
        self.certificates = SQLVerificationStore(database)
        renewals = SQLRenewalStore(database, now=self.now)
        leases = Leases(SQLLeaseStore(database, self.now), "process-1")
        self.renewal = Renewal(renewals, leases, self.clock)
        self.listing = ManagedCertificates(renewals, SQLBreakerStore(database), self.clock)
        authorities, hosts = SQLCertificateAuthorityStore(database), SQLHostStore(database)
        workers = InlineWorkers()
        rendering = ProfileRendering(authorities, lambda: KEYRING, workers, EXTERNAL_URL)
        self.verification = make_verification(
            self.certificates,
            SQLInventoryStore(database, self.now),
            hosts,
            rendering,
            authorities,
            self.clock,
        )
        self.run_now(authorities.add_certificate_authority(authority(), records.activity()))
        self.run_now(self.enroll())
        self.run_now(SQLProfileStore(database).add_profile(self.profile, records.activity()))

    def now(self) -> datetime:
        """
        The time.
        """
        return utc_now(self.clock)

    def run_now(self, coroutine: object) -> object:
        """
        The result of what never waits.
        """
        return self.successResultOf(Deferred.fromCoroutine(coroutine))  # type: ignore[arg-type]

    async def enroll(self) -> None:
        """
        The host enrolls, or does so again.
        """
        enrollment = records.enrollment("UDID-1", enrolled_at=self.now())
        await self.check_ins.authenticate(host(), enrollment, f"id-{self.now()}")
        await self.check_ins.update_token("UDID-1", records.address(), self.now(), self.now())

    async def deliver(self, profile: Profile, *shown: CandidateCertificate) -> None:
        """
        The host is handed the profile and acknowledges it; then its inventory shows these.
        """
        now = self.now()
        window = records.window(
            f"w-{now}",
            host_uuid="UDID-1",
            profile_uuid=profile.uuid,
            ca_name="CORP",
            opened_at=now,
            deadline=now + _DAY,
        )
        await self.assignments.open_window(window)
        row = records.assignment(
            "UDID-1",
            profile.uuid,
            status="verifying",
            ca_name="CORP",
            profile_identifier=profile.identifier,
            delivered_at=now,
            acknowledged_at=now,
        )
        await self.assignments.assign(row)
        self.clock.advance(60)
        inventory = Inventory([(profile.identifier, now)], shown, "osquery")
        await self.verification.take("UDID-1", inventory)

    def current(self) -> WatchedCertificate:
        """
        The one certificate that is listed, with those before it.
        """
        found = self.run_now(self.listing.list(CertificateState.CURRENT, retired=True))
        assert isinstance(found, list)
        (one,) = found
        watched = one.watched
        assert isinstance(watched, WatchedCertificate)
        return watched

    def status(self) -> str:
        """
        Of the assignment.
        """
        row = self.run_now(self.assignments.assignment("UDID-1", _UUID))
        return str(getattr(row, "status", None))

    def made_now(self, subject: str, lasts: timedelta = 60 * _DAY) -> CandidateCertificate:
        """
        A certificate that the CA has just made.
        """
        return certificate(subject, begin=self.now(), lasts=lasts)

    def test_cut_marker(self) -> None:
        """
        A CA that cuts an OU at 64 characters, and with it the marker, is renewed from all the same:
        the new certificate is told from the old one, which is retired.
        """
        self.assertLess(len(_CUT_OU.partition("fleet-")[2]), len(_UUID))
        old = self.made_now(f"OU={_CUT_OU},CN=anything")
        self.run_now(self.deliver(self.profile, old))
        self.assertEqual(self.current().certificate, self.seen(old))
        self.clock.advance((40 * _DAY).total_seconds())
        self.run_now(self.renewal.run())
        self.assertEqual(self.status(), "pending")
        new = self.made_now(f"OU={_CUT_OU},CN=anything")
        self.run_now(self.deliver(self.profile, old, new))
        current = self.current()
        self.assertEqual((self.status(), current.certificate), ("verified", self.seen(new)))
        self.assertEqual([one.sha1 for one in current.retired], [old.sha1])
        self.assertEqual(current.expires_at, new.not_after)
        # The old one triggers nothing more, though it is still on the device.
        self.clock.advance((5 * _DAY).total_seconds())
        self.run_now(self.verification.take("UDID-1", self.inventory(old, new)))
        self.run_now(self.renewal.run())
        self.assertEqual((self.status(), self.current()), ("verified", current))

    def test_dates_move_forward(self) -> None:
        """
        An inventory that shows an older certificate again, or one that nobody saw before, does not
        take the dates back.
        """
        first = self.made_now(f"OU=fleet-{_UUID},CN=a")
        unseen = certificate(f"OU=fleet-{_UUID},CN=a", begin=self.now() - _DAY / 48, lasts=_DAY)
        self.run_now(self.deliver(self.profile, first))
        before = self.current()
        self.run_now(self.verification.take("UDID-1", self.inventory(unseen)))
        after = self.current()
        self.assertEqual(after.certificate, before.certificate)
        self.assertEqual((after.renew_at, after.expires_at), (before.renew_at, before.expires_at))
        self.assertEqual([one.sha1 for one in after.retired], [unseen.sha1])

    def test_enrolled_anew(self) -> None:
        """
        Of a host that enrolls again its old certificate counts no more, though it is valid; the new
        one does.
        """
        old = self.made_now(f"OU=fleet-{_UUID},CN=a")
        self.run_now(self.deliver(self.profile, old))
        self.clock.advance(3600)
        self.run_now(self.enroll())
        self.assertEqual(self.run_now(self.listing.list(CertificateState.CURRENT)), [])
        self.assertEqual(self.run_now(self.certificates.certificates("UDID-1")), [])
        new = self.made_now(f"OU=fleet-{_UUID},CN=a")
        self.run_now(self.deliver(self.profile, old, new))
        self.assertEqual((self.status(), self.current().certificate), ("verified", self.seen(new)))

    def inventory(self, *shown: CandidateCertificate) -> Inventory:
        """
        An inventory with the profile.
        """
        return Inventory([(self.profile.identifier, self.now())], shown, "osquery")

    def seen(self, candidate: CandidateCertificate) -> object:
        """
        The record of a certificate that counts.
        """
        found = self.run_now(self.certificates.certificates("UDID-1"))
        assert isinstance(found, list)
        (one,) = (each for each in found if each.sha1 == candidate.sha1)
        self.assertEqual(
            (one.not_before, one.not_after), (candidate.not_before, candidate.not_after)
        )
        return one
