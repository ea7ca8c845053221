"""
Tests for what users of a device send over channels of their own.
"""

from __future__ import annotations

from dataclasses import replace

from twisted.internet.defer import Deferred
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import StorageUnavailable
from scepd.model import QueuedCommand, push_place
from scepd.services.checkin_identity import DeviceRefused
from scepd.services.checkin_messages import FeatureMissing, UserChannelDeclined
from tests.support.fake_mdm_world import (
    KEYRING,
    NOW,
    MDMWorld,
    authenticate,
    check_in,
    report,
    token_update,
)
from tests.support.pki import Party, party

USER = "0B1C6C4E-0001-4000-8000-000000000001"
CHANNEL = f"UDID-1:{USER}"


class UserChannelTestCase(SynchronousTestCase):
    """
    A Mac that is enrolled.
    """

    def setUp(self) -> None:
        """
        Enroll it.
        """
        self.world = MDMWorld()
        self.world.enroll()
        self.enrollments = self.world.check_ins.enrollments

    def answer(self, body: bytes, identity: Party | None = None) -> bytes:
        """
        The answer to a message.
        """
        return self.successResultOf(self.world.send(body, identity))

    def refused(self, body: bytes, kind: type[Exception] = DeviceRefused) -> None:
        """
        Check that a message was refused.
        """
        self.failureResultOf(self.world.send(body), kind)

    def appear(self, **more: object) -> None:
        """
        The user's channel is enabled.
        """
        said: dict[str, object] = {"UserID": USER, "UserShortName": "ann"}
        self.answer(token_update("UDID-1", **(said | more)))

    def queue(self, uuid: str, enrollment_id: str) -> None:
        """
        Queue a command.
        """
        body = b"raw " + uuid.encode()
        self.world.commands.queued[uuid] = QueuedCommand(
            uuid, enrollment_id, "ProfileList", None, body, 100, NOW
        )


class AppearingTests(UserChannelTestCase):
    """
    Tests for how a channel begins and ends.
    """

    def test_token_update(self) -> None:
        """
        A TokenUpdate with a UserID enables a channel beside the device, with a push address of its
        own, sealed for its own place.
        """
        woken = self.world.woken
        self.appear(Token=b"\x0c", PushMagic="user magic")
        found = self.enrollments[CHANNEL]
        self.assertEqual(
            (found.host_uuid, found.kind, found.enabled, found.user_name, found.enrolled_at),
            ("UDID-1", "user", True, "ann", NOW),
        )
        assert found.push is not None
        opened = KEYRING.open(found.push.secret, push_place(CHANNEL))
        self.assertEqual(opened, b"0c:user magic")
        self.assertEqual(self.world.user_channel_store.push_dues, [NOW])
        self.assertEqual(self.world.woken, woken + 1)
        self.assertTrue(self.enrollments["UDID-1"].enabled)

    def test_user_enrollment(self) -> None:
        """
        The channel of a user of a device that is enrolled by its user.
        """
        self.world = MDMWorld()
        for message in (authenticate, token_update):
            self.answer(message("", EnrollmentID="E-1"))
        self.answer(token_update("", EnrollmentID="E-1", EnrollmentUserID="U-1"))
        found = self.world.check_ins.enrollments["E-1:U-1"]
        self.assertEqual((found.kind, found.host_uuid), ("user-enrollment-user", "E-1"))

    def test_shared_ipad(self) -> None:
        """
        On a Shared iPad all users have one UserID; their short names tell them apart.
        """
        everyone = "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF"
        for name in ("ann", "bob"):
            self.answer(token_update(UserID=everyone, UserShortName=name))
        self.assertEqual(list(self.enrollments), ["UDID-1", "UDID-1:ann", "UDID-1:bob"])

    def test_check_out(self) -> None:
        """
        A CheckOut ends that channel alone, until another TokenUpdate.
        """
        self.appear()
        self.answer(token_update(UserID="OTHER"))
        self.answer(check_in("CheckOut", UserID=USER))
        enabled = [one.id for one in self.enrollments.values() if one.enabled]
        self.assertEqual(enabled, ["UDID-1", "UDID-1:OTHER"])
        for message in (report("Idle", UserID=USER), check_in("CheckOut", UserID=USER)):
            self.refused(message)
        self.answer(report("Idle"))
        self.appear()
        self.answer(report("Idle", UserID=USER))

    def test_never_seen(self) -> None:
        """
        Nothing but a TokenUpdate makes a channel; the log says whose message was refused.
        """
        for message in (
            report("Idle", UserID=USER),
            report("Acknowledged", "command-1", UserID=USER),
            check_in("CheckOut", UserID=USER),
            check_in("GetToken", UserID=USER),
        ):
            with capturedLogs() as events:
                self.refused(message)
            self.assertEqual(events[-1]["enrollment"], CHANNEL)
        self.assertEqual(list(self.enrollments), ["UDID-1"])

    def test_of_another_device(self) -> None:
        """
        A channel of another device than the certificate's is refused.
        """
        self.appear()
        other = party("CN=device-2", 1)
        self.world.issue(other, enrollment_id="UDID-2", enabled=True, host_uuid="UDID-2")
        for message in (token_update(UserID="NEW"), report("Idle", UserID=USER)):
            self.failureResultOf(self.world.send(message, other), DeviceRefused)
        self.assertNotIn("UDID-1:NEW", self.enrollments)

    def test_device_not_enabled(self) -> None:
        """
        Before the device's own TokenUpdate, and after its CheckOut, there are no user channels.
        """
        self.world = MDMWorld()
        self.answer(authenticate())
        self.refused(token_update(UserID=USER))
        self.answer(token_update())
        self.appear()
        self.answer(check_in("CheckOut"))
        for message in (token_update(UserID=USER), report("Idle", UserID=USER)):
            self.refused(message)

    def test_device_left_meanwhile(self) -> None:
        """
        A TokenUpdate that crosses the end of its device is refused as any other.
        """
        self.world.user_channel_store.device_left = True
        self.refused(token_update(UserID=USER))

    def test_storage_unavailable(self) -> None:
        """
        What could not be stored is not answered as if it were.
        """
        self.world.user_channel_store.broken = True
        self.refused(token_update(UserID=USER), StorageUnavailable)

    def test_messages_of_devices(self) -> None:
        """
        What only a device says is refused over a user channel, and changes nothing.
        """
        self.appear()
        for message in (
            authenticate(UserID=USER),
            check_in("SetBootstrapToken", UserID=USER, BootstrapToken=b"secret"),
            check_in("GetBootstrapToken", UserID=USER),
            check_in("Nonsense", UserID=USER),
        ):
            self.refused(message)
        self.assertEqual(self.world.bootstrap_tokens.tokens, {})
        self.assertTrue(self.enrollments[CHANNEL].enabled)

    def test_not_offered(self) -> None:
        """
        Declarative management and tokens are not offered there either.
        """
        self.appear()
        for kind in ("DeclarativeManagement", "GetToken"):
            self.refused(check_in(kind, UserID=USER), FeatureMissing)

    def test_directory_users(self) -> None:
        """
        Users of a network directory are declined, also when they have a channel.
        """
        self.refused(check_in("UserAuthenticate", UserID=USER), UserChannelDeclined)
        self.appear()
        self.refused(check_in("UserAuthenticate", UserID=USER), UserChannelDeclined)


