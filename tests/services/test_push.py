"""
Tests for the sending of pushes.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from twisted.internet.defer import Deferred
from twisted.logger import capturedLogs

from scepd.apns.outcome import OutcomeKind, PushOutcome
from scepd.model import WishState
from scepd.services.push import PushSettings
from tests.services.push_case import APNS_ID, GATHERING, PushTestCase, wish

DONE = PushOutcome(OutcomeKind.DONE, 200)
SUSPENDED = PushOutcome(OutcomeKind.SUSPENDED, 403, "BadCertificate")


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
        No more than so many pushes are under way at one time; the rest follows as answers are
        recorded.
        """
        answers: list[Deferred[PushOutcome]] = [Deferred() for _ in range(5)]
        self.gateway.outcomes = [*answers]
        self.push(*(wish(f"UDID-{number}") for number in range(5)))
        self.assertEqual((len(self.gateway.pushed), self.sender.in_flight), (3, 3))
        answers[0].callback(DONE)
        self.assertEqual(len(self.gateway.pushed), 3)
        self.clock.advance(GATHERING)
        self.assertEqual(len(self.gateway.pushed), 4)
        for answer in answers[1:]:
            answer.callback(DONE)
            self.clock.advance(GATHERING)
        self.assertEqual((len(self.store.answers), self.sender.in_flight), (5, 0))

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
            answer.callback(DONE)
        self.successResultOf(stopping)
        self.assertEqual((len(self.gateway.pushed), len(self.store.answers)), (3, 3))

    def test_attempt(self) -> None:
        """
        The gateway is told how often a push was sent before.
        """
        self.push(wish(attempts=3))
        self.assertEqual(self.gateway.attempts, [3])

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

    def test_nobody_hears(self) -> None:
        """
        Where the level does not tell it, no line is made but for what went wrong for good.
        """
        self.hears = False
        refused = PushOutcome(OutcomeKind.PERMANENT, 400, "BadDeviceToken")
        failed = PushOutcome(OutcomeKind.RETRY, 503, "ServiceUnavailable")
        with capturedLogs() as events:
            for outcome in (DONE, failed, refused):
                self.outcome(outcome)
        self.assertEqual([event["reason"] for event in events], ["BadDeviceToken"])

    def test_stop(self) -> None:
        """
        To stop waits for the answers that are still to come, and records them at once.
        """
        answers: list[Deferred[PushOutcome]] = [Deferred(), Deferred()]
        self.gateway.outcomes = [*answers]
        self.begin(wish(), wish("UDID-2"))
        answers[0].callback(DONE)
        stopped = Deferred.fromCoroutine(self.sender.stop())
        self.assertEqual(len(self.store.answers), 1)
        self.assertNoResult(stopped)
        answers[1].callback(DONE)
        self.successResultOf(stopped)
        self.assertEqual(len(self.store.answers), 2)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_gathered(self) -> None:
        """
        Answers that come within a moment are recorded together.
        """
        answers: list[Deferred[PushOutcome]] = [Deferred() for _ in range(3)]
        self.gateway.outcomes = [*answers]
        self.begin(*(wish(f"UDID-{number}") for number in range(3)))
        for answer in answers[:2]:
            answer.callback(DONE)
            self.clock.advance(GATHERING / 4)
        self.assertEqual(self.store.batches, [])
        self.clock.advance(GATHERING)
        self.assertEqual(self.store.batches, [2])
        answers[2].callback(DONE)
        self.clock.advance(GATHERING)
        self.assertEqual(self.store.batches, [2, 1])

    def test_timers(self) -> None:
        """
        Pushes that were claimed together have one timer; when all are answered there is none.
        """
        before = len(self.clock.getDelayedCalls())
        answers: list[Deferred[PushOutcome]] = [Deferred() for _ in range(3)]
        self.gateway.outcomes = [*answers]
        self.begin(*(wish(f"UDID-{number}") for number in range(3)))
        self.assertEqual(len(self.clock.getDelayedCalls()), before + 1)
        for answer in answers:
            answer.callback(DONE)
        self.clock.advance(GATHERING)
        self.assertEqual(len(self.clock.getDelayedCalls()), before)


