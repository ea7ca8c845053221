"""
Tests for check-in messages, and for who is listened to.
"""

from __future__ import annotations

import plistlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from twisted.internet.defer import Deferred
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import (
    Conflict,
    EncodingError,
    LimitExceeded,
    MessageError,
    SignatureInvalid,
    StorageUnavailable,
)
from scepd.model import push_place
from scepd.services.checkin_identity import DeviceRefused
from scepd.services.checkin_messages import FeatureMissing, UserChannelDeclined
from scepd.services.clock import utc_now
from tests.support.fake_mdm_world import (
    KEYRING,
    NOW,
    MDMWorld,
    authenticate,
    check_in,
    report,
    signed,
    token_update,
)
from tests.support.pki import party


class CheckInTestCase(SynchronousTestCase):
    """
    A device that may enroll.
    """

    def setUp(self) -> None:
        """
        Make the services.
        """
        self.world = MDMWorld()
        self.store = self.world.check_ins

    def refused(self, sent: Deferred[bytes], kind: type[Exception] = DeviceRefused) -> None:
        """
        Check that a message was refused.
        """
        self.failureResultOf(sent, kind)


class IdentityTests(CheckInTestCase):
    """
    Tests for who is listened to.
    """

    def answer(self, body: bytes, signature: bytes) -> Deferred[bytes]:
        """
        Send anything.
        """
        return Deferred.fromCoroutine(self.world.check_in.answer(body, signature))

    def test_no_signature(self) -> None:
        """
        Without a signature that can be read nothing is read.
        """
        for signature in (b"", b"nonsense", b"\xff", b"x" * 100_000):
            self.refused(self.answer(authenticate(), signature), MessageError)

    def test_wrong_signature(self) -> None:
        """
        A signature of another body is refused before the body is parsed.
        """
        signature = signed(authenticate(), self.world.identity)
        for body in (authenticate("UDID-2"), b"no property list", b""):
            self.refused(self.answer(body, signature), SignatureInvalid)
        self.assertEqual(self.store.hosts, {})

    def test_large_body(self) -> None:
        """
        More than 8 MiB are refused before anything is computed.
        """
        self.refused(self.answer(b"x" * (8 * 1024 * 1024 + 1), b""), LimitExceeded)
        self.assertEqual(self.world.workers.calls, 0)

    def test_large_check_in(self) -> None:
        """
        A check-in message has at most 1 MiB.
        """
        self.refused(self.world.send(authenticate(Padding=b"x" * 1_000_000)), LimitExceeded)

    def test_unknown_identity(self) -> None:
        """
        A certificate that was not issued for an enrollment is refused.
        """
        stranger = party("CN=stranger", 1)
        with capturedLogs() as events:
            self.refused(self.world.send(authenticate(), stranger))
        self.assertEqual(events[-1]["log_level"].name, "warn")

    def test_expired_identity(self) -> None:
        """
        An identity that has expired begins no enrollment.
        """
        self.world.issue(self.world.identity, not_after=NOW + timedelta(days=1))
        self.world.clock.advance(86_400)
        self.refused(self.world.send(authenticate()))
        self.assertEqual(self.store.hosts, {})

    def test_revoked_identity(self) -> None:
        """
        An identity that an operator revoked is refused, with a line in the log.
        """
        self.world.enroll()
        self.world.issue(
            self.world.identity,
            enrollment_id="UDID-1",
            enabled=True,
            host_uuid="UDID-1",
            revoked=True,
        )
        with capturedLogs() as events:
            self.refused(self.world.send(report("Idle")))
        self.assertIn("is revoked", events[-1]["log_format"])

    def test_other_device(self) -> None:
        """
        A message that names another device than the one its identity is pinned to is refused, with
        a line in the log, whatever kind of message it is.
        """
        self.world.enroll()
        for message in (
            authenticate("UDID-2"),
            token_update("UDID-2"),
            check_in("CheckOut", "UDID-2"),
            report("Idle", udid="UDID-2"),
            report("Idle", udid="UDID-2", UserID="USER"),
            plistlib.dumps({"Status": "Idle", "EnrollmentID": "E-1"}),
        ):
            with capturedLogs() as events:
                self.refused(self.world.send(message))
            self.assertEqual(events[-1]["enrollment"], "UDID-1")
        self.assertEqual(list(self.store.hosts), ["UDID-1"])

    def test_before_authenticate(self) -> None:
        """
        An identity that was not used to authenticate speaks for nobody.
        """
        for message in (token_update(), check_in("CheckOut"), report("Idle")):
            self.refused(self.world.send(message))

    def test_junk(self) -> None:
        """
        Signed junk is refused.
        """
        for body in (b"", b"<plist/>", plistlib.dumps({}), plistlib.dumps([]), check_in("X", "")):
            self.refused(
                self.world.send(body), MessageError if body != check_in("X", "") else DeviceRefused
            )

    def test_unknown_message(self) -> None:
        """
        A message of an unknown type is refused.
        """
        self.world.enroll()
        self.refused(self.world.send(check_in("Nonsense")))

    def test_storage_unavailable(self) -> None:
        """
        While the database is down the device is to try again.
        """
        self.store.broken = True
        self.refused(self.world.send(authenticate()), StorageUnavailable)


