"""
Tests for pushes that wait, and those that become one while they do.
"""

from __future__ import annotations

from h2.errors import ErrorCodes
from twisted.internet.defer import CancelledError

from scepd.apns.outcome import OutcomeKind
from scepd.network.apns_client import APNsLimits
from tests.apns.notifications import notification, token
from tests.support.apns_case import APNsCase
from tests.support.apns_double import GoAway, Reset, Silence
from tests.support.apns_requests import Reply


class CoalescingTests(APNsCase):
    """
    Tests for several pushes to one device.
    """

    def test_one_is_sent(self) -> None:
        """
        While it waits, others join it; the newest is sent, and all get its outcome.
        """
        first = self.push(1)
        second = self.client.push(notification(1, magic="newer"))
        other = self.push(2)
        self.assertEqual(self.client.waiting, 2)
        self.clock.advance(0)
        self.assert_done([first, second, other])
        self.assertEqual(len(self.double.requests), 2)
        self.assertEqual(self.double.requests[0].push_magic, "newer")
        self.assertIs(self.successResultOf(first), self.successResultOf(second))

    def test_not_once_sent(self) -> None:
        """
        One that was sent is not joined: the device may have answered it already.
        """
        self.answer(1, [Silence()])
        first = self.push(1)
        self.clock.advance(0)
        second = self.push(1)
        self.clock.advance(0)
        self.assert_done([second])
        self.assertNoResult(first)
        self.assertEqual(len(self.double.requests), 2)

    def test_refused_one_joins(self) -> None:
        """
        A refused push and one to the same device that waits become one, at the head of the queue.
        """
        self.behaviour.max_streams = 1
        self.answer(1, Silence())
        first = self.push(1)
        self.clock.advance(0)
        others = [self.push(2), self.client.push(notification(1, magic="newer"))]
        self.behaviour.answers.clear()
        self.connection.go_away(0)
        self.wait(2)
        self.assert_done([first, *others])
        magics = [request.push_magic for request in self.double.requests]
        self.assertEqual(magics, ["magic-1", "newer", "magic-2"])

    def test_both_refused(self) -> None:
        """
        Two to the same device that were both sent and refused become one, the newer.
        """
        self.answer(1, [Silence(), Silence()])
        first = self.push(1)
        self.clock.advance(0)
        second = self.client.push(notification(1, magic="newer"))
        self.clock.advance(0)
        self.connection.go_away(0)
        self.wait(2)
        self.assert_done([first, second])
        magics = [request.push_magic for request in self.double.requests]
        self.assertEqual(magics, ["magic-1", "newer", "newer"])

    def test_one_of_two_cancelled(self) -> None:
        """
        A push is sent as long as somebody waits for it.
        """
        first, second = self.push(1), self.push(1)
        first.cancel()
        self.failureResultOf(first, CancelledError)
        self.clock.advance(0)
        self.assert_done([second])

    def test_all_cancelled(self) -> None:
        """
        It is not sent when nobody does.
        """
        pushed = [self.push(1) for _ in range(3)]
        for one in pushed:
            one.cancel()
            self.failureResultOf(one, CancelledError)
        self.assertEqual(self.client.waiting, 0)
        self.clock.advance(0)
        self.assertEqual(self.double.requests, [])

    def test_joined_ones_cancelled(self) -> None:
        """
        That holds as well for those that joined a refused push.
        """
        self.behaviour.max_streams = 1
        self.answer(1, Silence())
        first = self.push(1)
        self.clock.advance(0)
        second = self.push(1)
        self.route.mode = "refused"
        self.connection.go_away(0)
        self.clock.advance(0)
        self.assertEqual(self.client.waiting, 1)
        for one in (first, second):
            one.cancel()
            self.failureResultOf(one, CancelledError)
        self.assertEqual(self.client.waiting, 0)

    def test_bounded(self) -> None:
        """
        Not even for one device may any number wait.
        """
        self.route.mode = "silent"
        pushed = [self.push(1) for _ in range(10_001)]
        self.assertNoResult(pushed[9_999])
        outcome = self.successResultOf(pushed[10_000])
        self.assertEqual((outcome.kind, outcome.sent), (OutcomeKind.RETRY, False))


