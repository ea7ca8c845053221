"""
Tests for check-ins of devices whose identity is renewed, was renewed, or has expired.
"""

from __future__ import annotations

import plistlib
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256

from twisted.internet.defer import Deferred
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import Conflict, StorageUnavailable
from scepd.mdm.enrollment import EnrollmentProfile
from scepd.mdm.enrollment_reading import parse_enrollment_profile
from scepd.model import ENROLLMENT_PROFILE, EnrollmentChallenge, PendingRenewal, QueuedCommand
from scepd.services.checkin_identity import DeviceRefused
from scepd.services.clock import utc_now
from tests.support.fake_mdm_world import (
    NOW,
    MDMWorld,
    authenticate,
    chain_item,
    check_in,
    report,
    token_update,
)
from tests.support.identity_parts import TOPIC
from tests.support.pki import Party, party

NEVER_LEFT = NOW + timedelta(days=300)


class IdentityCheckInCase(SynchronousTestCase):
    """
    An enrolled device.
    """

    def setUp(self) -> None:
        """
        Enroll it.
        """
        self.world = MDMWorld()
        self.world.enroll()
        self.new = party("CN=device-1 renewed", 1)

    def pin(self, identity: Party, **changes: object) -> None:
        """
        Let an identity be one of the device's.
        """
        pinned = {"enrollment_id": "UDID-1", "enabled": True, "host_uuid": "UDID-1"}
        self.world.issue(identity, **(pinned | changes))

    def pin_new(self, **changes: object) -> None:
        """
        Let the new identity have been issued for a renewal of the device.
        """
        self.pin(self.new, **({"renews": True, "confirmed": False, "labels": ()} | changes))

    def queue_renewal(self, *, done: bool = False) -> QueuedCommand:
        """
        Queue the renewal of the device's identity.
        """
        command = QueuedCommand(
            "r-1", "UDID-1", "InstallProfile", ENROLLMENT_PROFILE, None, 50, NOW
        )
        self.world.commands.queued["r-1"] = command
        self.world.identities.renewals["r-1"] = PendingRenewal(
            "UDID-1", "UDID-1", TOPIC, NEVER_LEFT, 0, done
        )
        self.pin(self.world.identity, renewal_command="r-1")
        return command

    def answer(self, body: bytes, identity: Party | None = None) -> bytes:
        """
        What a message is answered with.
        """
        return self.successResultOf(self.world.send(body, identity))

    def refused(self, sent: Deferred[bytes], kind: type[Exception] = DeviceRefused) -> None:
        """
        Check that a message was refused.
        """
        self.failureResultOf(sent, kind)


class RenewedTests(IdentityCheckInCase):
    """
    Tests for what a device says with its new identity.
    """

    def test_authenticate(self) -> None:
        """
        Its Authenticate is no new enrollment, as the record of issue says: the enrollment stays as
        it is, and the old identity is not retired by it.
        """
        self.pin_new()
        before = self.world.check_ins.enrollments["UDID-1"]
        with capturedLogs() as events:
            self.assertEqual(self.answer(authenticate(OSVersion="15.9"), self.new), b"")
        self.assertEqual(self.world.check_ins.enrollments["UDID-1"], before)
        self.assertTrue(before.enabled)
        self.assertEqual(self.world.check_ins.hosts["UDID-1"].os_version, "15.9")
        self.assertEqual(self.world.identities.confirmed, [])
        self.assertEqual(self.world.known().enrollment_id, "UDID-1")
        self.assertIn("goes on", events[-1]["log_format"])

    def test_repeated(self) -> None:
        """
        An Authenticate that is repeated, also later, is none either.
        """
        self.pin_new()
        for _ in range(2):
            self.answer(authenticate(), self.new)
        self.pin_new(confirmed=True)
        self.answer(authenticate(), self.new)
        self.assertTrue(self.world.check_ins.enrollments["UDID-1"].enabled)

    def test_of_another_device(self) -> None:
        """
        It goes on for its own device only, and only while it is one of its identities.
        """
        self.pin_new()
        self.refused(self.world.send(authenticate("UDID-2"), self.new))
        self.world.check_ins.taken = True
        self.refused(self.world.send(authenticate(), self.new), Conflict)

    def test_first_use(self) -> None:
        """
        The first message after it, once it is stored, retires what was before; it counts once.
        """
        digest = sha256(self.new.certificate).hexdigest()
        for message in (token_update(), report("Idle"), report("Acknowledged", "c-1")):
            self.world.identities.confirmed.clear()
            self.pin_new()
            self.answer(message, self.new)
            self.assertEqual(self.world.identities.confirmed, [digest])
        self.answer(report("Idle"), self.new)
        registry = self.world.metrics.registry
        labels = {"result": "renewed"}
        self.assertEqual(registry.get_sample_value("scepd_identity_renewals_total", labels), 3)

    def test_not_stored(self) -> None:
        """
        What could not be stored retires nothing; the device sends it again.
        """
        self.pin_new()
        self.world.identities.broken = True
        self.refused(self.world.send(report("Idle"), self.new), StorageUnavailable)
        self.world.identities.broken = False
        self.world.check_ins.broken = True
        self.refused(self.world.send(token_update(), self.new), StorageUnavailable)
        self.assertEqual(self.world.identities.confirmed, [])

    def test_old_one(self) -> None:
        """
        Until then the old identity is heard as ever.
        """
        self.pin_new()
        self.answer(authenticate(), self.new)
        self.assertEqual(self.answer(report("Idle")), b"")
        self.assertEqual(self.world.identities.confirmed, [])

    def test_bound(self) -> None:
        """
        An identity that was issued for one device begins no enrollment of another: not of another
        UDID, nor of another serial number. A device need not tell its serial number.
        """
        for bound in ({"bound_host": "UDID-2"}, {"bound_serial": "OTHER"}):
            self.world.issue(self.new, allow_reenrollment=True, **bound)
            self.refused(self.world.send(authenticate(), self.new))
        self.world.issue(self.new, allow_reenrollment=True, bound_serial="C02ABC")
        self.refused(self.world.send(authenticate(SerialNumber=""), self.new))
        self.answer(authenticate(), self.new)
        fits = {"bound_host": "UDID-1", "bound_serial": "C02ABC"}
        for serial in ("C02ABC", ""):
            self.world.issue(self.new, allow_reenrollment=True, **fits)
            self.answer(authenticate(SerialNumber=serial), self.new)


