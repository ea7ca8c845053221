"""
Tests for how many connections there are, and how they take over from one another.
"""

from __future__ import annotations

from scepd.apns.outcome import GatewayState, OutcomeKind
from scepd.network.apns_client import APNsLimits
from scepd.network.apns_metrics import ReconnectCause
from tests.support.apns_case import APNsCase
from tests.support.apns_double import GoAway, Silence
from tests.support.apns_requests import Reply


class GrowthTests(APNsCase):
    """
    Tests for more connections under load.
    """

    limits = APNsLimits(max_connections=3)

    def load(self, count: int) -> None:
        """
        Have pushes that are not answered.
        """
        self.behaviour.always = Silence()
        self.pushed = self.pushes(count)

    def test_limit_of_one(self) -> None:
        """
        When the server allows one stream, there is another connection each second, up to the most.
        """
        self.behaviour.max_streams = 1
        self.load(20)
        self.assertEqual(self.client.connections, 1)
        self.wait(1)
        self.assertEqual(self.client.connections, 2)
        self.wait(2)
        self.assertEqual(self.client.connections, 3)
        self.wait(5)
        self.assertEqual((self.client.connections, self.client.in_flight), (3, 3))
        self.assertEqual(len(self.route.attempts), 3)
        self.assertEqual(set(self.metrics.causes), {ReconnectCause.LOAD})

    def test_limit_drops(self) -> None:
        """
        A limit that falls to 1 under load brings more connections, which carry what waits.
        """
        self.pushes(1)
        self.connection.change_settings(1)
        self.clock.advance(0)
        self.behaviour.max_streams = 1
        self.load(4)
        self.wait(5)
        self.assertEqual(self.client.connections, 3)
        self.behaviour.always = None
        self.connection.reply(1, Reply(200), "id")
        self.wait(1)
        self.assert_done(self.pushed[3:])

    def test_window_binds(self) -> None:
        """
        A connection whose window is used up has no room either.
        """
        self.behaviour.credit = False
        self.load(900)
        self.pushed += self.pushes(3000)[900:]
        self.wait(3)
        self.assertGreater(self.client.connections, 1)

    def test_short_crowds(self) -> None:
        """
        Pushes that wait for less than a second are no reason.
        """
        self.behaviour.max_streams = 1
        for _ in range(20):
            self.assert_done(self.pushes(50))
            self.clock.advance(0.5)
        self.assertEqual(len(self.route.attempts), 1)

    def test_back_off(self) -> None:
        """
        One more that is not to be had is tried less and less often; the first goes on.
        """
        self.behaviour.max_streams = 1
        self.pushes(1)
        self.route.mode = "refused"
        self.load(200)
        self.wait(100)
        self.assertLess(len(self.route.attempts), 15)
        self.assertIs(self.client.state, GatewayState.CONNECTED)

    def test_idle_ones_close(self) -> None:
        """
        What was dialled for a crowd is closed, one by one, when it has been idle for long.
        """
        self.test_limit_of_one()
        self.behaviour.always = None
        self.wait(30)
        self.assertGreater(self.client.connections, 1)
        for _ in range(600):
            self.pushes(1)
            self.clock.advance(2)
        self.assertEqual(self.client.connections, 1)
        opened = [one for one in self.double.connections if not one.lost]
        self.assertEqual(len(opened), 1)

    def test_no_needless_ones(self) -> None:
        """
        Without load one connection stays the only one.
        """
        for number in range(500):
            self.push(number)
            self.clock.advance(3)
        self.assertEqual(len(self.route.attempts), 1)