class EnrollingTests(CheckInTestCase):
    """
    Tests for Authenticate and TokenUpdate.
    """

    def test_authenticate(self) -> None:
        """
        The host is stored with what it says of itself and the labels of its token; its enrollment
        is not enabled yet.
        """
        self.assertEqual(self.successResultOf(self.world.send(authenticate())), b"")
        host = self.store.hosts["UDID-1"]
        self.assertEqual((host.serial_number, host.platform), ("C02ABC", "macos"))
        self.assertEqual((host.model, host.os_version), ("Mac14,7", "15.1"))
        self.assertEqual(host.labels, ("office",))
        enrollment = self.store.enrollments["UDID-1"]
        self.assertEqual((enrollment.kind, enrollment.enabled), ("device", False))
        self.assertEqual(enrollment.enrolled_at, NOW)
        self.assertEqual(self.world.known().enrollment_id, "UDID-1")

    def test_platforms(self) -> None:
        """
        The platform is told from the names of the model, in whichever field they come.
        """
        for said, platform in (
            ({"ProductName": "iPhone12,1"}, "ios"),
            ({"ProductName": "iPad8,1"}, "ipados"),
            ({"ProductName": "", "ModelName": "MacBook Pro"}, "macos"),
            ({"ProductName": "", "Model": "VirtualMac2,1"}, "macos"),
            ({"ProductName": ""}, ""),
        ):
            self.successResultOf(self.world.send(authenticate(**said)))
            self.assertEqual(self.store.hosts["UDID-1"].platform, platform)

    def test_user_enrollment(self) -> None:
        """
        A device that hides its UDID is known by its EnrollmentID.
        """
        body = plistlib.dumps({"MessageType": "Authenticate", "EnrollmentID": "E-1"})
        self.successResultOf(self.world.send(body))
        self.assertEqual(self.store.enrollments["E-1"].kind, "user-enrollment")
        self.assertEqual(self.store.hosts["E-1"].uuid, "E-1")

    def test_user_enrollment_works(self) -> None:
        """
        It is pushed, asks and answers by its EnrollmentID; a user channel of it is refused, and so
        is one who names it with another's identity.
        """
        token = {"Topic": "com.apple.mgmt.External.1", "Token": b"t", "PushMagic": "magic"}
        idle = {"Status": "Idle"}
        answer = {"Status": "Acknowledged", "CommandUUID": "command-1"}
        for said in ({"MessageType": "Authenticate"}, {"MessageType": "TokenUpdate", **token}):
            self.successResultOf(self.send_as("E-1", said))
        self.world.queue("command-1", None)
        queued = self.world.commands.queued
        queued["command-1"] = replace(queued["command-1"], enrollment_id="E-1")
        self.assertEqual(self.successResultOf(self.send_as("E-1", idle)), b"raw command-1")
        self.assertEqual(self.successResultOf(self.send_as("E-1", answer)), b"")
        self.assertEqual(self.world.commands.statuses, {"command-1": "Acknowledged"})
        self.refused(self.send_as("E-1", {**idle, "EnrollmentUserID": "U"}))
        self.refused(self.send_as("E-2", idle))
        self.successResultOf(self.send_as("E-1", {"MessageType": "CheckOut"}))
        self.assertFalse(self.store.enrollments["E-1"].enabled)

    def send_as(self, enrollment_id: str, said: Mapping[str, object]) -> Deferred[bytes]:
        """
        Send what a device says that hides its UDID.
        """
        return self.world.send(plistlib.dumps({**said, "EnrollmentID": enrollment_id}))

    def test_token_update(self) -> None:
        """
        Token and magic are stored encrypted; a push is due now, and the pushes are told.
        """
        self.world.enroll()
        push = self.store.enrollments["UDID-1"].push
        assert push is not None
        self.assertEqual(push.topic, "com.apple.mgmt.External.1")
        self.assertEqual(KEYRING.open(push.secret, push_place("UDID-1")), b"0a0b:magic")
        self.assertEqual(self.store.push_dues, [utc_now(self.world.clock)])
        self.assertEqual(self.world.woken, 1)
        self.assertTrue(self.world.known().enabled)

    def test_no_secret_in_logs(self) -> None:
        """
        Neither token nor magic is logged.
        """
        with capturedLogs() as events:
            self.world.enroll()
        self.assertNotIn("0a0b", repr(events))
        self.assertNotIn("magic", repr(events))

    def test_repeated(self) -> None:
        """
        A device that did not hear the answer sends the same again.
        """
        for message in (authenticate(), authenticate(), token_update(), token_update()):
            self.successResultOf(self.world.send(message))
        self.assertTrue(self.store.enrollments["UDID-1"].enabled)

    def test_other_enrollments_identity(self) -> None:
        """
        An identity that storage finds pinned to another enrollment is refused.
        """
        self.store.taken = True
        self.refused(self.world.send(authenticate()), Conflict)