class CancelTests(APNsCase):
    """
    Tests for senders that wait no more, whatever the push's state.
    """

    def test_sent(self) -> None:
        """
        What is in flight is not asked back; its answer, or its time, ends it.
        """
        self.answer(1, Silence())
        pushed = self.push(1)
        self.clock.advance(0)
        pushed.cancel()
        self.failureResultOf(pushed, CancelledError)
        self.assertEqual(self.client.in_flight, 1)
        self.connection.reply(1, Reply(200), "id")
        self.clock.advance(0)
        self.assertEqual(self.client.in_flight, 0)

    def test_sent_then_refused(self) -> None:
        """
        It does not go out again.
        """
        self.answer(1, Silence())
        pushed = self.push(1)
        self.clock.advance(0)
        pushed.cancel()
        self.failureResultOf(pushed, CancelledError)
        self.connection.go_away(0)
        self.clock.advance(0)
        self.assertEqual((self.client.in_flight, self.client.waiting), (0, 0))
        self.assertEqual(len(self.double.requests), 1)

    def test_refused_and_queued_again(self) -> None:
        """
        One that waits to go out again is taken out of the queue.
        """
        self.answer(1, [GoAway()])
        self.pushes(1)
        self.route.mode = "refused"
        pushed = self.push(1)
        self.clock.advance(0)
        self.assertEqual(self.client.waiting, 1)
        pushed.cancel()
        self.failureResultOf(pushed, CancelledError)
        self.assertEqual(self.client.waiting, 0)

    def test_done(self) -> None:
        """
        An outcome that is there stays.
        """
        pushed = self.push(1)
        self.clock.advance(0)
        pushed.cancel()
        self.assert_done([pushed])

    def test_from_a_callback(self) -> None:
        """
        Those that are told may push again, cancel others and close the client.
        """
        self.answer(5, Silence())
        others = [self.push(number) for number in range(3, 7)]
        again = []

        def told(_: object) -> None:
            others[2].cancel()
            again.append(self.push(9))
            self.client.use_credentials(self.renewed())

        self.push(1).addCallback(told)
        self.clock.advance(0)
        self.failureResultOf(others[2], CancelledError)
        self.assert_done([others[0], others[1], others[3], *again])


class ExpiryTests(APNsCase):
    """
    Tests for pushes that wait too long.
    """

    limits = APNsLimits(push_timeout=35, max_connections=1)

    def test_in_order(self) -> None:
        """
        Each waits for its own 30 s.
        """
        self.route.mode = "refused"
        pushed = []
        for number in range(10):
            pushed.append(self.push(number))
            self.wait(2)
        self.wait(9)
        for one in pushed:
            self.assertNoResult(one)
            self.wait(1)
            self.assertFalse(self.successResultOf(one).sent)
            self.wait(1)

    def test_refused_one(self) -> None:
        """
        One that goes out again waits anew; others keep their time.
        """
        self.behaviour.max_streams = 1
        self.answer(1, Silence())
        first = self.push(1)
        self.clock.advance(0)
        second = self.push(2)
        self.wait(20)
        self.route.mode = "refused"
        self.connection.go_away(0)
        self.clock.advance(0)
        self.wait(10)
        self.assertFalse(self.successResultOf(second).sent)
        self.assertNoResult(first)
        self.wait(20)
        self.assertFalse(self.successResultOf(first).sent)

    def test_reset_refused_stream(self) -> None:
        """
        REFUSED_STREAM brings a push back to the head of the queue.
        """
        self.behaviour.answers[token(1).hex()] = [Reset(ErrorCodes.REFUSED_STREAM)]
        self.behaviour.max_streams = 1
        self.assert_done(self.pushes(4))
        tokens = [int(request.token, 16) for request in self.double.requests]
        self.assertEqual(tokens, [0, 1, 1, 2, 3])