class LifetimeTests(APNsCase):
    """
    Tests for the age of connections.
    """

    limits = APNsLimits(lifetime=3600)

    def test_replaced(self) -> None:
        """
        Another takes over before an old one is closed, and no push fails.
        """
        self.pushes(1)
        pushed = []
        for number in range(1, 400):
            pushed.append(self.push(number))
            self.clock.advance(10)
        self.clock.advance(0)
        self.assert_done(pushed)
        self.assert_once(400)
        self.assertEqual([one.lost for one in self.double.connections], [True, False])
        self.assertEqual(self.metrics.causes, [ReconnectCause.LIFETIME])

    def test_no_successor(self) -> None:
        """
        Without a successor the old one goes on.
        """
        self.pushes(1)
        self.route.mode = "refused"
        self.wait(3700)
        self.assertIs(self.client.state, GatewayState.CONNECTED)
        self.assert_done(self.pushes(5))
        self.assertIn("refused", self.client.complaint)
        self.route.mode = "up"
        self.wait(61)
        self.assertEqual([one.lost for one in self.double.connections], [True, False])
        self.assertEqual(self.client.complaint, "")

    def test_jitter(self) -> None:
        """
        The life is a tenth longer or shorter, so that not all end at one time.
        """
        self.client._pool._random = lambda: 0.0
        self.pushes(1)
        self.wait(3239)
        self.assertEqual(len(self.double.connections), 1)
        self.wait(2)
        self.assertEqual(len(self.double.connections), 2)


class StormTests(APNsCase):
    """
    Tests for servers that end connections all the time.
    """

    def test_go_away_each_time(self) -> None:
        """
        Connections that are of use, but end at once, are not dialled without a pause.
        """
        for number in range(200):
            self.answer(number, [GoAway("Shutdown")] * 2)
        for number in range(200):
            self.push(1000 + number)
            self.push(number)
            self.clock.advance(0.1)
        self.assertLess(len(self.route.attempts), 40)
        self.behaviour.answers.clear()
        self.wait(5)
        self.assert_done(self.pushes(3))

    def test_fresh_names(self) -> None:
        """
        Each attempt looks the name up anew.
        """
        self.answer(0, [GoAway()])
        self.pushes(3)
        self.wait(1)
        self.assertEqual(len(self.route.shown), len(self.route.attempts))
        self.assertEqual(len(self.route.shown), 2)

    def test_go_away_without_pushes(self) -> None:
        """
        GOAWAY on an idle connection brings its successor at once.
        """
        self.client.start()
        self.wait(100)
        self.connection.go_away(0, "Shutdown")
        self.clock.advance(0)
        self.assertEqual(len(self.double.connections), 2)
        self.assertTrue(self.double.connections[0].lost)
        self.assertEqual(self.metrics.causes, [ReconnectCause.GO_AWAY])

    def test_cause_of_a_cut(self) -> None:
        """
        A connection that ends by itself is counted as that.
        """
        self.pushes(1)
        self.let_go(0)
        self.assertEqual(self.metrics.causes, [ReconnectCause.LOST])

    def test_cause_of_silence(self) -> None:
        """
        A connection that answers no PING is counted as that.
        """
        self.pushes(1)
        self.connection.frozen = True
        self.wait(80)
        self.assertEqual(self.metrics.causes, [ReconnectCause.NO_ANSWER])


class MetricsTests(APNsCase):
    """
    Tests for what is counted.
    """

    def test_counts(self) -> None:
        """
        Each answer counts by status and reason, with its time, in few calls.
        """
        self.answer(3, Reply(410, "Unregistered"))
        self.answer(4, Silence())
        pushed = self.pushes(500)
        self.assertEqual(self.metrics.ended, {(200, ""): 498, (410, "Unregistered"): 1})
        self.assertEqual(len(self.metrics.seconds), 499)
        self.assertLess(self.metrics.calls, 100)
        self.wait(10)
        self.assertEqual(self.metrics.ended[None, "timed-out"], 1)
        self.answer(4, Silence())
        pushed = self.pushes(5)
        self.let_go(-1)
        self.assertIs(self.successResultOf(pushed[4]).kind, OutcomeKind.RETRY)
        self.assertEqual(self.metrics.ended[None, "lost"], 1)
        self.assertEqual(self.client.waiting, 0)
