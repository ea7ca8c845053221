"""
Tests for what outcomes make of wishes.
"""

from __future__ import annotations

from datetime import timedelta

from twisted.internet.defer import Deferred
from twisted.logger import capturedLogs

from scepd.apns.outcome import OutcomeKind, PushOutcome
from scepd.errors import StorageUnavailable
from scepd.model import WishState
from scepd.pki.keyring import Keyring
from scepd.services.clock import utc_now
from tests.services.push_case import APNS_ID, GATHERING, PushTestCase, wish

DONE = PushOutcome(OutcomeKind.DONE, 200)


class OutcomeTests(PushTestCase):
    """
    Tests for what an outcome makes of a wish.
    """

    def test_done(self) -> None:
        """
        While the device is silent it is pushed again: 30 s, 2 min, 8 min, 30 min, 2 h, then daily.
        """
        waits = []
        for repeats in range(7):
            self.outcome(DONE, repeats=repeats)
            waits.append(self.due_after())
        self.assertEqual(waits, [30, 120, 480, 1800, 7200, 86_400, 86_400])
        self.assertEqual((self.answer.state, self.answer.status), (WishState.SENT, 200))

    def test_done_after_failures(self) -> None:
        """
        Failures before it have no part in the series.
        """
        self.outcome(DONE, attempts=3)
        self.assertEqual(self.due_after(), 30)

    def test_after_enrolling(self) -> None:
        """
        The first push after an enrollment is repeated after 10 s.
        """
        self.outcome(DONE, repeats=-1)
        self.assertEqual(self.due_after(), 10)

    def test_token_dead(self) -> None:
        """
        A dead token is forgotten as of the time that Apple says, or of the push; in case that there
        is a newer one it is tried later.
        """
        died = utc_now(self.clock) - timedelta(days=3)
        dead = PushOutcome(OutcomeKind.TOKEN_DEAD, 410, "Unregistered", timestamp=died)
        with capturedLogs() as events:
            self.outcome(dead)
        self.assertEqual((self.due_after(), self.answer.dead_since), (30, died))
        self.assertEqual(events[-1]["since"], died.isoformat())
        pushed_at = utc_now(self.clock)
        self.outcome(dead._replace(timestamp=None))
        self.assertEqual(self.answer.dead_since, pushed_at)
        self.assertEqual(self.store.wishes, {})

    def test_permanent(self) -> None:
        """
        What will fail again is not sent again by itself.
        """
        self.outcome(PushOutcome(OutcomeKind.PERMANENT, 400, "BadDeviceToken"))
        self.assertIsNone(self.due_after())
        self.assertEqual(
            (self.answer.reason, self.answer.state), ("BadDeviceToken", WishState.PARKED)
        )

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

    def test_never_known(self) -> None:
        """
        A push that Apple may have accepted each time is sent five times; from then on ever more
        seldom, still the same push.
        """
        lost = PushOutcome(OutcomeKind.RETRY, reason="the connection was lost")
        for attempts in range(4):
            self.outcome(lost, attempts)
            self.assertIs(self.answer.state, WishState.DUE)
        for attempts, wait in ((4, 1800), (5, 7200), (6, 86_400), (7, 86_400)):
            self.outcome(lost, attempts)
            self.assertEqual((self.due_after(), self.answer.state), (wait, WishState.UNANSWERED))
        self.assertEqual((self.answer.apns_id, self.answer.counted), (APNS_ID, True))

    def test_not_sent(self) -> None:
        """
        A push that Apple surely did not see is no attempt, and ends no series of them.
        """
        self.outcome(PushOutcome(OutcomeKind.RETRY, sent=False), 4)
        self.assertEqual((self.answer.counted, self.answer.state), (False, WishState.DUE))

    def test_no_answer(self) -> None:
        """
        Pushes whose answers never come are given up together, and sent again.
        """
        self.gateway.outcomes = [Deferred(), Deferred()]
        self.begin(wish(), wish("UDID-2"))
        self.clock.advance(30)
        self.clock.advance(GATHERING)
        self.assertEqual([one.reason for one in self.store.answers], ["no answer in time"] * 2)
        self.assertIsNotNone(self.answer.next_due)

    def test_cancelled_with_outcome(self) -> None:
        """
        What the gateway says of a push that is given up counts.
        """
        unsent = PushOutcome(OutcomeKind.RETRY, reason="it still waited", sent=False)
        self.gateway.outcomes = [Deferred(lambda answer: answer.callback(unsent))]
        self.begin(wish())
        self.clock.advance(30)
        self.clock.advance(GATHERING)
        self.assertEqual((self.answer.reason, self.answer.counted), ("it still waited", False))

    def test_gateway_fails(self) -> None:
        """
        A bug in the gateway is logged; the wish comes again when its claim ends.
        """
        self.outcome(ZeroDivisionError())
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual((self.store.answers, self.sender.in_flight), ([], 0))
        self.clock.pump([5] * 13)
        self.assertEqual(len(self.gateway.pushed), 2)

    def test_storage_fails(self) -> None:
        """
        When the answer can't be recorded the push is sent again: to push twice does no harm.
        """
        answer: Deferred[PushOutcome] = Deferred()
        self.gateway.outcomes = [answer]
        self.begin(wish())
        self.store.broken = True
        with capturedLogs() as events:
            answer.callback(DONE)
            self.clock.advance(GATHERING)
        self.assertEqual(events[-1]["log_format"], "Pushes will be sent again: {reason}")
        self.clock.advance(5)
        self.store.broken = False
        self.clock.pump([5] * 13)
        self.assertEqual((len(self.gateway.pushed), len(self.store.answers)), (2, 1))

    def test_record_fails(self) -> None:
        """
        A bug in the record is logged, and holds up nothing.
        """
        answer: Deferred[PushOutcome] = Deferred()
        self.gateway.outcomes = [answer]
        self.begin(wish())
        self.store.wishes.clear()
        answer.callback(DONE)
        self.clock.advance(GATHERING)
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 1)
        self.assertEqual(self.sender.in_flight, 0)

    def test_unreadable_address(self) -> None:
        """
        An address that no key opens is not pushed to; it is tried again in an hour or so.
        """
        self.keyring = Keyring({"k2": b"x" * 32})
        with capturedLogs() as events:
            self.push(wish(), wish("UDID-2"))
        self.assertEqual(self.gateway.pushed, [])
        self.assertEqual((self.due_after(), self.answer.state), (5400, WishState.SUSPENDED))
        self.assertEqual({event["log_level"].name for event in events}, {"error"})

    def test_impossible_address(self) -> None:
        """
        A token that can't be one is not pushed, and never will be.
        """
        self.push(wish(secret=b":magic"), wish("UDID-2", secret=b"hex:magic"), wish("UDID-3"))
        self.assertEqual(len(self.gateway.pushed), 1)
        self.assertEqual(
            [answer.state.value for answer in self.store.answers], ["parked", "parked", "sent"]
        )

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
