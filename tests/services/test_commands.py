"""
Tests for the hand-over of commands.
"""

from __future__ import annotations

import plistlib
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256

from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import StorageUnavailable
from scepd.model import ChallengeMode, DeliveryChallenge, WindowState
from scepd.pki.keyring import Keyring
from scepd.profiles.lifecycle import Event
from scepd.profiles.requested_names import NamePattern
from scepd.services.clock import utc_now
from tests.support.fake_mdm_world import CHALLENGE, MDMWorld, report


class CommandsTests(SynchronousTestCase):
    """
    Tests for L{Commands}, through the messages of a device.
    """

    def setUp(self) -> None:
        """
        Enroll the device.
        """
        self.world = MDMWorld()
        self.plain = self.world.enroll_beside_plain()
        self.commands = self.world.commands

    def answer(self, status: str = "Idle", command: str = "") -> bytes:
        """
        The answer to a report.
        """
        return self.successResultOf(self.world.send(report(status, command)))

    def test_nothing(self) -> None:
        """
        A device for which nothing waits gets an empty answer, and no step is logged.
        """
        with capturedLogs() as events:
            self.assertEqual(self.answer(), b"")
        self.assertEqual(events, [])

    def test_profile(self) -> None:
        """
        A profile is rendered when it is handed over.
        """
        self.world.queue("command-1", self.world.profile)
        command = plistlib.loads(self.answer())
        self.assertEqual(command["CommandUUID"], "command-1")
        self.assertEqual(command["Command"]["RequestType"], "InstallProfile")
        [payload] = plistlib.loads(command["Command"]["Payload"])["PayloadContent"]
        self.assertEqual(payload["PayloadContent"]["Challenge"], CHALLENGE)
        self.assertEqual(
            payload["PayloadContent"]["URL"],
            "https://mdm.example.com/mdm/scep/proxy/UDID-1%2CaPROFILE-1%2CCORP",
        )

    def test_window(self) -> None:
        """
        Each hand-over opens a fresh window of an hour; a plain profile needs none.
        """
        self.world.queue("command-1", self.world.profile)
        self.answer()
        self.world.clock.advance(60)
        self.answer()
        first, second = self.commands.windows
        assert first is not None and second is not None
        self.assertNotEqual(first.id, second.id)
        self.assertEqual(
            (second.host_uuid, second.profile_uuid, second.ca_name, second.state),
            ("UDID-1", "aPROFILE-1", "CORP", WindowState.OPEN),
        )
        self.assertEqual(second.opened_at, utc_now(self.world.clock))
        self.assertEqual(second.deadline - second.opened_at, timedelta(hours=1))
        self.world.queue("command-0", self.plain)
        self.commands.statuses["command-1"] = "Acknowledged"
        self.assertTrue(self.answer())
        self.assertIsNone(self.commands.windows[-1])

    def test_one_time_challenge(self) -> None:
        """
        Each hand-over brings a fresh challenge, which is stored by its SHA-256, with the window's
        end and the names that the profile asks for; its text is in the profile alone.
        """
        ca = self.world.authorities.by_name["CORP"]
        one_time = replace(ca, challenge=None, challenge_mode=ChallengeMode.ONE_TIME)
        self.world.authorities.by_name["CORP"] = one_time
        self.world.queue("command-1", self.world.profile)
        with capturedLogs() as events:
            texts = [self.challenge_in(self.answer()) for _ in range(2)]
        self.assertNotEqual(*texts)
        for text, stored, window in zip(
            texts, self.commands.challenges, self.commands.windows, strict=True
        ):
            assert isinstance(stored, DeliveryChallenge) and window is not None
            self.assertRegex(text, r"\A[A-Za-z0-9_-]{43}\Z")
            self.assertEqual(stored.sha256, sha256(text.encode()).hexdigest())
            self.assertEqual((stored.window_id, stored.deadline), (window.id, window.deadline))
            self.assertEqual(
                (stored.host_uuid, stored.profile_uuid, stored.ca_name),
                ("UDID-1", "aPROFILE-1", "CORP"),
            )
            self.assertEqual(
                stored.names.subject,
                (
                    (NamePattern("2.5.4.3", ("SERIAL-UDID-1",)),),
                    (NamePattern("2.5.4.11", ("fleet-aPROFILE-1",)),),
                ),
            )
            self.assertNotIn(text, str(events))

    def challenge_in(self, answer: bytes) -> str:
        """
        The challenge that a device gets.
        """
        command = plistlib.loads(answer)
        [payload] = plistlib.loads(command["Command"]["Payload"])["PayloadContent"]
        text: str = payload["PayloadContent"]["Challenge"]
        return text

    def test_static_challenge(self) -> None:
        """
        A static challenge is stored nowhere with the delivery.
        """
        self.world.queue("command-1", self.world.profile)
        self.answer()
        self.assertEqual(self.commands.challenges, [None])

    def test_offered_again(self) -> None:
        """
        A command that was offered and not answered is offered again.
        """
        self.world.queue("command-1", self.plain)
        self.assertEqual(self.answer(), self.answer())

    def test_order(self) -> None:
        """
        The answer to a result is the next command, until there is none.
        """
        self.world.queue("command-1", self.plain)
        self.world.queue("command-2", None, "DeviceLock")
        self.assertIn(b"command-1", self.answer())
        self.assertEqual(self.answer("Acknowledged", "command-1"), b"raw command-2")
        self.assertEqual(self.answer("Acknowledged", "command-2"), b"")

    def test_not_now(self) -> None:
        """
        What was answered NotNow is left out until the device is idle again.
        """
        self.world.queue("command-1", self.plain)
        self.world.queue("command-2", None, "DeviceLock")
        self.answer()
        self.assertEqual(self.answer("NotNow", "command-1"), b"raw command-2")
        self.assertEqual(self.answer("Acknowledged", "command-2"), b"")
        self.assertIn(b"command-1", self.answer())

    def test_not_now_again(self) -> None:
        """
        One that is answered NotNow each time keeps back nothing that was answered so once.
        """
        self.world.queue("command-1", self.plain)
        self.world.queue("command-2", None, "DeviceLock")
        self.answer()
        self.answer("NotNow", "command-1")
        self.assertEqual(self.answer("NotNow", "command-2"), b"")
        self.answer()
        self.assertEqual(self.answer("NotNow", "command-1"), b"raw command-2")

    def test_removal(self) -> None:
        """
        A removal needs the identifier only, which the assignment has when the profile is gone.
        """
        self.world.queue("command-1", self.world.profile, "RemoveProfile")
        self.world.profiles.by_uuid.clear()
        command = plistlib.loads(self.answer())["Command"]
        self.assertEqual(
            command, {"RequestType": "RemoveProfile", "Identifier": "com.example.aPROFILE-1"}
        )
        self.assertEqual(self.commands.windows, [None])

    def test_authority_gone(self) -> None:
        """
        A profile whose certificate authority was removed is cancelled and fails with the reason;
        the next command comes in the same answer.
        """
        self.world.authorities.by_name.clear()
        self.world.queue("command-1", self.world.profile)
        self.world.queue("command-2", self.plain)
        self.assertIn(b"command-2", self.answer())
        [(uuid, status, detail, event)] = self.commands.finished
        self.assertEqual((uuid, status), ("command-1", "cancelled"))
        self.assertIn('"CORP": there is none', detail)
        assert event is not None
        self.assertEqual((event.event, event.detail), (Event.RESOLUTION_FAILED, detail))

    def test_unreadable_challenge(self) -> None:
        """
        So it is with a challenge that no key opens.
        """
        self.world.keyring = Keyring({"k2": b"x" * 32})
        self.world.queue("command-1", self.world.profile)
        self.assertEqual(self.answer(), b"")
        self.assertIn("can't be decrypted", self.commands.finished[0][2])

    def test_unreadable_profile(self) -> None:
        """
        So it is with a stored profile that can't be read any more: it holds up nothing else.
        """
        for number, content in enumerate((b"bplist00junk", b"<?xml version='1.0' encoding='x'?>")):
            self.world.profiles.by_uuid["aPROFILE-1"] = replace(self.world.profile, content=content)
            self.world.queue(f"command-{number}", self.world.profile)
            self.assertEqual(self.answer(), b"")
            self.assertEqual(self.commands.finished[-1][:2], (f"command-{number}", "cancelled"))

    def test_gone(self) -> None:
        """
        So it is when profile, host or assignment are gone, or a command has nothing to say.
        """
        self.world.queue("command-1", self.world.profile)
        self.world.queue("command-2", self.world.profile, "RemoveProfile")
        self.world.queue("command-3", self.plain)
        self.world.queue("command-4", None)
        self.world.assignments.by_pair.clear()
        del self.world.profiles.by_uuid["aPROFILE-1"]
        self.world.hosts.by_uuid.clear()
        self.assertEqual(self.answer(), b"raw command-4")
        self.assertEqual(
            [detail for _, _, detail, _ in self.commands.finished],
            [
                "the profile does not exist any more",
                "the profile to remove is not known any more",
                "the host does not exist any more",
            ],
        )

    def test_cancelled_meanwhile(self) -> None:
        """
        A command that is cancelled while it is rendered is not handed over.
        """
        self.world.queue("command-1", self.world.profile)
        self.world.queue("command-2", None)
        self.commands.cancelled_at_pick_up.add("command-1")
        self.assertEqual(self.answer(), b"raw command-2")

    def test_never_for_ever(self) -> None:
        """
        Were cancelled commands to stay in the queue, the device would still get an answer.
        """
        self.world.queue("command-1", self.world.profile)
        self.world.authorities.by_name.clear()
        self.commands.sticky = True
        self.assertEqual(self.answer(), b"")

    def test_storage_unavailable(self) -> None:
        """
        Nothing is handed over that was not stored as handed over.
        """
        self.world.queue("command-1", self.world.profile)
        self.commands.broken = True
        self.failureResultOf(self.world.send(report("Idle")), StorageUnavailable)

    def test_steps(self) -> None:
        """
        The way of a profile to its device is logged, without the challenge.
        """
        self.world.queue("command-1", self.world.profile)
        with capturedLogs() as events:
            self.answer()
            self.answer("Acknowledged", "command-1")
        self.assertEqual([event.get("step") for event in events], ["B10", "B11", "B26", "B27"])
        self.assertEqual({event["host"] for event in events}, {"UDID-1"})
        self.assertNotIn(CHALLENGE, repr(events))