class ReenrollmentTests(CheckInTestCase):
    """
    Tests for a device that enrolls again.
    """

    def setUp(self) -> None:
        """
        Enroll the device, and issue another identity.
        """
        super().setUp()
        self.world.enroll()
        self.other = party("CN=device-1 again", 1)
        self.world.issue(self.other)

    def test_enabled(self) -> None:
        """
        Another identity can't take over a device that is enrolled; the log says who tried.
        """
        with capturedLogs() as events:
            self.refused(self.world.send(authenticate(), self.other))
        self.assertEqual(events[-1]["enrollment"], "UDID-1")
        self.assertTrue(self.world.known().enabled)

    def test_tried(self) -> None:
        """
        Operators are told who tried, once an hour.
        """
        for _ in range(3):
            self.refused(self.world.send(authenticate(), self.other))
        (told,) = self.store.activities
        self.assertEqual(
            (told.actor, told.action, told.subject),
            ("scepd", "refused to enroll again", "UDID-1"),
        )
        self.world.clock.advance(3600)
        self.refused(self.world.send(authenticate(), self.other))
        self.assertEqual(len(self.store.activities), 2)

    def test_enabled_meanwhile(self) -> None:
        """
        Nor can it when the device is enabled just then.
        """
        enabled = self.store.enrollments["UDID-1"]
        self.store.enrollments["UDID-1"] = replace(enabled, enabled=False)
        self.store.enabled_meanwhile = True
        self.refused(self.world.send(authenticate(), self.other), Conflict)
        self.assertTrue(self.world.known().enabled)

    def test_allowed(self) -> None:
        """
        It can when its enrollment token says so; the old identity is heard no more.
        """
        self.world.issue(self.other, allow_reenrollment=True)
        self.successResultOf(self.world.send(authenticate(), self.other))
        (told,) = self.store.activities
        self.assertEqual((told.action, told.subject), ("enrolled again while enrolled", "UDID-1"))
        self.successResultOf(self.world.send(token_update(), self.other))
        self.refused(self.world.send(report("Idle")))
        self.successResultOf(self.world.send(report("Idle"), self.other))

    def test_same_identity(self) -> None:
        """
        The identity of the device itself may begin anew.
        """
        self.successResultOf(self.world.send(authenticate()))
        self.assertFalse(self.store.enrollments["UDID-1"].enabled)

    def test_after_check_out(self) -> None:
        """
        A device that left may come back with any token.
        """
        self.successResultOf(self.world.send(check_in("CheckOut")))
        self.successResultOf(self.world.send(authenticate(), self.other))