class RetiredTests(IdentityCheckInCase):
    """
    Tests for an identity whose place is another one's.
    """

    def setUp(self) -> None:
        """
        Retire the device's, with a renewal that was handed over.
        """
        super().setUp()
        self.queue_renewal(done=True)
        self.pin(self.world.identity, renewal_command="r-1", retired=True)
        self.pin_new(confirmed=True)

    def test_refused(self) -> None:
        """
        Nothing that it says is heard.
        """
        for message in (
            report("Idle"),
            report("Acknowledged", "command-1"),
            authenticate(),
            token_update(),
            check_in("CheckOut"),
            check_in("GetBootstrapToken"),
        ):
            with capturedLogs() as events:
                self.refused(self.world.send(message))
            self.assertIn("has replaced", events[-1]["log_format"])

    def test_last_words(self) -> None:
        """
        But how its own renewal went: that is recorded, and nothing is offered for it.
        """
        self.world.queue("command-1", None)
        self.assertEqual(self.answer(report("Acknowledged", "r-1")), b"")
        self.assertEqual(self.world.commands.statuses, {"r-1": "Acknowledged"})
        self.assertEqual(self.answer(report("Acknowledged", "r-1")), b"")

    def test_rolled_back(self) -> None:
        """
        A device that failed in the end says so with what it goes on with: the store is told.
        """
        self.answer(report("Error", "r-1", errors=[chain_item()]))
        ((uuid, answer),) = self.world.identities.answers
        self.assertEqual((uuid, answer.failed), ("r-1", True))


