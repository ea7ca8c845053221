"""
Tests for pushes, their outcomes and the life of the client.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import LogEvent, globalLogPublisher

from scepd.apns.outcome import GatewayState, OutcomeKind
from scepd.errors import Conflict
from scepd.network.apns_client import APNsLimits
from tests.apns.notifications import TOPIC, notification, token
from tests.support.apns_case import APNsCase
from tests.support.apns_double import GoAway, Silence
from tests.support.apns_memory import credentials_for
from tests.support.apns_requests import Reply


class OutcomeTests(APNsCase):
    """
    Tests for what becomes of pushes.
    """

    def test_done(self) -> None:
        """
        Many pushes share one connection and few writes; each is sent once.
        """
        pushed = self.pushes(3000)
        self.assert_done(pushed)
        self.assert_once(3000)
        self.assertEqual(len(self.double.connections), 1)
        self.assertEqual(self.double.requests[7].value("apns-id"), notification(7).apns_id)
        self.assertLess(self.route.clients[0].writes, 300)

    def test_refusals(self) -> None:
        """
        Each reply becomes its outcome; none ends the connection.
        """
        replies = {
            0: (Reply(400, "BadDeviceToken"), OutcomeKind.PERMANENT),
            1: (Reply(410, "Unregistered", 1_700_000_000_000), OutcomeKind.TOKEN_DEAD),
            2: (Reply(429, "TooManyRequests"), OutcomeKind.RETRY),
            3: (Reply(503, "ServiceUnavailable"), OutcomeKind.RETRY),
            4: (Reply(200), OutcomeKind.DONE),
        }
        for number, (reply, _) in replies.items():
            self.answer(number, reply)
        outcomes = [self.successResultOf(one) for one in self.pushes(5)]
        self.assertEqual([outcome.kind for outcome in outcomes], [k for _, k in replies.values()])
        self.assertEqual(outcomes[1].timestamp, datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC))
        self.assertEqual((outcomes[3].status, outcomes[3].reason), (503, "ServiceUnavailable"))
        self.assertGreater(outcomes[3].retry_after, 0)
        self.assertTrue(all(outcome.apns_id for outcome in outcomes))
        self.assertEqual(len(self.double.connections), 1)

    def test_own_topic_only(self) -> None:
        """
        A push with another topic would have Apple refuse the certificate: it is not sent.
        """
        other = notification(topic="com.apple.mgmt.External.other")
        outcome = self.successResultOf(self.client.push(other))
        self.assertIs(outcome.kind, OutcomeKind.PERMANENT)
        self.assertFalse(outcome.sent)
        self.assertEqual(self.route.attempts, [])

    def test_cancelled_while_waiting(self) -> None:
        """
        A push whose sender waits no more is not sent.
        """
        pushed = self.push()
        pushed.cancel()
        self.clock.advance(0)
        self.failureResultOf(pushed, CancelledError)
        self.assertEqual(self.double.requests, [])

    def test_cancelled_in_flight(self) -> None:
        """
        A sender may stop to wait while the push is in flight.
        """
        self.behaviour.always = Silence()
        (pushed,) = self.pushes(1)
        pushed.cancel()
        self.failureResultOf(pushed, CancelledError)
        self.wait(11)
        self.assertEqual(self.client.in_flight, 0)

    def test_no_secrets_in_logs(self) -> None:
        """
        Neither tokens nor PushMagic are logged, whatever goes wrong.
        """
        events: list[LogEvent] = []
        observe: Any = events.append
        globalLogPublisher.addObserver(observe)
        self.addCleanup(globalLogPublisher.removeObserver, observe)
        self.answer(0, [GoAway("Shutdown"), Reply(403, "BadCertificate")])
        self.pushes(2)
        self.connection.transport.abortConnection()
        self.wait(5)
        self.assertTrue(events)
        shown = repr(events)
        self.assertNotIn(token(0).hex(), shown)
        self.assertNotIn("magic-", shown)


class QueueTests(APNsCase):
    """
    Tests for pushes that wait.
    """

    limits = APNsLimits(max_waiting=5)

    def test_bounded(self) -> None:
        """
        More than the queue holds are turned away at once.
        """
        self.route.mode = "silent"
        pushed = self.pushes(7)
        for one in pushed[:5]:
            self.assertNoResult(one)
        for one in pushed[5:]:
            outcome = self.successResultOf(one)
            self.assertIs(outcome.kind, OutcomeKind.RETRY)
            self.assertFalse(outcome.sent)

    def test_not_for_ever(self) -> None:
        """
        Without a connection a push waits 30 s, and its outcome says what is wrong.
        """
        self.route.mode = "refused"
        (pushed,) = self.pushes(1)
        self.wait(29)
        self.assertNoResult(pushed)
        self.wait(1)
        outcome = self.successResultOf(pushed)
        self.assertIs(outcome.kind, OutcomeKind.RETRY)
        self.assertFalse(outcome.sent)
        self.assertIn("refused", outcome.reason)

    def test_sent_when_connected(self) -> None:
        """
        What waited goes out once there is a connection.
        """
        self.route.mode = "refused"
        pushed = self.pushes(3)
        self.route.mode = "up"
        self.wait(2)
        self.assert_done(pushed)
        self.assert_once(3)


class SuspensionTests(APNsCase):
    """
    Tests for a push certificate that Apple refuses.
    """

    limits = APNsLimits(max_streams=1)

    def suspend(self) -> None:
        """
        Have one push of three refused with 403.
        """
        self.answer(0, Reply(403, "BadCertificate"))
        pushed = self.pushes(3)
        for one in pushed:
            outcome = self.successResultOf(one)
            self.assertIs(outcome.kind, OutcomeKind.SUSPENDED)
            self.assertEqual(outcome.reason, "BadCertificate")

    def test_suspended(self) -> None:
        """
        Nothing more is sent, what waits is told, and the connection is closed.
        """
        self.suspend()
        self.assertEqual(len(self.double.requests), 1)
        self.assertTrue(self.connection.lost)
        self.assertIs(self.client.state, GatewayState.SUSPENDED)
        self.assertIn("BadCertificate", self.client.complaint)
        self.assertIs(self.successResultOf(self.push()).kind, OutcomeKind.SUSPENDED)
        self.wait(100)
        self.assertEqual(len(self.route.attempts), 1)

    def test_by_go_away(self) -> None:
        """
        The reason may also come with GOAWAY.
        """
        self.answer(0, GoAway("BadCertificate"))
        (pushed,) = self.pushes(1)
        outcome = self.successResultOf(pushed)
        self.assertIs(outcome.kind, OutcomeKind.SUSPENDED)
        self.assertFalse(outcome.sent)

    def test_resumed(self) -> None:
        """
        Another certificate ends it, and is the one that is shown.
        """
        self.suspend()
        self.behaviour.answers.clear()
        renewed = self.renewed()
        self.client.use_credentials(renewed)
        pushed = self.push(9)
        self.clock.advance(0)
        self.assertIs(self.successResultOf(pushed).kind, OutcomeKind.DONE)
        self.assertIs(self.route.shown[-1], renewed)

    def test_late_refusal(self) -> None:
        """
        A refusal of the former certificate does not suspend the new one: the push goes out with it.
        """
        self.answer(0, Silence())
        (pushed,) = self.pushes(1)
        self.client.use_credentials(self.renewed())
        self.clock.advance(0)
        self.double.connections[0].reply(1, Reply(403, "BadCertificate"), "id")
        self.behaviour.answers.clear()
        self.clock.advance(0)
        self.assert_done([pushed])
        self.assertIs(self.client.state, GatewayState.CONNECTED)

    def test_other_topic(self) -> None:
        """
        A certificate with another topic is refused, with both named, unless forced.
        """
        other = credentials_for("com.apple.mgmt.External.other")
        with self.assertRaises(Conflict) as caught:
            self.client.use_credentials(other)
        self.assertIn(TOPIC, str(caught.exception))
        self.assertIn(other.topic, str(caught.exception))
        self.client.use_credentials(other, force=True)
        self.assertEqual(self.client.topic, other.topic)


class CloseTests(APNsCase):
    """
    Tests for the end of a client.
    """

    def test_waits_for_answers(self) -> None:
        """
        Answers that are due still come; what was not sent is told so.
        """
        self.behaviour.max_streams = 1
        self.answer(0, Silence())
        first, second = self.pushes(2)
        closed = Deferred.fromCoroutine(self.client.close())
        self.clock.advance(0)
        self.assertFalse(self.successResultOf(second).sent)
        self.assertNoResult(closed)
        self.connection.reply(1, Reply(200), "id")
        self.clock.advance(0)
        self.assertIs(self.successResultOf(first).kind, OutcomeKind.DONE)
        self.successResultOf(closed)
        self.assertTrue(self.connection.lost)

    def test_does_not_wait_for_ever(self) -> None:
        """
        Each push has its deadline, so closing has one too.
        """
        self.behaviour.always = Silence()
        (pushed,) = self.pushes(1)
        closed = Deferred.fromCoroutine(self.client.close())
        self.wait(10)
        self.assertIs(self.successResultOf(pushed).kind, OutcomeKind.RETRY)
        self.successResultOf(closed)

    def test_closed(self) -> None:
        """
        After that nothing is sent, and no connection made.
        """
        self.successResultOf(Deferred.fromCoroutine(self.client.close()))
        outcome = self.successResultOf(self.push())
        self.assertIs(outcome.kind, OutcomeKind.RETRY)
        self.assertIs(self.client.state, GatewayState.CLOSED)
        self.client.start()
        self.clock.advance(0)
        self.assertEqual(self.route.attempts, [])
        self.successResultOf(Deferred.fromCoroutine(self.client.close()))