class PaceTests(PushTestCase):
    """
    Tests for how fast pushes are begun.
    """

    settings = PushSettings(check_interval=5, in_flight=1000, per_second=100)

    def test_per_second(self) -> None:
        """
        Pushes are begun a few at a time, so many per second; other work is done in between.
        """
        self.wish(*(wish(f"UDID-{number}") for number in range(300)))
        self.sender.wake()
        counts = []
        for _ in range(20):
            self.clock.advance(0.05)
            counts.append(len(self.gateway.pushed))
        most = [5 * turn + 10 for turn in range(1, 21)]
        self.assertTrue(all(count <= limit for count, limit in zip(counts, most, strict=True)))
        self.assertGreater(counts[-1], 90)
        self.clock.pump([0.05] * 60)
        self.assertEqual(len(self.gateway.pushed), 300)

    def test_stop_while_waiting(self) -> None:
        """
        To stop does not wait for the rest.
        """
        self.wish(*(wish(f"UDID-{number}") for number in range(300)))
        self.sender.wake()
        self.clock.advance(0.05)
        self.successResultOf(Deferred.fromCoroutine(self.sender.stop()))
        self.assertLess(len(self.gateway.pushed), 30)
        self.assertEqual(self.clock.getDelayedCalls(), [])


class SuspendedTests(PushTestCase):
    """
    Tests for what happens while Apple refuses the push certificate.
    """

    def test_suspended(self) -> None:
        """
        While nothing can be pushed the wish stays, and is no attempt.
        """
        self.outcome(SUSPENDED)
        self.assertEqual((self.due_after(), self.answer.state), (900, WishState.SUSPENDED))
        self.assertFalse(self.answer.counted)

    def test_no_more(self) -> None:
        """
        No wish is claimed for a minute, to be told the same.
        """
        self.outcome(SUSPENDED)
        self.push(wish("UDID-2"))
        self.clock.pump([5] * 11)
        self.assertEqual(len(self.gateway.pushed), 1)
        self.clock.pump([5] * 2)
        self.assertEqual(len(self.gateway.pushed), 2)

    def test_resumed(self) -> None:
        """
        A new certificate makes everything due at once: what was suspended, and what was not
        claimed.
        """
        self.outcome(SUSPENDED)
        self.push(wish("UDID-2"))
        self.gateway.resume()
        self.clock.advance(0)
        self.assertEqual(len(self.gateway.pushed), 3)

    def test_resumed_meanwhile(self) -> None:
        """
        So is what was refused with the certificate before, but after the new one was there; and
        what was refused just before.
        """
        answers: list[Deferred[PushOutcome]] = [Deferred(), Deferred()]
        self.gateway.outcomes = [*answers]
        self.begin(wish(), wish("UDID-2"))
        answers[0].callback(SUSPENDED)
        self.gateway.resume()
        self.clock.advance(0)
        answers[1].callback(SUSPENDED)
        self.clock.advance(GATHERING)
        self.assertIs(self.answer.state, WishState.DUE)
        self.clock.pump([5] * 2)
        self.assertEqual(len(self.gateway.pushed), 4)

    def test_resumed_without_storage(self) -> None:
        """
        When the database is down just then, they become due when it is back.
        """
        self.outcome(SUSPENDED)
        self.store.broken = True
        self.gateway.resume()
        self.clock.advance(0)
        self.store.broken = False
        self.clock.advance(5)
        self.assertEqual(len(self.gateway.pushed), 2)

    def test_other_topic(self) -> None:
        """
        What never reached Apple, as its topic is not the certificate's, waits for one that is.
        """
        self.outcome(PushOutcome(OutcomeKind.PERMANENT, reason="its topic", sent=False))
        self.assertEqual((self.due_after(), self.answer.state), (5400, WishState.SUSPENDED))
        self.push(wish("UDID-2"))
        self.assertEqual(len(self.gateway.pushed), 2)
