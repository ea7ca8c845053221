"""
Tests for commands that a device is offered and never answers.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import StorageUnavailable
from scepd.mdm.commands import CERTIFICATE_LIST, certificate_list
from scepd.model import (
    ENROLLMENT_PROFILE,
    Admission,
    CommandRecord,
    HostInventory,
    OfferRule,
    Offers,
    PendingRenewal,
    QueuedCommand,
)
from scepd.profiles.lifecycle import Event
from scepd.services.clock import utc_now
from tests.storage import records
from tests.storage.inline import InlineDatabase
from tests.support.at_once import at_once
from tests.support.fake_mdm_world import NOW, MDMWorld, report
from tests.support.lifecycle_world import PLAIN, SCEP, LifecycleWorld, Offer

HOUR = timedelta(hours=1)
RULE = OfferRule()
SINCE = NOW - timedelta(hours=9)
ENOUGH = Offers(11, SINCE, RULE.most_setbacks, NOW - HOUR)
REASON = (
    "was offered 11 times since 2026-06-01T03:00:00Z and never answered: the device fails at it, or"
    " its answer is refused, of which the log tells"
)


class RuleTests(SynchronousTestCase):
    """
    Tests for L{OfferRule}.
    """

    def test_over(self) -> None:
        """
        It is over when there were so many setbacks and the last offer had its time.
        """
        at = ENOUGH.setback_at
        assert at is not None
        self.assertTrue(RULE.is_over(ENOUGH, at + RULE.interval))
        self.assertFalse(RULE.is_over(ENOUGH, at + RULE.interval - timedelta(seconds=1)))
        few = replace(ENOUGH, count=10_000, setbacks=RULE.most_setbacks - 1)
        self.assertFalse(RULE.is_over(few, at + 1000 * HOUR))
        self.assertFalse(RULE.is_over(Offers(), at))

    def test_offers(self) -> None:
        """
        It takes ten offers and eight hours at least.
        """
        self.assertEqual(RULE.patience - 1 + RULE.most_setbacks, 10)
        self.assertEqual(RULE.most_setbacks * RULE.interval, 8 * HOUR)

    def test_settings(self) -> None:
        """
        Whatever the numbers are, it takes so many offers and so long.
        """
        rule = OfferRule(1, 1, HOUR)
        self.assertEqual((rule.most_setbacks, rule.interval), (1, HOUR))
        self.assertTrue(rule.is_over(Offers(1, NOW, 1, NOW), NOW + HOUR))
        rule = OfferRule(5, 8, HOUR)
        self.assertEqual((rule.most_setbacks, rule.interval), (4, HOUR / 4))

    def test_hopeless(self) -> None:
        """
        What can't be made ends after as many failures, and as long.
        """
        failing = Offers(failures=RULE.most, failing_since=NOW)
        self.assertTrue(RULE.is_hopeless(failing, NOW + RULE.time))
        self.assertFalse(RULE.is_hopeless(failing, NOW + RULE.time - timedelta(seconds=1)))
        few = replace(failing, failures=RULE.most - 1)
        self.assertFalse(RULE.is_hopeless(few, NOW + 100 * RULE.time))
        self.assertFalse(RULE.is_hopeless(Offers(), NOW))


class UnansweredTests(SynchronousTestCase):
    """
    Tests for L{Unanswered}, through the messages of a device.
    """

    def setUp(self) -> None:
        """
        Enroll the device.
        """
        self.world = MDMWorld()
        self.plain = self.world.enroll_beside_plain()
        self.commands = self.world.commands

    def idle(self) -> bytes:
        """
        The answer to a device that is idle.
        """
        return self.successResultOf(self.world.send(report("Idle")))

    def finished(self) -> tuple[str, str, str, Event | None]:
        """
        The only command that ended: its uuid, status and detail, and the event.
        """
        [(uuid, status, detail, event)] = self.commands.finished
        if event is not None:
            self.assertEqual(event.detail, detail)
        return uuid, status, detail, event.event if event else None

    def ends(self, uuid: str, offers: Offers = ENOUGH) -> None:
        """
        The command was offered often enough.
        """
        self.commands.offers[uuid] = offers

    def test_raw(self) -> None:
        """
        An operator's command ends in Error with the reason, which the log warns of; the next one
        comes in the same answer.
        """
        self.world.queue("command-1", None)
        self.world.queue("command-2", None)
        self.ends("command-1")
        self.ends("command-2", replace(ENOUGH, count=3, setback_at=NOW))
        with capturedLogs() as events:
            self.assertEqual(self.idle(), b"raw command-2")
        self.assertEqual(self.finished(), ("command-1", "Error", REASON, None))
        self.assertEqual(self.commands.answers, {})
        (warning,) = (each for each in events if each["log_level"].name == "warn")
        self.assertEqual((warning["host"], warning["command"]), ("UDID-1", "command-1"))
        self.assertEqual(warning["reason"], REASON)

    def test_not_yet(self) -> None:
        """
        Before that it is offered, behind the others.
        """
        self.world.queue("command-1", None)
        self.world.queue("command-2", None)
        self.ends("command-1", replace(ENOUGH, setback_at=NOW - HOUR / 2))
        self.assertEqual(self.idle(), b"raw command-2")
        self.commands.statuses["command-2"] = "Acknowledged"
        self.assertEqual(self.idle(), b"raw command-1")
        self.assertEqual(self.commands.finished, [])

    def test_install(self) -> None:
        """
        The delivery of a profile fails as by an Error; so does a removal.
        """
        for uuid, kind in (("command-1", "InstallProfile"), ("command-2", "RemoveProfile")):
            self.commands.finished.clear()
            self.world.queue(uuid, self.plain, kind)
            self.ends(uuid)
            self.assertEqual(self.idle(), b"")
            self.assertEqual(self.finished(), (uuid, "Error", REASON, Event.ERROR_REPORTED))

    def test_late(self) -> None:
        """
        What the device says to it after all changes nothing.
        """
        self.world.queue("command-1", self.plain)
        self.ends("command-1")
        self.idle()
        with capturedLogs() as events:
            self.successResultOf(self.world.send(report("Acknowledged", "command-1")))
        self.assertEqual(len(self.commands.finished), 1)
        self.assertIn("expects no result", events[-1]["log_format"])

    def test_unrenderable(self) -> None:
        """
        When it can't be rendered any more, that is the reason.
        """
        self.world.queue("command-1", self.world.profile)
        self.world.authorities.by_name.clear()
        self.ends("command-1")
        self.idle()
        uuid, status, _, event = self.finished()
        self.assertEqual((uuid, status, event), ("command-1", "cancelled", Event.RESOLUTION_FAILED))

    def test_storage_unavailable(self) -> None:
        """
        What can't be stored has not ended.
        """
        self.world.queue("command-1", None)
        self.ends("command-1")
        self.commands.broken = True
        self.failureResultOf(self.world.send(report("Idle")), StorageUnavailable)
        self.commands.broken = False
        self.assertEqual(self.idle(), b"")
        self.assertEqual(self.finished()[:2], ("command-1", "Error"))

    def test_inventory(self) -> None:
        """
        A question for an inventory has failed, once, and the time of the next one stays.
        """
        asked = QueuedCommand("list", "UDID-1", CERTIFICATE_LIST, None, b"<plist/>", 251, NOW)
        self.commands.queued["list"] = asked
        state = HostInventory(
            *("UDID-1", "macos", True, NOW + HOUR),
            certificate_list="list",
            waiting=frozenset({CERTIFICATE_LIST}),
        )
        self.world.inventories.states["UDID-1"] = state
        self.ends("list")
        self.assertEqual(self.idle(), b"")
        self.assertEqual(self.finished(), ("list", "Error", REASON, None))
        self.assertEqual(self.world.verification.taken, [])
        self.assertEqual(self.world.inventories.states["UDID-1"], state)

    def renew(self, *, done: bool = False) -> None:
        """
        Queue a renewal of the identity.
        """
        self.commands.queued["r-1"] = QueuedCommand(
            "r-1", "UDID-1", "InstallProfile", ENROLLMENT_PROFILE, None, 50, NOW
        )
        not_after = NOW + timedelta(days=20)
        self.world.identities.renewals["r-1"] = PendingRenewal(
            "UDID-1", "UDID-1", "com.apple.mgmt.External.1", not_after, 0, done
        )
        self.ends("r-1")

    def test_renewal(self) -> None:
        """
        A renewal of the identity has failed, and is tried again by its schedule.
        """
        self.renew()
        self.assertEqual(self.idle(), b"")
        self.assertEqual(self.finished(), ("r-1", "Error", REASON, None))
        ((uuid, answer),) = self.world.identities.answers
        self.assertEqual((uuid, answer.detail, answer.failed), ("r-1", REASON, True))
        self.assertEqual(answer.look_at, utc_now(self.world.clock) + HOUR)
        self.assertEqual(self.world.commands.windows, [])

    def test_renewal_done(self) -> None:
        """
        One whose device has come with its new identity has not failed.
        """
        self.renew(done=True)
        self.assertEqual(self.idle(), b"")
        self.assertEqual(self.finished()[:2], ("r-1", "Acknowledged"))
        self.assertEqual(self.world.identities.answers, [])

    def test_renewal_of_expired(self) -> None:
        """
        The renewal of an identity that has expired ends, too, and once.
        """
        self.renew()
        self.world.issue(
            self.world.identity,
            not_after=NOW - timedelta(days=1),
            enrollment_id="UDID-1",
            host_uuid="UDID-1",
            enabled=True,
            renewal_command="r-1",
        )
        self.world.identities.refused.add(self.world.known().certificate_sha256)
        for _ in range(2):
            self.assertEqual(self.idle(), b"")
            self.assertEqual(self.finished()[:2], ("r-1", "Error"))
            self.assertEqual(len(self.world.identities.answers), 1)


class PoisonedQueueTests(SynchronousTestCase):
    """
    A device, on a real store, one of whose answers is refused each time: it is too large.
    """

    def setUp(self) -> None:
        """
        Enroll it; ahead of all else an operator asks for its certificates.
        """
        database = InlineDatabase()
        self.addCleanup(database.engine.dispose)
        self.world = world = LifecycleWorld(database)
        world.add_authority()
        world.add_profiles()
        world.authenticate("H-1")
        world.set_label("H-1", wanted=True)
        world.update_token("H-1")
        for uuid, priority in (("poison", 10), ("harmless", 200)):
            asked = records.command(uuid, body=certificate_list(uuid), priority=priority)
            at_once(world.stores.commands.queue(replace(asked, created_at=world.now)))

    def session(self) -> list[str]:
        """
        A device is pushed: it does what it is asked, until an answer of it is refused.

        :returns: what it was offered.
        """
        offered = []
        while (offer := self.world.poll("H-1")) is not None:
            offered.append(offer.identifier or offer.uuid)
            if offer.uuid == "poison":
                break
            if offer.identifier == SCEP.identifier:
                admission = self.world.ask_authority("H-1", "SUCCESS")
                self.assertEqual(admission, Admission.ADMITTED)
            self.world.answer("H-1", offer, "Acknowledged")
        return offered

    def record(self, uuid: str) -> CommandRecord:
        """
        A command as an operator sees it.
        """
        found = at_once(self.world.stores.commands.commands("H-1"))
        return next(one for one in found if one.uuid == uuid)

    def test_nothing_waits_for_it(self) -> None:
        """
        After three offers the rest is done; that one is tried on for hours, and ends in Error with
        the reason. Nobody's queue is held up, nothing is lost, nothing goes on for ever.
        """
        self.world.tick()
        for _ in range(3):
            self.assertEqual(self.session(), ["poison"])
            self.world.clock.advance(30)
        done = self.session()
        self.assertEqual(sorted(done[:2]), sorted([SCEP.identifier, PLAIN.identifier]))
        self.assertEqual(done[2:], ["harmless", "poison"])
        for profile in (SCEP, PLAIN):
            row = self.world.row("H-1", profile.uuid)
            assert row is not None
            self.assertEqual(row.status, "verifying")
        self.assertEqual(self.record("harmless").status, "Acknowledged")
        self.assertEqual(self.record("poison").status, "offered")
        begun, offers = self.world.now, 4
        while self.session():
            offers += 1
            self.world.clock.advance(1800)
        self.assertLess(7 * HOUR, self.world.now - begun)
        self.assertLess(self.world.now - begun, 9 * HOUR)
        ended = self.record("poison")
        self.assertEqual((ended.status, ended.finished_at), ("Error", self.world.now))
        since = "since 2026-06-01T12:00:00Z and never answered"
        self.assertTrue(ended.detail.startswith(f"was offered {offers} times {since}"))
        self.world.answer("H-1", Offer("poison", "CertificateList", ""), "Acknowledged")
        self.assertEqual(self.record("poison"), ended)

    def test_impatient_device(self) -> None:
        """
        A device that polls each second uses nothing up by that.
        """
        for _ in range(600):
            self.session()
            self.world.clock.advance(1)
        self.assertEqual(self.record("poison").status, "offered")
        found = at_once(self.world.stores.commands.command("poison"))
        assert found is not None
        self.assertEqual((found.offers.count, found.offers.setbacks), (600, 1))
