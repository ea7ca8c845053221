"""
Tests for the states of connections and of pushes: their order, and the deadline of each.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred

from scepd.apns.engine import PushEngine
from scepd.apns.outcome import OutcomeKind, PushOutcome
from scepd.network.apns_connection import APNsConnection
from scepd.network.apns_limits import APNsLimits
from scepd.network.apns_maker import ConnectionMaker
from scepd.network.apns_metrics import ReconnectCause
from scepd.network.apns_owner import ConnectionState, TokenSource
from scepd.network.apns_push import PendingPush, PushState
from tests.network.test_apns_tokens import CountedTokens
from tests.support.apns_case import APNsCase
from tests.support.apns_double import GoAway, Reset, Silence
from tests.support.apns_requests import Reply


class StateCase(APNsCase):
    """
    A client whose first connection is watched.
    """

    limits = APNsLimits(max_connections=1, lifetime=1000)

    def setUp(self) -> None:
        """
        Watch.
        """
        super().setUp()
        self.states: dict[APNsConnection, list[ConnectionState]] = {}
        enter = APNsConnection._enter

        def watched(
            connection: APNsConnection,
            state: ConnectionState,
            seconds: float | None = None,
            complaint: str = "",
        ) -> None:
            enter(connection, state, seconds, complaint)
            seen = self.states.setdefault(connection, [ConnectionState.CONNECTING])
            if seen[-1] is not state:
                seen.append(state)

        self.patch(APNsConnection, "_enter", watched)

    @property
    def names(self) -> str:
        """
        The states that the first connection has been in.
        """
        return " ".join(state.value for state in next(iter(self.states.values())))

    def check_deadline(self, state: ConnectionState, seconds: int) -> None:
        """
        The first connection is in this state, and ends after so many seconds, not before.
        """
        self.assertEqual(self.names.split()[-1], state.value)
        transport = self.route.clients[0]
        self.wait(seconds - 1)
        self.assertFalse(transport.closed)
        self.wait(1)
        self.assertTrue(transport.closed)
        self.assertTrue(self.names.endswith("closed"))


class ConnectionStateTests(StateCase):
    """
    Tests for connections.
    """

    def test_usual(self) -> None:
        """
        A connection that is of use, and is replaced at its age.
        """
        self.assert_done(self.pushes(3))
        self.wait(1100)
        self.assert_done(self.pushes(3))
        life = "connecting tls awaiting-settings ready draining closed"
        self.assertEqual(self.names, life)
        self.assertEqual([len(seen) for seen in self.states.values()], [6, 4])

    def test_ready_lasts(self) -> None:
        """
        READY has no deadline.
        """
        self.client.start()
        self.wait(900)
        self.assertEqual(self.names, "connecting tls awaiting-settings ready")

    def test_tls(self) -> None:
        """
        10 s for all until TLS is established.
        """
        self.route.mode = "no-tls"
        self.client.start()
        self.clock.advance(0)
        self.check_deadline(ConnectionState.TLS, 10)

    def test_awaiting_settings(self) -> None:
        """
        10 s for SETTINGS.
        """
        self.behaviour.send_settings = False
        self.client.start()
        self.clock.advance(0)
        self.check_deadline(ConnectionState.AWAITING_SETTINGS, 10)

    def test_throttled(self) -> None:
        """
        10 s without any room; then pushes wait for another connection.
        """
        self.assert_done(self.pushes(1))
        self.route.clients[0].producer.pauseProducing()
        pushed = self.pushes(1)
        self.check_deadline(ConnectionState.THROTTLED, 10)
        self.wait(1)
        self.assert_done(pushed)

    def test_throttled_and_ready(self) -> None:
        """
        With room it is READY again.
        """
        self.behaviour.credit = False
        pushed = self.pushes(4000)
        self.assertTrue(self.names.endswith("ready throttled"))
        double = self.connection
        double.h2.increment_flow_control_window(100_000)
        double.flush()
        self.clock.advance(0)
        self.assertTrue(self.names.endswith("ready throttled ready"))
        self.assert_done(pushed)

    def test_draining(self) -> None:
        """
        Pushes have their 10 s, and the peer 5 s to close.
        """
        self.behaviour.always = Silence()
        pushed = self.pushes(1)
        self.connection.go_away(1)
        self.connection.frozen = True
        self.clock.advance(0)
        self.check_ends_draining(pushed)

    def check_ends_draining(self, pushed: list[Deferred[PushOutcome]]) -> None:
        """
        The first connection drains; what was in flight is unknown in the end.
        """
        self.route.clients[0].loseConnection = lambda: None  # type: ignore[method-assign]
        self.assertTrue(self.names.endswith("draining"))
        self.wait(10)
        self.assertTrue(self.successResultOf(pushed[0]).sent)
        self.check_deadline(ConnectionState.CLOSED, 5)

    def test_ids_run_out(self) -> None:
        """
        Before stream ids run out, another connection goes on.
        """
        host, most = self.route.host, 21

        def small(_: ConnectionMaker) -> PushEngine:
            return PushEngine(host, last_stream_id=most)

        self.patch(ConnectionMaker, "_engine", small)
        pushed = self.pushes(60)
        self.wait(10)
        self.assert_done(pushed)
        self.assert_once(60)
        self.assertGreater(len(self.double.connections), 5)
        self.assertEqual(set(self.metrics.causes), {ReconnectCause.STREAMS_SPENT})


class ProbingTests(StateCase):
    """
    Tests for connections with token credentials.
    """

    def make_tokens(self) -> TokenSource:
        """
        Any will do.
        """
        return CountedTokens()

    def test_usual(self) -> None:
        """
        They are READY when the first push was accepted.
        """
        self.client.start()
        self.wait(5)
        self.assertTrue(self.names.endswith("awaiting-settings probing"))
        self.assert_done(self.pushes(3))
        self.assertTrue(self.names.endswith("probing ready"))

    def test_deadline(self) -> None:
        """
        10 s for the probe.
        """
        self.behaviour.always = Silence()
        self.pushes(1)
        self.check_deadline(ConnectionState.PROBING, 10)

    def test_throttled(self) -> None:
        """
        A probe that can't be sent has 10 s as well; with room the connection probes again.
        """
        self.client.start()
        self.clock.advance(0)
        producer = self.route.clients[0].producer
        producer.pauseProducing()
        pushed = self.pushes(3)
        self.assertTrue(self.names.endswith("probing throttled"))
        producer.resumeProducing()
        self.clock.advance(0)
        self.assertIn("throttled probing ready", self.names)
        self.assert_done(pushed)


class PushStateTests(APNsCase):
    """
    Tests for pushes.
    """

    limits = APNsLimits(max_connections=1)

    def begin(self, *answers: Reply | Silence | Reset | GoAway) -> PendingPush:
        """
        Queue a push that is answered so.
        """
        self.answer(1, list(answers))
        self.pushed = self.push(1)
        push = self.client.next_push()
        assert push is not None
        self.assertIs(push.state, PushState.QUEUED)
        return push

    def test_answered(self) -> None:
        """
        QUEUED, SENT, ANSWERED.
        """
        push = self.begin(Silence())
        self.clock.advance(0)
        self.assertIs(push.state, PushState.SENT)
        self.connection.reply(1, Reply(200), "id")
        self.clock.advance(0)
        self.assertIs(push.state, PushState.ANSWERED)

    def test_refused(self) -> None:
        """
        From SENT back to QUEUED.
        """
        push = self.begin(GoAway("Shutdown"))
        self.clock.advance(0)
        self.assertIs(push.state, PushState.QUEUED)
        self.assertEqual((push.refusals, self.client.waiting), (1, 1))
        self.wait(1)
        self.assertIs(push.state, PushState.ANSWERED)

    def test_lost(self) -> None:
        """
        A cut connection.
        """
        push = self.begin(Silence())
        self.clock.advance(0)
        self.let_go(0)
        self.assertIs(push.state, PushState.LOST)

    def test_timed_out(self) -> None:
        """
        No answer; its stream is reset.
        """
        push = self.begin(Silence())
        self.clock.advance(0)
        self.wait(10)
        self.assertIs(push.state, PushState.TIMED_OUT)
        self.assertEqual(self.connection.open_streams, 0)
        self.assertEqual(self.metrics.ended[None, "timed-out"], 1)

    def test_unsent(self) -> None:
        """
        No connection.
        """
        self.route.mode = "refused"
        push = self.begin()
        self.wait(31)
        self.assertIs(push.state, PushState.UNSENT)
        self.assertIs(self.successResultOf(self.pushed).kind, OutcomeKind.RETRY)
