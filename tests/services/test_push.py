"""
Tests for the sending of pushes.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from scepd.apns.outcome import OutcomeKind, PushOutcome
from scepd.errors import StorageUnavailable
from scepd.model import PushAddress, WishedPush, push_place
from scepd.pki.keyring import Keyring
from scepd.services.clock import utc_now
from scepd.services.push import PushSender, PushSettings
from tests.support.fake_mdm import FakeGateway, FakePushes

KEYRING = Keyring({"k1": b"k" * 32})
APNS_ID = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"


def wish(name: str = "UDID-1", attempts: int = 0, secret: bytes = b"0a0b:magic") -> WishedPush:
    """
    A wish to push to an enrollment.
    """
    sealed = KEYRING.seal(secret, push_place(name), lambda count: b"n" * count)
    return WishedPush(name, PushAddress("com.apple.mgmt.External.1", sealed), APNS_ID, attempts)


class PushTestCase(SynchronousTestCase):
    """
    A sender whose random number is 0.5, so that nothing is spread.
    """

    def setUp(self) -> None:
        """
        Start the sender and let its first look pass.
        """
        self.clock = Clock()
        self.store, self.gateway = FakePushes(), FakeGateway()
        self.keyring = KEYRING
        self.sender = PushSender(
            self.store,
            self.gateway,
            lambda: self.keyring,
            self.clock,
            lambda: 0.5,
            PushSettings(check_interval=5, claim=60, in_flight=3),
        )
        self.sender.start()
        self.clock.advance(2.5)

    def wish(self, *wishes: WishedPush) -> None:
        """
        Wish pushes now.
        """
        for one in wishes:
            self.store.wishes[one.enrollment_id] = (utc_now(self.clock), one)

    def push(self, *wishes: WishedPush) -> None:
        """
        Wish pushes now, and say so.
        """
        self.wish(*wishes)
        self.sender.wake()
        self.clock.advance(0)

    def due_after(self) -> float | None:
        """
        Seconds until the last answered push is due again.
        """
        due = self.store.answers[-1].next_due
        return None if due is None else (due - utc_now(self.clock)).total_seconds()


class SendingTests(PushTestCase):
    """
    Tests for what is sent when.
    """

    def test_notification(self) -> None:
        """
        The notification has token, magic, topic and apns-id of the wish, and is good for 7 days.
        """
        self.push(wish())
        [sent] = self.gateway.pushed
        self.assertEqual((sent.token, sent.push_magic), (b"\x0a\x0b", "magic"))
        self.assertEqual((sent.topic, sent.apns_id), ("com.apple.mgmt.External.1", APNS_ID))
        self.assertEqual(sent.expiration, int(self.clock.seconds() + 7 * 86_400))

    def test_woken(self) -> None:
        """
        A wish that was told of is sent at once.
        """
        self.push(wish())
        self.assertEqual(len(self.gateway.pushed), 1)

    def test_not_woken(self) -> None:
        """
        One that was not is sent at the next look; a look at nothing claims nothing.
        """
        self.clock.advance(5)
        self.assertEqual(self.store.claims, [])
        self.wish(wish())
        self.clock.advance(5)
        self.assertEqual(len(self.gateway.pushed), 1)

    def test_claim(self) -> None:
        """
        Wishes are claimed for a minute.
        """
        self.push(wish())
        now, until, limit = self.store.claims[0]
        self.assertEqual((until - now, limit), (timedelta(seconds=60), 3))

    def test_in_flight(self) -> None:
        """
        No more than so many pushes are under way at one time; the rest follows as answers come.
        """
        answers: list[Deferred[PushOutcome]] = [Deferred() for _ in range(5)]
        self.gateway.outcomes = [*answers]
        self.push(*(wish(f"UDID-{number}") for number in range(5)))
        self.assertEqual(len(self.gateway.pushed), 3)
        answers[0].callback(PushOutcome(OutcomeKind.DONE, 200))
        self.assertEqual(len(self.gateway.pushed), 4)
        for answer in answers[1:]:
            answer.callback(PushOutcome(OutcomeKind.DONE, 200))
        self.assertEqual(len(self.store.answers), 5)

    def test_stop_while_full(self) -> None:
        """
        Once it is stopping no push is begun, though there is room and more are due.
        """
        answers: list[Deferred[PushOutcome]] = [Deferred() for _ in range(5)]
        self.gateway.outcomes = [*answers]
        self.push(*(wish(f"UDID-{number}") for number in range(5)))
        stopping = Deferred.fromCoroutine(self.sender.stop())
        for answer in answers[:3]:
            self.assertNoResult(stopping)
            answer.callback(PushOutcome(OutcomeKind.DONE, 200))
        self.successResultOf(stopping)
        self.assertEqual((len(self.gateway.pushed), len(self.store.answers)), (3, 3))

    def test_steps(self) -> None:
        """
        A push and its answer are steps of a delivery; neither token nor magic is in a log.
        """
        with capturedLogs() as events:
            self.push(replace(wish(), delivers=True))
        self.assertEqual([event["step"] for event in events], ["B8", "B9"])
        self.assertEqual({event["host"] for event in events}, {"UDID-1"})
        self.assertNotIn("0a0b", repr(events))

    def test_no_delivery(self) -> None:
        """
        A push for which no profile waits is no step of a delivery.
        """
        with capturedLogs() as events:
            self.push(wish())
        self.assertEqual([event.get("step") for event in events], [None, None])
        self.assertNotIn("magic", repr(events))

    def test_stop(self) -> None:
        """
        To stop waits for the answers that are still to come.
        """
        answer: Deferred[PushOutcome] = Deferred()
        self.gateway.outcomes = [answer]
        self.push(wish())
        stopped = Deferred.fromCoroutine(self.sender.stop())
        self.assertNoResult(stopped)
        answer.callback(PushOutcome(OutcomeKind.DONE, 200))
        self.successResultOf(stopped)
        self.assertEqual(len(self.store.answers), 1)
        self.assertEqual(self.clock.getDelayedCalls(), [])


class OutcomeTests(PushTestCase):
    """
    Tests for what an outcome makes of a wish.
    """

    def outcome(self, outcome: PushOutcome | Exception, attempts: int = 0) -> None:
        """
        Push with this outcome.
        """
        self.gateway.outcomes = [outcome]
        self.push(wish(attempts=attempts))

    def test_done(self) -> None:
        """
        While the device is silent it is pushed again: 30 s, 2 min, 8 min, 30 min, 2 h, then daily.
        """
        waits = []
        for attempts in range(7):
            self.outcome(PushOutcome(OutcomeKind.DONE, 200), attempts)
            waits.append(self.due_after())
        self.assertEqual(waits, [30, 120, 480, 1800, 7200, 86_400, 86_400])
        self.assertTrue(self.store.answers[-1].counted)
        self.assertEqual(self.store.answers[-1].status, 200)

    def test_token_dead(self) -> None:
        """
        A dead token is forgotten as of the time that Apple says, or of the push.
        """
        died = datetime(2026, 1, 1, tzinfo=UTC)
        self.outcome(PushOutcome(OutcomeKind.TOKEN_DEAD, 410, "Unregistered", timestamp=died))
        pushed_at = utc_now(self.clock)
        self.outcome(PushOutcome(OutcomeKind.TOKEN_DEAD, 410, "Unregistered"))
        self.assertEqual(self.store.forgotten, [("UDID-1", died), ("UDID-1", pushed_at)])
        self.assertEqual(self.store.wishes, {})

    def test_permanent(self) -> None:
        """
        What will fail again is not sent again by itself.
        """
        self.outcome(PushOutcome(OutcomeKind.PERMANENT, 400, "BadDeviceToken"))
        self.assertIsNone(self.due_after())
        self.assertEqual(self.store.answers[-1].reason, "BadDeviceToken")

    def test_retry(self) -> None:
        """
        What may go well is sent again after a growing time; Apple's own wait is kept.
        """
        waits = []
        for attempts in (0, 1, 2, 20):
            self.outcome(PushOutcome(OutcomeKind.RETRY, 503), attempts)
            waits.append(self.due_after())
        self.assertEqual(waits, [3.5, 6, 11, 451])
        self.outcome(PushOutcome(OutcomeKind.RETRY, 429, retry_after=99))
        self.assertEqual(self.due_after(), 99)

    def test_not_sent(self) -> None:
        """
        A push that Apple surely did not see is no attempt.
        """
        self.outcome(PushOutcome(OutcomeKind.RETRY, sent=False))
        self.assertFalse(self.store.answers[-1].counted)

    def test_suspended(self) -> None:
        """
        While nothing can be pushed the wish stays, and is no attempt.
        """
        self.outcome(PushOutcome(OutcomeKind.SUSPENDED, 403, "BadCertificate"))
        self.assertEqual(self.due_after(), 900)
        self.assertFalse(self.store.answers[-1].counted)

    def test_no_answer(self) -> None:
        """
        A push whose answer never comes is given up, and sent again.
        """
        self.gateway.outcomes = [Deferred()]
        self.push(wish())
        self.clock.advance(30)
        self.assertEqual(self.store.answers[0].reason, "no answer in time")
        self.assertIsNotNone(self.store.answers[0].next_due)

    def test_gateway_fails(self) -> None:
        """
        A bug in the gateway is logged; the wish comes again when its claim ends.
        """
        self.outcome(ZeroDivisionError())
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.clock.pump([5] * 13)
        self.assertEqual(len(self.gateway.pushed), 2)

    def test_storage_fails(self) -> None:
        """
        When the answer can't be recorded the push is sent again: to push twice does no harm.
        """
        answer: Deferred[PushOutcome] = Deferred()
        self.gateway.outcomes = [answer]
        self.push(wish())
        self.store.broken = True
        with capturedLogs() as events:
            answer.callback(PushOutcome(OutcomeKind.DONE, 200))
        self.assertEqual(events[-1]["log_format"], "A push will be tried again: {reason}")
        self.clock.advance(5)
        self.store.broken = False
        self.clock.pump([5] * 13)
        self.assertEqual(len(self.gateway.pushed), 2)

    def test_unreadable_address(self) -> None:
        """
        An address that no key opens is not pushed to; it is tried again in an hour.
        """
        self.keyring = Keyring({"k2": b"x" * 32})
        with capturedLogs() as events:
            self.push(wish(), wish("UDID-2"))
        self.assertEqual(self.gateway.pushed, [])
        self.assertEqual(self.due_after(), 3600)
        self.assertEqual({event["log_level"].name for event in events}, {"error"})

    def test_impossible_address(self) -> None:
        """
        A token that can't be one is not pushed, and never will be.
        """
        self.push(wish(secret=b":magic"), wish("UDID-2"))
        self.assertEqual(len(self.gateway.pushed), 1)
        self.assertEqual([answer.next_due is None for answer in self.store.answers], [True, False])

    def test_claim_fails(self) -> None:
        """
        While the database is down nothing is pushed, and the next look comes.
        """
        self.store.broken = True
        self.failureResultOf(Deferred.fromCoroutine(self.sender.send_due()), StorageUnavailable)
        self.push(wish())
        self.store.broken = False
        self.clock.advance(5)
        self.assertEqual(len(self.gateway.pushed), 1)