class LeavingTests(CheckInTestCase):
    """
    Tests for CheckOut and what follows it.
    """

    def test_check_out(self) -> None:
        """
        After CheckOut every message is refused until the device authenticates anew.
        """
        self.world.enroll()
        self.assertEqual(self.successResultOf(self.world.send(check_in("CheckOut"))), b"")
        self.assertFalse(self.store.enrollments["UDID-1"].enabled)
        for message in (
            report("Idle"),
            report("Acknowledged", "command-1"),
            token_update(),
            check_in("CheckOut"),
            check_in("SetBootstrapToken", BootstrapToken=b"x"),
        ):
            self.refused(self.world.send(message))
        self.successResultOf(self.world.send(authenticate()))
        self.refused(self.world.send(report("Idle")))
        self.successResultOf(self.world.send(token_update()))
        self.successResultOf(self.world.send(report("Idle")))

    def test_address_forgotten(self) -> None:
        """
        That a device which left can't be pushed to any more does not let it in again.
        """
        self.world.enroll()
        self.successResultOf(self.world.send(check_in("CheckOut")))
        left = self.store.enrollments["UDID-1"]
        self.store.enrollments["UDID-1"] = replace(left, push=None)
        self.refused(self.world.send(token_update()))
        self.assertFalse(self.store.enrollments["UDID-1"].enabled)

    def test_before_token_update(self) -> None:
        """
        An enrollment that was begun can be given up.
        """
        self.successResultOf(self.world.send(authenticate()))
        self.successResultOf(self.world.send(check_in("CheckOut")))


class OtherMessagesTests(CheckInTestCase):
    """
    Tests for what is not offered, and for all messages.
    """

    def setUp(self) -> None:
        """
        Enroll the device.
        """
        super().setUp()
        self.world.enroll()

    def test_not_offered(self) -> None:
        """
        There is no declarative management, and no token of Apple's services.
        """
        for message in (
            check_in("DeclarativeManagement", Endpoint="tokens"),
            check_in("GetToken", TokenServiceType="com.apple.maid"),
        ):
            self.refused(self.world.send(message), FeatureMissing)

    def test_user_authenticate(self) -> None:
        """
        Users of a network directory get no channel.
        """
        message = check_in("UserAuthenticate", UserID="USER")
        self.refused(self.world.send(message), UserChannelDeclined)

    def test_last_seen(self) -> None:
        """
        Whoever was heard is remembered as seen, some time later.
        """
        self.successResultOf(self.world.send(report("Idle")))
        self.assertEqual(self.store.seen, {})
        self.successResultOf(Deferred.fromCoroutine(self.world.last_seen.flush()))
        self.assertEqual(list(self.store.seen), ["UDID-1"])

    def test_binary_and_without_device(self) -> None:
        """
        Binary property lists are read; a message that names no device is refused.
        """
        body = plistlib.dumps({"Status": "Idle", "UDID": "UDID-1"}, fmt=plistlib.FMT_BINARY)
        self.assertEqual(self.successResultOf(self.world.send(body)), b"")
        self.refused(self.world.send(plistlib.dumps({"Status": "Idle"})), EncodingError)