class RenewalCommandTests(IdentityCheckInCase):
    """
    Tests for the command that renews an identity.
    """

    def profile(self, body: bytes) -> EnrollmentProfile:
        """
        The enrollment profile of an InstallProfile.
        """
        command = plistlib.loads(body)["Command"]
        self.assertEqual(command["RequestType"], "InstallProfile")
        return parse_enrollment_profile(command["Payload"])

    def test_handed_over(self) -> None:
        """
        The profile is made when it is handed over, of the same identifier, URLs and topic as the
        first; only the digest of its challenge is stored, bound to the device.
        """
        self.queue_renewal()
        with capturedLogs() as events:
            profile = self.profile(self.answer(report("Idle")))
        self.assertEqual(profile.identifier, "scepd.enrollment")
        self.assertEqual(profile.server_url, "https://mdm.example.com/mdm/connect")
        self.assertEqual(profile.check_in_url, "https://mdm.example.com/mdm/checkin")
        self.assertEqual(profile.topic, TOPIC)
        (stored,) = self.world.commands.challenges
        assert isinstance(stored, EnrollmentChallenge)
        self.assertEqual(stored.sha256, sha256(profile.challenge.encode()).hexdigest())
        self.assertEqual(stored.subject, "CN=" + profile.subject[0][0][1])
        self.assertEqual((stored.enrollment_id, stored.host_uuid), ("UDID-1", "UDID-1"))
        self.assertEqual(stored.token_sha256, None)
        self.assertEqual(stored.expires_at, NOW + timedelta(hours=1))
        self.assertNotIn(profile.challenge, repr(events))
        self.assertEqual([event.get("step") for event in events if event.get("step")], [])

    def test_again(self) -> None:
        """
        Each hand-over has a challenge and UUIDs of its own.
        """
        self.queue_renewal()
        one, other = (self.profile(self.answer(report("Idle"))) for _ in range(2))
        self.assertNotEqual(one.challenge, other.challenge)
        self.assertNotEqual(one.scep_uuid, other.scep_uuid)

    def test_old_topic(self) -> None:
        """
        A device that enrolled with another topic gets that one: it would take no other.
        """
        self.queue_renewal()
        pending = self.world.identities.renewals["r-1"]
        self.world.identities.renewals["r-1"] = replace(pending, topic="com.apple.mgmt.old")
        self.assertEqual(self.profile(self.answer(report("Idle"))).topic, "com.apple.mgmt.old")

    def test_no_push_certificate(self) -> None:
        """
        Without any topic the renewal fails, and the next command is offered.
        """
        self.queue_renewal()
        self.world.identity_parts.topic = None
        pending = self.world.identities.renewals["r-1"]
        self.world.identities.renewals["r-1"] = replace(pending, topic=None)
        self.world.queue("command-1", None)
        self.assertEqual(self.answer(report("Idle")), b"raw command-1")
        self.assertEqual(self.world.commands.statuses["r-1"], "cancelled")
        self.assertTrue(self.world.identities.answers[0][1].failed)

    def test_of_no_enrollment(self) -> None:
        """
        One whose enrollment began anew meanwhile is cancelled.
        """
        self.queue_renewal()
        self.world.identities.renewals.clear()
        self.assertEqual(self.answer(report("Idle")), b"")
        self.assertEqual(self.world.commands.statuses["r-1"], "cancelled")
        self.assertEqual(self.world.identities.answers, [])

    def test_acknowledged(self) -> None:
        """
        When the device has used its new identity nothing else is to be done; otherwise it is
        looked at again, without being a failure.
        """
        self.queue_renewal(done=True)
        self.assertEqual(self.answer(report("Acknowledged", "r-1")), b"")
        self.assertEqual(self.world.identities.answers, [])
        self.world.commands.statuses.clear()
        self.queue_renewal()
        self.answer(report("Acknowledged", "r-1"))
        ((uuid, answer),) = self.world.identities.answers
        self.assertEqual((uuid, answer.failed), ("r-1", False))
        self.assertEqual(answer.look_at, NOW + timedelta(hours=1))
        self.assertEqual(self.world.identities.activities, [])

    def test_lost_answer(self) -> None:
        """
        A device that comes with its new identity has done the command whose answer was lost: it is
        not offered again.
        """
        self.queue_renewal(done=True)
        self.world.queue("command-1", None)
        self.assertEqual(self.answer(report("Idle")), b"raw command-1")
        (finished,) = self.world.commands.finished
        self.assertEqual(finished[:2], ("r-1", "Acknowledged"))
        self.assertIn("came with its new identity", finished[2])

    def test_error(self) -> None:
        """
        A failure is told with its reason, tried again later, and an activity.
        """
        self.queue_renewal()
        with capturedLogs() as events:
            self.answer(report("Error", "r-1", errors=[chain_item(text="no room")]))
        ((uuid, answer),) = self.world.identities.answers
        self.assertEqual((uuid, answer.failed), ("r-1", True))
        self.assertIn("no room", answer.detail)
        self.assertEqual(answer.look_at, NOW + timedelta(hours=1))
        (done,) = self.world.identities.activities
        self.assertEqual((done.actor, done.subject), ("scepd", "UDID-1"))
        self.assertIn("did not renew", events[-1]["log_format"])
        self.answer(report("Error", "r-1"))
        self.assertEqual(len(self.world.identities.answers), 1)

    def test_not_now(self) -> None:
        """
        NotNow is no failure.
        """
        self.queue_renewal()
        self.answer(report("NotNow", "r-1"))
        self.assertEqual(self.world.identities.answers, [])
        self.assertEqual(self.world.commands.statuses["r-1"], "NotNow")


