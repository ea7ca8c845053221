"""
Tests for commands that can't be made for their device, by a fault of scepd.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from twisted.internet.defer import CancelledError
from twisted.logger import LogEvent, capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import StorageUnavailable
from scepd.logs import text_line
from scepd.model import (
    ENROLLMENT_PROFILE,
    CommandRecord,
    Offers,
    PendingRenewal,
    QueuedCommand,
    RowEvent,
)
from scepd.pki.keyring import Keyring, SealedSecret, SecretPlace
from scepd.profiles.lifecycle import Event
from scepd.services.clock import utc_now
from scepd.services.unrendered import TextWithheld
from tests.storage.inline import InlineDatabase
from tests.support.at_once import at_once
from tests.support.fake_mdm_world import CHALLENGE, KEYRING, NOW, MDMWorld, report
from tests.support.lifecycle_world import PLAIN, SCEP, LifecycleWorld, Offer

HOUR = timedelta(hours=1)
REASON = (
    "could not be made, {} since {} (ValueError): a fault of scepd, whose log has the traceback"
)
ONCE = REASON.format("once", "2026-06-01T12:00:00Z")
LAST = REASON.format("10 times", "2026-06-01T04:00:00Z")
NEARLY = Offers(failures=9, failing_since=NOW - 8 * HOUR, setbacks=1)


class FaultyKeyring(Keyring):
    """
    A keyring that fails in a way that nobody has thought of, and tells the challenge.
    """

    def open(self, secret: SealedSecret, place: SecretPlace) -> bytes:
        """
        Fail.
        """
        raise ValueError(f"not what it should be: {CHALLENGE}")


class CancelledKeyring(Keyring):
    """
    One whose user has gone meanwhile.
    """

    def open(self, secret: SealedSecret, place: SecretPlace) -> bytes:
        """
        Be cancelled.
        """
        raise CancelledError


class Panic(BaseException):
    """
    As one of the Rust part of ``cryptography``.
    """


class PanickingKeyring(Keyring):
    """
    One that panics.
    """

    def open(self, secret: SealedSecret, place: SecretPlace) -> bytes:
        """
        Panic.
        """
        raise Panic(CHALLENGE)


KEYS = {"key-1": bytes(32)}


class UnrenderedTests(SynchronousTestCase):
    """
    Tests for L{Unrendered}, through the messages of a device.
    """

    def setUp(self) -> None:
        """
        Enroll the device; a profile with a challenge can't be made for it.
        """
        self.world = MDMWorld()
        self.plain = self.world.enroll_beside_plain()
        self.commands = self.world.commands
        self.world.keyring = FaultyKeyring(KEYS)
        self.world.queue("command-1", self.world.profile)

    def idle(self) -> bytes:
        """
        The answer to a device that is idle.
        """
        return self.successResultOf(self.world.send(report("Idle")))

    def failed(self, times: int = 1) -> None:
        """
        The log has as many failures.
        """
        self.assertEqual(len(self.flushLoggedErrors(TextWithheld)), times)

    def counted(self) -> float:
        """
        What the metric says.
        """
        value = self.world.metrics.registry.get_sample_value("scepd_command_failures_total")
        assert value is not None
        return value

    def test_next_one(self) -> None:
        """
        The device gets the next command in the same answer; the failure counts, and the operator
        reads why it waits.
        """
        self.world.queue("command-2", None)
        self.assertEqual(self.idle(), b"raw command-2")
        event = RowEvent("UDID-1", self.world.profile.uuid, Event.RENDERING_FAILED, ONCE)
        self.assertEqual(self.commands.failures, [("command-1", ONCE, event)])
        self.assertEqual(self.commands.finished, [])
        self.assertEqual(self.counted(), 1)
        self.failed()

    def test_nothing_else(self) -> None:
        """
        With nothing else the answer is empty; each poll tries once more, and once only.
        """
        for number in (1, 2, 3):
            self.assertEqual(self.idle(), b"")
            self.assertEqual(self.commands.offers["command-1"].failures, number)
        self.assertIn("3 times since", self.commands.failures[-1][1])
        self.failed(3)

    def test_several(self) -> None:
        """
        As many as there are, none holds up what can be made, though it stands behind all of them.
        """
        for number in range(3):
            self.world.queue(f"more-{number}", self.world.profile)
        self.world.queue("plain", self.plain)
        self.commands.offers["plain"] = Offers(5, NOW - HOUR, 2, NOW - HOUR)
        self.assertIn(b"plain", self.idle())
        self.assertEqual(len(self.commands.failures), 4)
        self.failed(4)

    def test_log(self) -> None:
        """
        The log has where it failed, and with what, but not the text, which may quote a secret.
        """
        with capturedLogs() as events:
            self.idle()
        self.failed()
        line = self.line(events)
        self.assertIn("Failed to make InstallProfile for host UDID-1 (command command-1)", line)
        self.assertIn("builtins.ValueError", line)
        self.assertIn("test_unrendered.py", line)
        self.assertIn("in open", line)
        self.assertNotIn(CHALLENGE, repr(events) + line)

    def line(self, events: Sequence[LogEvent]) -> str:
        """
        The failure as an operator reads it.
        """
        (event,) = (each for each in events if "log_failure" in each)
        return text_line(event)

    def test_passes(self) -> None:
        """
        A fault that passes costs nothing but time.
        """
        self.idle()
        self.failed()
        self.world.keyring = KEYRING
        self.assertIn(b"command-1", self.idle())
        self.assertEqual(self.commands.statuses["command-1"], "offered")
        self.assertEqual(self.commands.finished, [])

    def test_store_unavailable(self) -> None:
        """
        What the database can't give now counts for nothing, and the device is told to come again.
        """
        self.world.keyring = KEYRING
        self.world.queue("command-2", None)
        self.world.authorities.broken = True
        self.failureResultOf(self.world.send(report("Idle")), StorageUnavailable)
        self.world.authorities.broken = False
        self.assertEqual(self.commands.failures, [])
        self.assertIn(b"command-1", self.idle())

    def test_device_gone(self) -> None:
        """
        Nor does it count when nobody waits for the answer any more.
        """
        self.world.keyring = CancelledKeyring(KEYS)
        self.failureResultOf(self.world.send(report("Idle")), CancelledError)
        self.assertEqual(self.commands.failures, [])

    def test_panic(self) -> None:
        """
        A panic is no Exception, and a failure as any other.
        """
        self.world.keyring = PanickingKeyring(KEYS)
        self.assertEqual(self.idle(), b"")
        self.assertIn("(Panic)", self.commands.failures[0][1])
        self.failed()

    def test_not_counted(self) -> None:
        """
        A failure that can't be stored leaves everything as it was.
        """

        commands = self.commands

        class Broken(Keyring):
            def open(self, secret: SealedSecret, place: SecretPlace) -> bytes:
                commands.broken = True
                raise ValueError

        self.world.keyring = Broken(KEYS)
        self.failureResultOf(self.world.send(report("Idle")), StorageUnavailable)
        self.failed()
        self.assertEqual(self.commands.failures, [])

    def test_ends(self) -> None:
        """
        After ten failures and eight hours it ends as by an Error, with a reason to act on; the next
        one comes in the same answer.
        """
        self.world.queue("command-2", self.plain)
        self.commands.offers["command-1"] = NEARLY
        self.commands.offers["command-2"] = replace(NEARLY, setbacks=2)
        self.assertIn(b"command-2", self.idle())
        self.failed()
        [(uuid, status, detail, event)] = self.commands.finished
        self.assertEqual((uuid, status, detail), ("command-1", "Error", LAST))
        expected = RowEvent("UDID-1", self.world.profile.uuid, Event.ERROR_REPORTED, LAST)
        self.assertEqual(event, expected)
        self.assertEqual(self.commands.failures, [])

    def test_not_yet(self) -> None:
        """
        Neither ten failures nor eight hours are enough alone.
        """
        few = replace(NEARLY, failures=8)
        soon = replace(NEARLY, failing_since=NOW - 7 * HOUR, failures=1000)
        for offers in (few, soon):
            self.commands.offers["command-1"] = offers
            self.assertEqual(self.idle(), b"")
        self.assertEqual(self.commands.finished, [])
        self.failed(2)

    def test_recovered(self) -> None:
        """
        What can be made at last is not given up, however often it failed before.
        """
        self.world.keyring = KEYRING
        self.commands.offers["command-1"] = replace(NEARLY, failures=1000)
        self.assertIn(b"command-1", self.idle())
        self.assertEqual(self.commands.finished, [])

    def renew(self, offers: Offers) -> None:
        """
        A renewal of the identity waits, which can't be made.
        """
        del self.commands.queued["command-1"]
        self.commands.queued["r-1"] = QueuedCommand(
            "r-1", "UDID-1", "InstallProfile", ENROLLMENT_PROFILE, None, 50, NOW
        )
        # No property list holds such a topic.
        topic: Any = object()
        self.world.identities.renewals["r-1"] = PendingRenewal(
            "UDID-1", "UDID-1", topic, NOW + timedelta(days=20), 0, False
        )
        self.commands.offers["r-1"] = offers

    def test_renewal(self) -> None:
        """
        A renewal of the identity holds nothing up either, and fails by its schedule in the end.
        """
        self.renew(Offers())
        self.world.queue("command-2", None)
        self.assertEqual(self.idle(), b"raw command-2")
        self.assertEqual(self.commands.failures, [("r-1", ONCE.replace("Value", "Type"), None)])
        self.commands.statuses["command-2"] = "Acknowledged"
        self.commands.offers["r-1"] = NEARLY
        self.assertEqual(self.idle(), b"")
        self.failed(2)
        ((uuid, answer),) = self.world.identities.answers
        reason = LAST.replace("Value", "Type")
        self.assertEqual((uuid, answer.detail, answer.failed), ("r-1", reason, True))
        self.assertEqual(answer.look_at, utc_now(self.world.clock) + HOUR)

    def test_renewal_of_expired(self) -> None:
        """
        A device that is offered nothing but its new identity gets an empty answer.
        """
        self.renew(Offers())
        self.world.issue(
            self.world.identity,
            not_after=NOW - timedelta(days=1),
            enrollment_id="UDID-1",
            host_uuid="UDID-1",
            enabled=True,
            renewal_command="r-1",
        )
        self.world.identities.refused.add(self.world.known().certificate_sha256)
        self.assertEqual(self.idle(), b"")
        self.assertEqual(self.commands.failures, [("r-1", ONCE.replace("Value", "Type"), None)])
        self.failed()


class FailingQueueTests(SynchronousTestCase):
    """
    A device, on a real store, one of whose profiles can't be made.
    """

    def setUp(self) -> None:
        """
        Enroll it; both profiles are queued, and then the keyring fails.
        """
        database = InlineDatabase()
        self.addCleanup(database.engine.dispose)
        self.world = world = LifecycleWorld(database)
        world.add_authority()
        world.add_profiles()
        world.authenticate("H-1")
        world.set_label("H-1", wanted=True)
        world.update_token("H-1")
        world.tick()
        world.keyring = FaultyKeyring(KEYS)

    def session(self) -> list[str]:
        """
        A device is pushed, and does what it is asked.

        :returns: the profiles that it was offered.
        """
        offered = []
        while (offer := self.world.poll("H-1")) is not None:
            offered.append(offer.identifier)
            self.acknowledge(offer)
        self.flushLoggedErrors(TextWithheld)
        return offered

    def acknowledge(self, offer: Offer) -> None:
        """
        The device did it.
        """
        if offer.identifier == SCEP.identifier:
            self.world.ask_authority("H-1", "SUCCESS")
        self.world.answer("H-1", offer, "Acknowledged")

    def record(self) -> CommandRecord:
        """
        The newest command for the profile, as an operator sees it.
        """
        found = at_once(self.world.stores.commands.commands("H-1"))
        return next(one for one in found if one.profile_uuid == SCEP.uuid)

    def row(self) -> tuple[str, int, str]:
        """
        Status, failed attempts and detail of the profile.
        """
        row = self.world.row("H-1", SCEP.uuid)
        assert row is not None
        return row.status, row.attempts, row.detail

    def test_nothing_waits_for_it(self) -> None:
        """
        The rest is done in the first session; the operator sees at once what is the matter.
        """
        self.assertEqual(self.session(), [PLAIN.identifier])
        self.assertEqual(self.record().status, "queued")
        self.assertTrue(self.record().detail.startswith("could not be made, "))
        self.assertEqual(self.row(), ("pending", 0, self.record().detail))

    def test_passes(self) -> None:
        """
        When the fault is mended the command goes out, and nothing of it is left.
        """
        self.session()
        self.world.keyring = KEYRING
        offer = self.world.poll("H-1")
        assert offer is not None
        self.assertEqual(offer.identifier, SCEP.identifier)
        self.assertEqual((self.record().status, self.record().detail), ("offered", ""))
        self.assertEqual(self.row(), ("pending", 0, ""))
        found = at_once(self.world.stores.commands.command(offer.uuid))
        assert found is not None
        self.assertEqual(found.offers, Offers(1, self.world.now))
        self.acknowledge(offer)
        self.assertEqual(self.row(), ("verifying", 0, ""))

    def test_ends(self) -> None:
        """
        It ends in Error after eight hours, is tried anew as after any Error, and has failed in the
        end with the reason.
        """
        self.session()
        first, begun = self.record().uuid, self.world.now
        while self.record().finished_at is None:
            self.world.clock.advance(1800)
            self.assertEqual(self.session(), [])
        self.assertEqual(self.world.now - begun, 8 * HOUR)
        self.assertEqual((self.record().uuid, self.record().status), (first, "Error"))
        self.assertEqual(self.row()[:2], ("pending", 1))
        self.assertIn(" times since 2026-06-01T12:00:00Z (ValueError)", self.row()[2])
        for _ in range(200):
            self.world.clock.advance(1800)
            # It fails only when it is made for the device.
            self.world.keyring = KEYRING
            self.world.tick()
            self.world.keyring = FaultyKeyring(KEYS)
            self.session()
        status, attempts, detail = self.row()
        self.assertEqual((status, attempts), ("failed", 4))
        self.assertIn("a fault of scepd, whose log has the traceback", detail)
        self.assertEqual(len(self.of_profile()), 4)

    def of_profile(self) -> list[str]:
        """
        The uuids of all commands for the profile.
        """
        found = at_once(self.world.stores.commands.commands("H-1"))
        return [one.uuid for one in found if one.profile_uuid == SCEP.uuid]

    def test_impatient_device(self) -> None:
        """
        A device that polls each second uses nothing up by that.
        """
        for _ in range(60):
            self.session()
            self.world.clock.advance(1)
        self.assertIsNone(self.record().finished_at)