class QueueTests(UserChannelTestCase):
    """
    Tests for the queue of a channel.
    """

    def setUp(self) -> None:
        """
        Queue a command for the device, and one for the user.
        """
        super().setUp()
        self.appear()
        self.queue("of-device", "UDID-1")
        self.queue("of-user", CHANNEL)

    def test_own_queue(self) -> None:
        """
        Each channel is handed what waits in its own queue.
        """
        self.assertEqual(self.answer(report("Idle", UserID=USER)), b"raw of-user")
        self.assertEqual(self.answer(report("Idle")), b"raw of-device")
        self.assertEqual(self.answer(report("Acknowledged", "of-user", UserID=USER)), b"")
        self.assertEqual(self.answer(report("Idle")), b"raw of-device")

    def test_result_of_another_channel(self) -> None:
        """
        A result counts on the channel of its command alone; elsewhere it is no more than a line in
        the log.
        """
        self.answer(report("Acknowledged", "of-user"))
        self.answer(report("Acknowledged", "of-device", UserID=USER))
        self.assertEqual(self.world.commands.finished, [])

    def test_not_now(self) -> None:
        """
        After a NotNow the user's commands wait for the user's next Idle, and not for the device's.
        """
        self.assertEqual(self.answer(report("NotNow", "of-user", UserID=USER)), b"")
        self.assertEqual(self.answer(report("Idle")), b"raw of-device")
        self.assertEqual(self.answer(report("Idle", UserID=USER)), b"raw of-user")

    def test_user_profile(self) -> None:
        """
        A profile is rendered for the host, whichever channel it goes by.
        """
        self.world.queue("delivery", self.world.profile)
        command = self.world.commands.queued["delivery"]
        self.world.commands.queued = {"delivery": replace(command, enrollment_id=CHANNEL)}
        self.assertEqual(self.answer(report("Idle")), b"")
        body = self.answer(report("Idle", UserID=USER))
        self.assertIn(b"InstallProfile", body)
        self.answer(report("Acknowledged", "delivery", UserID=USER))
        (finished,) = self.world.commands.finished
        self.assertEqual(finished[:2], ("delivery", "Acknowledged"))
        assert finished[3] is not None
        self.assertEqual(finished[3].host_uuid, "UDID-1")

    def test_last_seen(self) -> None:
        """
        The user's channel was seen, and not the device's.
        """
        self.successResultOf(Deferred.fromCoroutine(self.world.last_seen.flush()))
        self.world.check_ins.seen.clear()
        self.answer(report("Idle", UserID=USER))
        self.successResultOf(Deferred.fromCoroutine(self.world.last_seen.flush()))
        self.assertEqual(list(self.world.check_ins.seen), [CHANNEL])
