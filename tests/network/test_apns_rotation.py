"""
Tests for push certificates that take over from others.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred

from scepd.apns.outcome import GatewayState, OutcomeKind, PushOutcome
from scepd.network.apns_client import APNsLimits
from scepd.network.apns_metrics import ReconnectCause
from tests.apns.notifications import TOPIC, notification
from tests.support.apns_case import APNsCase
from tests.support.apns_double import Silence
from tests.support.apns_memory import credentials_for
from tests.support.apns_requests import Reply


class TakeoverTests(APNsCase):
    """
    Tests for certificates that work.
    """

    limits = APNsLimits(max_streams=20)

    def test_under_load(self) -> None:
        """
        No push fails, none waits long, and none is sent twice.
        """
        pushed: list[Deferred[PushOutcome]] = []
        for step in range(60):
            pushed += [self.push(number) for number in range(50 * step, 50 * (step + 1))]
            if step in (20, 40):
                self.client.use_credentials(self.renewed())
            self.clock.advance(0.1)
        self.assert_done(pushed)
        self.assert_once(3000)
        self.assertEqual(len(self.double.connections), 3)
        self.assertEqual([one.lost for one in self.double.connections], [True, True, False])
        self.assertLess(max(self.metrics.seconds), 5)

    def test_slow_dial(self) -> None:
        """
        The former connection goes on until the new one is ready, however long that takes.
        """
        self.pushes(1)
        self.route.delay = 8
        self.client.use_credentials(self.renewed())
        self.clock.advance(0)
        for number in range(1, 8):
            pushed = self.push(number)
            self.wait(1)
            self.assert_done([pushed])
        self.assertEqual(len(self.double.connections), 1)
        self.assertFalse(self.connection.lost)
        self.wait(1)
        self.assert_done([self.push(8)])
        self.assertEqual([one.lost for one in self.double.connections], [True, False])
        self.assert_once(9)

    def assert_done(self, pushed: list[Deferred[PushOutcome]]) -> None:
        """
        They are, as soon as what happens at once has happened.
        """
        self.clock.advance(0)
        super().assert_done(pushed)

    def test_waits_for_answers(self) -> None:
        """
        The former connection brings the answers of what it took.
        """
        self.answer(0, Silence())
        (pushed,) = self.pushes(1)
        self.client.use_credentials(self.renewed())
        self.wait(3)
        old = self.double.connections[0]
        self.assertFalse(old.lost)
        old.reply(1, Reply(200), "id")
        self.assert_done([pushed])
        self.assertTrue(old.lost)

    def test_unchanged(self) -> None:
        """
        The same certificate once more changes nothing.
        """
        self.pushes(1)
        self.client.use_credentials(credentials_for(TOPIC))
        self.wait(5)
        self.assertEqual(len(self.route.attempts), 1)
        self.assertFalse(self.connection.lost)

    def test_twice(self) -> None:
        """
        A third certificate takes over from a second that was not yet connected.
        """
        self.pushes(1)
        self.route.delay = 5
        second, third = self.renewed(), self.renewed()
        self.client.use_credentials(second)
        self.wait(2)
        self.client.use_credentials(third)
        self.wait(6)
        self.assertEqual(self.route.shown[1:], [second, third])
        self.assertEqual([one.lost for one in self.double.connections], [True, False])

    def test_back_again(self) -> None:
        """
        The former certificate may come back before the new one was connected.
        """
        self.pushes(1)
        self.route.delay = 5
        self.client.use_credentials(self.renewed())
        self.wait(2)
        self.client.use_credentials(self.credentials)
        self.wait(10)
        self.assertEqual(len(self.double.connections), 1)
        self.assertFalse(self.connection.lost)
        self.assert_done([self.push(1)])

    def test_other_topic(self) -> None:
        """
        A forced change of the topic leaves the pushes of the former one to their sender.
        """
        self.behaviour.max_streams = 1
        self.answer(0, Silence())
        pushed = self.pushes(2)
        self.double.topic = "com.apple.mgmt.External.other"
        self.client.use_credentials(credentials_for(self.double.topic), force=True)
        outcome = self.successResultOf(pushed[1])
        self.assertEqual((outcome.kind, outcome.sent), (OutcomeKind.PERMANENT, False))
        self.wait(1)
        self.assert_done([self.client.push(notification(5, topic=self.double.topic))])
        self.double.connections[0].reply(1, Reply(200), "id")
        self.assert_done(pushed[:1])


class BadCertificateTests(APNsCase):
    """
    Tests for certificates that do not work.
    """

    def setUp(self) -> None:
        """
        Push with one that does.
        """
        super().setUp()
        self.assert_done(self.pushes(1))
        self.bad = self.renewed()

    def check_former(self, complaint: str) -> None:
        """
        The former certificate stays in use, and operators see why.
        """
        self.assertIs(self.client.state, GatewayState.CONNECTED)
        self.assertIn(complaint, self.client.complaint)
        self.assertIn("the former one stays in use", self.client.complaint)
        pushed = self.pushes(20)
        self.assert_done(pushed)

    def test_no_connection(self) -> None:
        """
        Without a connection with the new one the former one's goes on.
        """
        self.route.modes[self.bad.certificates[0]] = "refused"
        self.client.use_credentials(self.bad)
        for _ in range(100):
            self.wait(1)
            self.check_former("refused")
        self.assertLess(len(self.route.attempts), 12)
        self.assertFalse(self.double.connections[0].lost)

    def test_no_tls(self) -> None:
        """
        A handshake that does not end is no reason to leave the former connection.
        """
        self.route.modes[self.bad.certificates[0]] = "no-tls"
        self.client.use_credentials(self.bad)
        self.wait(25)
        self.check_former("within 10 s")

    def test_mended(self) -> None:
        """
        The complaint ends with a certificate that works.
        """
        self.route.modes[self.bad.certificates[0]] = "refused"
        self.client.use_credentials(self.bad)
        self.wait(25)
        self.client.use_credentials(self.renewed())
        self.wait(1)
        self.assertEqual(self.client.complaint, "")
        self.assertTrue(self.double.connections[0].lost)

    def test_former_connection_lost(self) -> None:
        """
        When the last connection with the former one ends, the former one is dialled at once.
        """
        self.route.modes[self.bad.certificates[0]] = "refused"
        self.client.use_credentials(self.bad)
        self.wait(30)
        self.let_go(0)
        self.assertIs(self.route.shown[-1], self.credentials)
        self.check_former("refused")

    def test_former_connection_goes_away(self) -> None:
        """
        So it is after GOAWAY.
        """
        self.route.modes[self.bad.certificates[0]] = "refused"
        self.client.use_credentials(self.bad)
        self.wait(30)
        self.connection.go_away(0, "Shutdown")
        self.clock.advance(0)
        self.assertIs(self.route.shown[-1], self.credentials)
        self.check_former("refused")

    def test_refused_late(self) -> None:
        """
        With TLS 1.3 a server may leave after its SETTINGS: the former one comes back.
        """
        self.route.modes[self.bad.certificates[0]] = "bad"
        self.client.use_credentials(self.bad)
        self.clock.advance(0)
        self.assertTrue(self.double.connections[0].lost)
        self.wait(2)
        self.assertIs(self.route.shown[-1], self.credentials)
        self.check_former("closed the connection")

    def test_push_refused(self) -> None:
        """
        When Apple refuses the new one with the first pushes, these go out with the former one.
        """
        self.client.use_credentials(self.bad)
        self.clock.advance(0)
        for number in range(10):
            self.answer(number, [Reply(403, "BadCertificate")])
        pushed = self.pushes(10)
        self.wait(2)
        self.assert_done(pushed)
        self.assertIs(self.route.shown[-1], self.credentials)
        self.check_former("BadCertificate")

    def test_former_refused(self) -> None:
        """
        While the new one is dialled, a refusal of the former one suspends nothing.
        """
        self.route.delay = 5
        self.client.use_credentials(self.renewed())
        self.answer(3, [Reply(403, "BadCertificate")])
        pushed = self.pushes(5)
        self.assertTrue(self.connection.lost)
        self.assertNoResult(pushed[3])
        self.wait(6)
        self.assert_done(pushed)
        self.assertIs(self.client.state, GatewayState.CONNECTED)

    def test_both_refused(self) -> None:
        """
        When Apple refuses the former one as well, pushes are suspended.
        """
        self.behaviour.always = Reply(403, "BadCertificate")
        self.client.use_credentials(self.bad)
        (pushed,) = self.pushes(1)
        self.wait(5)
        self.assertIs(self.successResultOf(pushed).kind, OutcomeKind.SUSPENDED)
        self.assertIs(self.client.state, GatewayState.SUSPENDED)
        self.assertEqual(self.metrics.causes[0], ReconnectCause.CREDENTIAL)


class ResumeTests(APNsCase):
    """
    Tests for the end of a suspension.
    """

    def test_when_resumed(self) -> None:
        """
        Whoever asked for it hears when suspended pushes may go again, and of nothing else.
        """
        resumed: list[str] = []
        self.client.when_resumed(lambda: resumed.append(self.client.state.value))
        self.client.use_credentials(self.renewed())
        self.clock.advance(0)
        self.assert_done(self.pushes(1))
        self.assertEqual(resumed, [])
        self.answer(0, [Reply(403, "Forbidden")])
        self.pushes(1)
        self.client.use_credentials(self.renewed())
        self.client.use_credentials(self.renewed())
        self.assertEqual(resumed, ["connecting"])
        self.assert_done(self.pushes(3))

    def test_once_more(self) -> None:
        """
        While pushes are suspended the same certificate may be tried again.
        """
        self.behaviour.always = Reply(403, "Forbidden")
        for _ in range(3):
            (pushed,) = self.pushes(1)
            self.wait(1)
            self.assertIs(self.successResultOf(pushed).kind, OutcomeKind.SUSPENDED)
            self.client.use_credentials(credentials_for(TOPIC))
        self.behaviour.always = None
        self.assert_done(self.pushes(3))
        self.assertEqual(len(self.double.connections), 4)
