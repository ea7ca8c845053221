"""
Tests for the end of a client, and of senders' patience, in each state of its connections.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred

from scepd.apns.outcome import OutcomeKind, PushOutcome
from scepd.network.apns_client import APNsLimits
from tests.support.apns_case import APNsCase
from tests.support.apns_double import Silence
from tests.support.apns_requests import Reply


class StopTests(APNsCase):
    """
    Tests for a graceful stop; that nothing is left on the clock is looked at in the end.
    """

    limits = APNsLimits(max_connections=2)

    def stop(self) -> Deferred[None]:
        """
        Begin to close the client.
        """
        closed = Deferred.fromCoroutine(self.client.close())
        self.clock.advance(0)
        return closed

    def check_unsent(self, pushed: Deferred[PushOutcome]) -> None:
        """
        A push surely did not go out.
        """
        outcome = self.successResultOf(pushed)
        self.assertEqual((outcome.kind, outcome.sent), (OutcomeKind.RETRY, False))
        self.assertIn("stopping", outcome.reason)

    def check_at_once(self) -> None:
        """
        A push waits; the stop is over at once, and the push told so.
        """
        pushed = self.push(1)
        self.clock.advance(0)
        closed = self.stop()
        self.successResultOf(closed)
        self.check_unsent(pushed)
        self.assertEqual(self.double.requests, [])
        attempts = len(self.route.attempts)
        self.wait(100)
        self.assertEqual(len(self.route.attempts), attempts)

    def test_before_the_start(self) -> None:
        """
        Nothing was dialled yet.
        """
        pushed = self.push(1)
        self.successResultOf(self.stop())
        self.check_unsent(pushed)
        self.assertEqual(self.route.attempts, [])

    def test_resting(self) -> None:
        """
        The dial waits for its next attempt.
        """
        self.route.mode = "refused"
        self.check_at_once()

    def test_connecting(self) -> None:
        """
        TCP is not connected.
        """
        self.route.mode = "silent"
        self.check_at_once()

    def test_tls(self) -> None:
        """
        TLS is not established.
        """
        self.route.mode = "no-tls"
        self.check_at_once()

    def test_awaiting_settings(self) -> None:
        """
        SETTINGS are missing.
        """
        self.behaviour.send_settings = False
        self.check_at_once()

    def test_ready(self) -> None:
        """
        Nothing is in flight.
        """
        self.assert_done(self.pushes(1))
        self.successResultOf(self.stop())
        self.assertTrue(self.connection.lost)

    def test_in_flight(self) -> None:
        """
        Answers that are due still come, on all connections.
        """
        self.behaviour.max_streams = 1
        self.behaviour.always = Silence()
        pushed = self.pushes(4)
        self.wait(2)
        closed = self.stop()
        for one in pushed[2:]:
            self.check_unsent(one)
        self.double.connections[0].reply(1, Reply(200), "id")
        self.clock.advance(0)
        self.assertNoResult(closed)
        self.double.connections[1].reply(1, Reply(200), "id")
        self.clock.advance(0)
        self.successResultOf(closed)
        self.assert_done(pushed[:2])

    def test_throttled(self) -> None:
        """
        The connection takes no push.
        """
        self.behaviour.credit = False
        pushed = self.pushes(4000)
        self.assertGreater(self.client.waiting, 0)
        self.successResultOf(self.stop())
        self.check_unsent(pushed[-1])

    def test_draining(self) -> None:
        """
        The server has sent GOAWAY already.
        """
        self.behaviour.always = Silence()
        (pushed,) = self.pushes(1)
        self.connection.go_away(1)
        self.wait(1)
        closed = self.stop()
        self.assertNoResult(closed)
        self.double.connections[0].reply(1, Reply(200), "id")
        self.clock.advance(0)
        self.successResultOf(closed)
        self.assert_done([pushed])

    def test_frozen(self) -> None:
        """
        A stop does not wait for a server that says nothing: pushes have their time, and it has its.
        """
        self.pushes(1)
        self.connection.frozen = True
        self.behaviour.always = Silence()
        (pushed,) = self.pushes(1)
        closed = self.stop()
        self.wait(9)
        self.assertNoResult(closed)
        self.wait(7)
        self.successResultOf(closed)
        self.assertTrue(self.successResultOf(pushed).sent)

    def test_refused_meanwhile(self) -> None:
        """
        A push that is refused while the client stops does not go out again.
        """
        self.behaviour.always = Silence()
        (pushed,) = self.pushes(1)
        closed = self.stop()
        self.connection.go_away(0)
        self.clock.advance(0)
        self.check_unsent(pushed)
        self.successResultOf(closed)

    def test_during_rotation(self) -> None:
        """
        A new certificate's connection is under way.
        """
        self.pushes(1)
        self.route.delay = 5
        self.client.use_credentials(self.renewed())
        self.wait(2)
        self.successResultOf(self.stop())
        self.assertEqual(len(self.double.connections), 1)

    def test_twice(self) -> None:
        """
        Whoever stops it once more waits as well.
        """
        self.behaviour.always = Silence()
        self.pushes(1)
        first, second = self.stop(), self.stop()
        self.assertNoResult(second)
        self.connection.reply(1, Reply(200), "id")
        self.clock.advance(0)
        self.successResultOf(first)
        self.successResultOf(second)
