"""
Tests for what a server may do to the streams of pushes, and to all of them.
"""

from __future__ import annotations

from h2.errors import ErrorCodes

from scepd.apns.outcome import OutcomeKind
from tests.support.apns_case import APNsCase
from tests.support.apns_double import GoAway, Reset, Silence
from tests.support.apns_requests import Reply


class GoAwayTests(APNsCase):
    """
    Tests for GOAWAY.
    """

    def test_in_a_burst(self) -> None:
        """
        What came too late goes out again on a new connection; nothing is sent twice.
        """
        self.answer(70, [GoAway()])
        pushed = self.pushes(200)
        self.assert_done(pushed)
        self.assertEqual(len(self.double.connections), 2)
        accepted = [request.token for request in self.double.accepted]
        self.assertEqual(len(accepted), len(set(accepted)))

    def test_later_answers(self) -> None:
        """
        Answers to accepted pushes still count after GOAWAY, while others use a new connection.
        """
        self.answer(0, [Reply(200), Silence()])
        self.pushes(1)
        (first,) = self.pushes(1)
        old = self.connection
        old.go_away(3, "Shutdown")
        self.clock.advance(0)
        second = self.push(5)
        self.clock.advance(0)
        self.assert_done([second])
        self.assertIsNot(self.connection, old)
        old.reply(3, Reply(200), "id")
        self.clock.advance(0)
        self.assert_done([first])
        self.assertTrue(old.lost)

    def test_reply_says_shutdown(self) -> None:
        """
        After the reasons Shutdown and IdleTimeout a new connection is used.
        """
        for reason, status in (("Shutdown", 503), ("IdleTimeout", 400)):
            self.answer(0, Reply(status, reason))
            (pushed,) = self.pushes(1)
            self.assertIs(self.successResultOf(pushed).kind, OutcomeKind.RETRY)
            self.wait(1)
        self.assertEqual(len(self.double.connections), 3)


class ResetTests(APNsCase):
    """
    Tests for streams that are reset.
    """

    def test_refused(self) -> None:
        """
        A refused stream is no attempt: the push goes out again at once.
        """
        for number in range(0, 50, 5):
            self.answer(number, [Reset(ErrorCodes.REFUSED_STREAM)])
        self.assert_done(self.pushes(50))
        self.assertEqual(len(self.double.accepted), 50)

    def test_refused_for_ever(self) -> None:
        """
        A server that refuses everything is neither asked for ever nor stormed.
        """
        self.behaviour.always = Reset(ErrorCodes.REFUSED_STREAM)
        pushed = self.pushes(3)
        self.wait(30)
        for one in pushed:
            outcome = self.successResultOf(one)
            self.assertIs(outcome.kind, OutcomeKind.RETRY)
            self.assertFalse(outcome.sent)
        self.assertLess(len(self.double.requests), 30)

    def test_other(self) -> None:
        """
        After any other reset the outcome is unknown, and the sender decides.
        """
        self.answer(0, Reset(ErrorCodes.INTERNAL_ERROR))
        pushed = self.pushes(2)
        outcome = self.successResultOf(pushed[0])
        self.assertIs(outcome.kind, OutcomeKind.RETRY)
        self.assertTrue(outcome.sent)
        self.assert_done(pushed[1:])
        self.assert_once(2)


class LimitTests(APNsCase):
    """
    Tests for stream limits and windows.
    """

    def test_rising_limit(self) -> None:
        """
        One stream at first, many once the server allows them.
        """
        self.behaviour.max_streams = 1
        self.answer(0, Silence())
        pushed = self.pushes(20)
        self.assertEqual(self.connection.most_streams, 1)
        self.connection.change_settings(1000)
        self.clock.advance(0)
        self.assert_done(pushed[1:])
        self.connection.reply(1, Reply(200), "id")
        self.clock.advance(0)
        self.assert_done(pushed[:1])
        self.assert_once(20)

    def test_falling_limit(self) -> None:
        """
        A limit that falls in flight holds for everything after.
        """
        self.answer(0, Silence())
        self.answer(1, Silence())
        pushed = self.pushes(2)
        self.connection.change_settings(1)
        self.clock.advance(0)
        pushed += [self.push(number) for number in range(2, 20)]
        for stream_id in (1, 3):
            self.clock.advance(0)
            self.assertEqual(len(self.double.requests), 2)
            self.connection.reply(stream_id, Reply(200), "id")
        self.clock.advance(0)
        self.assert_done(pushed)
        self.assert_once(20)

    def test_many_streams(self) -> None:
        """
        As many pushes are in flight as the server allows, and not one more.
        """
        self.behaviour.always = Silence()
        self.behaviour.max_streams = 300
        self.pushes(500)
        self.assertEqual(self.connection.most_streams, 300)
        self.assertEqual((self.client.in_flight, self.client.waiting), (300, 200))

    def test_small_windows(self) -> None:
        """
        Bodies longer than their window arrive whole.
        """
        self.behaviour.window = 3
        self.assert_done(self.pushes(50))
        self.assertEqual(self.double.requests[9].push_magic, "magic-9")

    def test_no_credit(self) -> None:
        """
        A connection that takes no push for 10 s is replaced; others are dialled before that.
        """
        self.behaviour.credit = False
        pushed = self.pushes(4000)
        self.wait(9)
        self.assertFalse(self.double.connections[0].lost)
        self.wait(15)
        self.assertTrue(self.double.connections[0].lost)
        self.assert_done(pushed)
        self.assert_once(4000)

    def test_error_bodies(self) -> None:
        """
        Far more than 65,535 octets of error bodies come through.
        """
        self.behaviour.always = Reply(400, "BadDeviceToken", filler=1000)
        for one in self.pushes(500):
            self.assertIs(self.successResultOf(one).kind, OutcomeKind.PERMANENT)

    def test_single_bytes(self) -> None:
        """
        Answers may come byte by byte.
        """
        self.route.piece_size = 1
        self.assert_done(self.pushes(5))
