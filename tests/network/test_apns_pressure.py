"""
Tests for transports that take bytes slowly, and turns of the reactor that are short.
"""

from __future__ import annotations

from h2 import events as h2_events
from twisted.internet.interfaces import IPushProducer
from zope.interface.verify import verifyObject

from scepd.apns.engine import PushEngine
from scepd.apns.notification import Notification
from scepd.apns.outcome import GatewayState, OutcomeKind
from scepd.network.apns_client import APNsLimits
from scepd.network.apns_metrics import ReconnectCause
from tests.apns.notifications import token
from tests.support.apns_case import APNsCase
from tests.support.apns_double import Silence
from tests.support.apns_requests import Reply


class BackPressureTests(APNsCase):
    """
    Tests for a transport whose buffer is full.
    """

    limits = APNsLimits(max_connections=1)

    def setUp(self) -> None:
        """
        Connect.
        """
        super().setUp()
        self.client.start()
        self.clock.advance(0)
        self.transport = self.route.clients[0]

    def test_paused(self) -> None:
        """
        Nothing is sent until the transport has room again.
        """
        verifyObject(IPushProducer, self.transport.producer)
        self.transport.producer.pauseProducing()
        pushed = self.pushes(10)
        self.wait(5)
        self.assertEqual((self.double.requests, self.client.waiting), ([], 10))
        self.transport.producer.resumeProducing()
        self.clock.advance(0)
        self.assert_done(pushed)
        self.wait(20)
        self.assertEqual(len(self.double.connections), 1)

    def test_not_for_ever(self) -> None:
        """
        A connection that takes no bytes for 10 s is replaced.
        """
        self.pushes(1)
        self.transport.producer.pauseProducing()
        pushed = self.pushes(10)
        self.wait(9)
        self.assertEqual(len(self.double.connections), 1)
        self.wait(2)
        self.assertEqual(len(self.double.connections), 2)
        self.assert_done(pushed)
        self.assert_once_each()

    def assert_once_each(self) -> None:
        """
        No push but the first device's two was sent twice.
        """
        tokens = [request.token for request in self.double.requests]
        self.assertEqual(len(tokens) - len(set(tokens)), 1)

    def test_answers_while_paused(self) -> None:
        """
        What was sent before is answered.
        """
        self.behaviour.always = Silence()
        pushed = self.pushes(1)
        self.transport.producer.pauseProducing()
        self.connection.reply(1, Reply(200), "id")
        self.clock.advance(0)
        self.assert_done(pushed)

    def test_close_while_paused(self) -> None:
        """
        The transport is told that no more bytes come, so that it ends when its buffer is empty.
        """
        self.transport.producer.pauseProducing()
        self.close()
        self.assertIsNone(self.transport.producer)
        self.assertTrue(self.connection.lost)


class OthersTests(APNsCase):
    """
    Tests for a full transport when there are other connections.
    """

    limits = APNsLimits(max_connections=2)

    def test_another_is_dialled(self) -> None:
        """
        What waits for a full transport goes by another connection before long.
        """
        self.assert_done(self.pushes(1))
        self.route.clients[0].producer.pauseProducing()
        pushed = self.pushes(10)
        self.wait(1)
        self.assert_done(pushed)
        self.assertEqual(self.metrics.causes, [ReconnectCause.LOAD])
        self.assert_done(self.pushes(10))
        self.assertEqual(len(self.double.connections), 2)


class TurnTests(APNsCase):
    """
    Tests for what one turn of the reactor does.
    """

    def test_one_write(self) -> None:
        """
        All pushes of a turn are written at once, up to 500.
        """
        self.assert_done(self.pushes(1))
        before = self.route.clients[0].writes
        self.assert_done(self.pushes(500))
        # The pushes; h2 acknowledges nothing else.
        self.assertLessEqual(self.route.clients[0].writes - before, 2)

    def test_others_get_their_turn(self) -> None:
        """
        More than 500 are sent in several turns.
        """
        self.behaviour.always = Silence()
        self.client.start()
        self.clock.advance(0)
        for number in range(900):
            self.push(number)
        seen = []
        self.clock.callLater(0, lambda: seen.append(self.flying()))
        self.clock.advance(0)
        self.assertEqual(seen, [500])
        self.assertEqual(self.flying(), 900)

    def flying(self) -> int:
        """
        Pushes in flight.
        """
        return self.client.in_flight

    def test_turns_are_short(self) -> None:
        """
        When sending takes long, others get their turn after some milliseconds.
        """
        self.behaviour.always = Silence()
        self.client.start()
        self.clock.advance(0)
        for number in range(400):
            self.push(number)
        queued = self.client.next_push

        def slow() -> object:
            self.clock.rightNow += 0.001
            return queued()

        self.client.next_push = slow  # type: ignore[method-assign, assignment]
        self.clock.callLater(0, self.check_short)
        self.clock.advance(0)

    def check_short(self) -> None:
        """
        One batch was sent.
        """
        self.assertEqual(self.flying(), 50)


class FaultTests(APNsCase):
    """
    Tests for mistakes of our own.
    """

    def test_push_that_can_not_be_sent(self) -> None:
        """
        It costs its connection, not its outcome nor that of others.
        """
        self.assert_done(self.pushes(1))
        works = PushEngine.push

        def stumbling(engine: PushEngine, notification: Notification) -> int:
            if notification.token == token(2):
                raise ZeroDivisionError
            return works(engine, notification)

        self.patch(PushEngine, "push", stumbling)
        pushed = self.pushes(5)
        self.wait(1)
        outcome = self.successResultOf(pushed.pop(2))
        self.assertEqual((outcome.kind, outcome.sent), (OutcomeKind.PERMANENT, False))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assert_done(pushed[2:])
        for one in pushed[:2]:
            self.assertIs(self.successResultOf(one).kind, OutcomeKind.RETRY)


class NonsenseTests(APNsCase):
    """
    Tests for servers that break HTTP/2.
    """

    def test_told(self) -> None:
        """
        The server is told by GOAWAY, pushes are accounted for, and others go elsewhere.
        """
        self.behaviour.always = Silence()
        pushed = self.pushes(3)
        # A DATA frame of stream 0 (RFC 9113 section 6.1).
        self.connection.transport.write(bytes([0, 0, 1, 0, 0, 0, 0, 0, 0, 1]))
        self.clock.advance(0)
        seen = [type(event) for event in self.double.connections[0].seen]
        self.assertIn(h2_events.ConnectionTerminated, seen)
        self.assertTrue(self.double.connections[0].lost)
        for one in pushed:
            outcome = self.successResultOf(one)
            self.assertEqual((outcome.kind, outcome.sent), (OutcomeKind.RETRY, True))
        self.behaviour.always = None
        self.wait(1)
        self.assert_done(self.pushes(3))
        self.assertIs(self.client.state, GatewayState.CONNECTED)

    def test_peer_does_not_close(self) -> None:
        """
        A server that does not end the connection then is cut off.
        """
        self.pushes(1)
        client = self.route.clients[0]
        client.loseConnection = lambda: None  # type: ignore[method-assign]
        self.connection.transport.write(bytes([0, 0, 1, 0, 0, 0, 0, 0, 0, 1]))
        self.clock.advance(0)
        self.assertFalse(client.closed)
        self.wait(5)
        self.assertTrue(client.closed)
