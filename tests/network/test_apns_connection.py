"""
Tests for how connections to the push service begin, fall silent and end.
"""

from __future__ import annotations

from itertools import pairwise

from h2 import events as h2_events

from scepd.apns.outcome import GatewayState, OutcomeKind
from scepd.network.apns_client import APNsLimits
from tests.support.apns_case import APNsCase
from tests.support.apns_double import Silence
from tests.support.apns_requests import Reply


class DialTests(APNsCase):
    """
    Tests for connecting.
    """

    def test_states(self) -> None:
        """
        The state follows the connection.
        """
        self.assertIs(self.client.state, GatewayState.DISCONNECTED)
        self.client.start()
        self.assertIs(self.client.state, GatewayState.CONNECTING)
        self.clock.advance(0)
        self.assertIs(self.client.state, GatewayState.CONNECTED)

    def test_back_off(self) -> None:
        """
        Attempts that come to nothing are made less and less often, once a minute at last.
        """
        self.route.mode = "refused"
        self.client.start()
        self.wait(400)
        attempts = self.route.attempts
        gaps = [later - earlier for earlier, later in pairwise(attempts)]
        # Half of the longest, rounded up to the test's whole seconds.
        self.assertEqual(gaps[:8], [1, 1, 2, 4, 8, 16, 30, 30])

    def check_timeout(self) -> None:
        """
        An attempt ends after 10 s, and another one succeeds.
        """
        self.client.start()
        self.clock.advance(0)
        self.wait(9)
        self.assertEqual(self.client.complaint, "")
        self.wait(1)
        self.assertIn("within 10 s", self.client.complaint)
        self.route.mode = "up"
        self.wait(1)
        self.assertIs(self.client.state, GatewayState.CONNECTED)

    def test_no_tcp(self) -> None:
        """
        TCP and TLS have 10 s together: nothing answers.
        """
        self.route.mode = "silent"
        self.check_timeout()

    def test_no_tls(self) -> None:
        """
        TCP and TLS have 10 s together: TLS does not come about.
        """
        self.route.mode = "no-tls"
        self.check_timeout()

    def test_no_http2(self) -> None:
        """
        A server that does not offer h2 gets no byte.
        """
        self.route.mode = "no-h2"
        self.client.start()
        self.clock.advance(0)
        self.assertIn("does not offer HTTP/2", self.client.complaint)
        self.assertEqual(self.route.clients[0].writes, 0)

    def test_late_settings(self) -> None:
        """
        No push is sent before SETTINGS.
        """
        self.behaviour.send_settings = False
        pushed = self.pushes(3)
        self.wait(9)
        self.assertEqual(self.double.requests, [])
        self.assertIs(self.client.state, GatewayState.CONNECTING)
        self.connection.send_settings()
        self.clock.advance(0)
        self.assert_done(pushed)

    def test_no_settings(self) -> None:
        """
        A server that sends none for 10 s is left.
        """
        self.behaviour.send_settings = False
        pushed = self.pushes(1)
        self.wait(9)
        self.behaviour.send_settings = True
        self.wait(1)
        self.assertTrue(self.double.connections[0].lost)
        self.wait(1)
        self.assert_done(pushed)

    def test_away_at_once(self) -> None:
        """
        A server that sends GOAWAY to each new connection is not stormed.
        """
        self.behaviour.send_settings = False
        self.client.start()
        for _ in range(100):
            self.wait(1)
            if self.double.connections and not self.connection.lost:
                self.connection.go_away(0)
        self.assertLess(len(self.route.attempts), 10)


class CutTests(APNsCase):
    """
    Tests for connections that end.
    """

    def test_cut(self) -> None:
        """
        What was in flight is unknown; what waited goes out on the next connection.
        """
        self.behaviour.max_streams = 2
        self.answer(0, Silence())
        self.answer(1, Silence())
        pushed = self.pushes(5)
        self.connection.transport.abortConnection()
        self.wait(2)
        for one in pushed[:2]:
            outcome = self.successResultOf(one)
            self.assertIs(outcome.kind, OutcomeKind.RETRY)
            self.assertTrue(outcome.sent)
        self.assert_done(pushed[2:])
        self.assert_once(5)

    def test_answer_before_the_end(self) -> None:
        """
        An answer that came just before the connection ended counts.
        """
        self.answer(0, Silence())
        (pushed,) = self.pushes(1)
        self.connection.reply(1, Reply(200), "id")
        self.connection.transport.loseConnection()
        self.clock.advance(0)
        self.assert_done([pushed])

    def test_nonsense(self) -> None:
        """
        After nonsense the connection is replaced.
        """
        self.answer(0, Silence())
        (pushed,) = self.pushes(1)
        self.connection.transport.write(b"HTTP/1.1 500 Oops\r\n\r\n")
        self.wait(2)
        self.assertIs(self.successResultOf(pushed).kind, OutcomeKind.RETRY)
        self.assertEqual(len(self.double.connections), 2)
        self.assertIs(self.client.state, GatewayState.CONNECTED)

    def test_redial_after_use(self) -> None:
        """
        A connection that was of use is replaced at once.
        """
        self.pushes(1)
        self.connection.transport.loseConnection()
        self.clock.advance(0)
        self.assertEqual(self.route.attempts, [0, 0])
        self.assertIs(self.client.state, GatewayState.CONNECTED)


class SilenceTests(APNsCase):
    """
    Tests for servers that say nothing.
    """

    limits = APNsLimits(max_streams=5)

    def test_one_token(self) -> None:
        """
        A push without an answer is given up after 10 s; the connection stays.
        """
        self.answer(0, Silence())
        pushed = self.pushes(3)
        self.wait(9)
        self.assertNoResult(pushed[0])
        self.wait(1)
        outcome = self.successResultOf(pushed[0])
        self.assertIs(outcome.kind, OutcomeKind.RETRY)
        self.assertTrue(outcome.sent)
        self.assert_done(pushed[1:])
        self.assertEqual(self.connection.open_streams, 0)
        self.assertEqual(len(self.double.connections), 1)

    def test_frozen(self) -> None:
        """
        After several pushes without an answer a PING is sent, and a frozen connection replaced.
        """
        self.pushes(1)
        self.connection.frozen = True
        pushed = self.pushes(4)
        self.wait(10)
        for one in pushed:
            self.assertIs(self.successResultOf(one).kind, OutcomeKind.RETRY)
        self.wait(14)
        self.assertEqual(len(self.double.connections), 1)
        self.wait(1)
        self.assertEqual(len(self.double.connections), 2)
        self.assert_done(self.pushes(3))

    def test_many_timeouts(self) -> None:
        """
        A connection that answers PINGs but no pushes is replaced, too.
        """
        self.behaviour.always = Silence()
        self.pushes(10)
        self.wait(21)
        self.assertEqual(len(self.double.connections), 2)

    def test_keepalive(self) -> None:
        """
        After 60 s of silence one PING asks for a sign of life.
        """
        self.client.start()
        self.wait(300)
        pings = [e for e in self.connection.seen if isinstance(e, h2_events.PingReceived)]
        self.assertTrue(4 <= len(pings) <= 5)
        self.assertEqual(len(self.double.connections), 1)

    def test_dead(self) -> None:
        """
        Without an answer to it the connection is replaced after 15 s.
        """
        self.client.start()
        self.clock.advance(0)
        self.connection.frozen = True
        self.wait(74)
        self.assertEqual(len(self.double.connections), 1)
        self.wait(2)
        self.assertEqual(len(self.double.connections), 2)