class ExpiredTests(IdentityCheckInCase):
    """
    Tests for an identity that has expired.
    """

    def setUp(self) -> None:
        """
        Let it have expired yesterday; another command waits.
        """
        super().setUp()
        self.expired = {"not_after": NOW - timedelta(days=1)}
        self.world.queue("command-1", None)

    def test_renewal_only(self) -> None:
        """
        It is offered its renewal, and nothing else.
        """
        self.queue_renewal()
        self.pin(self.world.identity, renewal_command="r-1", **self.expired)
        body = plistlib.loads(self.answer(report("Idle")))
        self.assertEqual(body["CommandUUID"], "r-1")
        self.assertEqual(self.answer(report("NotNow", "r-1")), b"")
        self.assertEqual(self.world.identities.begun, [])

    def test_results(self) -> None:
        """
        What it answers is recorded; what waits is not offered.
        """
        self.pin(self.world.identity, **self.expired)
        self.assertEqual(self.answer(report("Acknowledged", "command-1")), b"")
        self.assertEqual(self.world.commands.statuses, {"command-1": "Acknowledged"})

    def test_begun(self) -> None:
        """
        When no renewal waits, one begins at once.
        """
        self.pin(self.world.identity, **self.expired)
        uuid = "renewal-1"
        pending = PendingRenewal("UDID-1", "UDID-1", TOPIC, NOW, 0, False)
        self.world.identities.renewals[uuid] = pending
        self.assertEqual(self.answer(report("Idle")), b"")
        ((_, command, only_due),) = self.world.identities.begun
        self.assertEqual((command.uuid, only_due), (uuid, True))

    def test_begun_and_offered(self) -> None:
        """
        What began is offered in the same answer, also when the one before it has ended.
        """
        self.queue_renewal()
        self.world.commands.statuses["r-1"] = "Error"
        self.world.commands.cancelled_at_pick_up.add("r-1")
        self.pin(self.world.identity, renewal_command="r-1", **self.expired)
        uuid = "renewal-1"
        self.world.identities.renewals[uuid] = replace(self.world.identities.renewals["r-1"])
        self.world.commands.queued[uuid] = replace(self.world.commands.queued["r-1"], uuid=uuid)
        body = plistlib.loads(self.answer(report("Idle")))
        self.assertEqual(body["CommandUUID"], uuid)

    def test_ended_before(self) -> None:
        """
        A renewal that has its result does not fail once more.
        """
        self.queue_renewal()
        self.world.commands.statuses["r-1"] = "Error"
        self.world.identity_parts.topic = None
        pending = self.world.identities.renewals["r-1"]
        self.world.identities.renewals["r-1"] = replace(pending, topic=None)
        self.pin(self.world.identity, renewal_command="r-1", **self.expired)
        self.world.identities.refused.add(self.world.known().certificate_sha256)
        self.assertEqual(self.answer(report("Idle")), b"")
        self.assertEqual(self.world.identities.answers, [])

    def test_not_begun(self) -> None:
        """
        One that failed a moment ago is not tried again at once.
        """
        self.pin(self.world.identity, **self.expired)
        self.world.identities.refused.add(self.world.known().certificate_sha256)
        self.assertEqual(self.answer(report("Idle")), b"")
        self.assertEqual(self.world.identities.begun, [])

    def test_heard(self) -> None:
        """
        It can still tell its push address, and leave; it begins no enrollment and gets no secret.
        """
        self.pin(self.world.identity, **self.expired)
        self.answer(token_update())
        self.refused(self.world.send(authenticate()))
        self.refused(self.world.send(check_in("GetBootstrapToken")))
        self.answer(check_in("CheckOut"))
        self.assertFalse(self.world.check_ins.enrollments["UDID-1"].enabled)

    def test_grace(self) -> None:
        """
        It is heard for the grace, and not longer; one that is not pinned not at all.
        """
        self.pin(self.world.identity, not_after=NOW)
        self.world.clock.advance(timedelta(days=10).total_seconds() - 1)
        self.answer(report("Acknowledged", "command-1"))
        self.world.clock.advance(1)
        self.assertEqual(utc_now(self.world.clock), NOW + timedelta(days=10))
        self.refused(self.world.send(report("Idle")))
        self.world.issue(self.world.identity, not_after=utc_now(self.world.clock))
        self.refused(self.world.send(authenticate()))

    def test_revoked(self) -> None:
        """
        One that was revoked is not.
        """
        self.pin(self.world.identity, revoked=True, **self.expired)
        self.refused(self.world.send(report("Idle")))
