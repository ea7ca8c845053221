"""
Each fault of the push service alone: nothing is lost, hangs, or is sent twice needlessly.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random

from h2.errors import ErrorCodes

from scepd.apns.outcome import GatewayState, OutcomeKind
from tests.apns.notifications import TOPIC, notification
from tests.support.apns_double import End, GoAway, Held, Reset, Silence
from tests.support.apns_fault_case import COUNT, FaultCase
from tests.support.apns_faults import REFUSED_CREDENTIALS, REPLIES, go_away_in_a_burst
from tests.support.apns_ledger import Fate
from tests.support.apns_memory import credentials_for
from tests.support.apns_requests import Reply


class StreamFaultTests(FaultCase):
    """
    Tests for what happens to single pushes.
    """

    def test_each_reason(self) -> None:
        """
        Each of Apple's reasons is an outcome of its own push only.
        """
        for number, reply in enumerate(REPLIES):
            self.behaviour.answers[notification(number).token.hex()] = [reply]
        pushes = self.push(count=len(REPLIES) + 5)
        self.finish(OutcomeKind.DONE, OutcomeKind.PERMANENT, OutcomeKind.TOKEN_DEAD)
        for push, reply in zip(pushes, REPLIES, strict=False):
            told = self.sender.outcomes[push.apns_id][0]
            assert told is not None
            self.assertEqual((told.status, told.reason), (reply.status, reply.reason))

    def test_refused_stream(self) -> None:
        """
        What was refused goes out again at once, and is no attempt.
        """
        for number in range(COUNT):
            refusal = Reset(ErrorCodes.REFUSED_STREAM)
            self.behaviour.answers[notification(number).token.hex()] = [refusal]
        self.push()
        self.finish()
        self.assertEqual(self.clock.seconds(), 0)
        self.assert_pushed(1)
        self.assert_came(2)
        self.assertEqual(self.double.ledger.count(Fate.REFUSED), COUNT)

    def test_other_resets(self) -> None:
        """
        After any other reset the outcome is unknown, and the push is the sender's to repeat.
        """
        codes = [code for code in ErrorCodes if code is not ErrorCodes.REFUSED_STREAM]
        for number, code in enumerate(codes):
            self.behaviour.answers[notification(number).token.hex()] = [Reset(code)]
        self.push(count=len(codes))
        self.finish()
        self.assert_pushed(2)
        self.assert_came(2)

    def test_silence(self) -> None:
        """
        A push without an answer is given up after its deadline; the others don't wait for it.
        """
        for number in range(3):
            self.behaviour.answers[notification(number).token.hex()] = [Silence()]
        pushes = self.push()
        self.assertEqual(self.sender.left, 3)
        self.wait(11)
        told = self.sender.outcomes[pushes[0].apns_id][0]
        assert told is not None
        self.assertTrue(told.sent)
        self.finish()

    def test_large_bodies(self) -> None:
        """
        Bodies of errors that are larger than all windows are credited.
        """
        for number in range(COUNT):
            large = Reply(500, "InternalServerError", filler=10_000)
            self.behaviour.answers[notification(number).token.hex()] = [large]
        self.push()
        self.finish()
        self.assertEqual(len(self.double.connections), 1)
        self.assert_pushed(2)

    def test_single_bytes(self) -> None:
        """
        Answers come one octet at a time.
        """
        self.route.piece_size = self.behaviour.piece = 1
        for number in range(COUNT):
            reply = Reply(503, "ServiceUnavailable")
            self.behaviour.answers[notification(number).token.hex()] = [reply]
        self.push()
        self.finish()
        self.assert_pushed(2)

    def test_padding(self) -> None:
        """
        Padding takes credit as well, and all of it comes back.
        """
        self.behaviour.piece, self.behaviour.padding = 20, 255
        for number in range(COUNT):
            padded = Reply(500, "InternalServerError", filler=1000)
            self.behaviour.answers[notification(number).token.hex()] = [padded]
        self.push()
        self.finish()
        self.assertEqual(len(self.double.connections), 1)
        self.assert_pushed(2)


class ConnectionFaultTests(FaultCase):
    """
    Tests for what happens to a whole connection.
    """

    def test_late_settings(self) -> None:
        """
        Nothing is sent before SETTINGS.
        """
        self.behaviour.send_settings = False
        self.push()
        self.wait(5)
        self.assertEqual(self.double.requests, [])
        self.double.connections[0].send_settings()
        self.finish()
        self.assert_came(1)

    def test_no_settings(self) -> None:
        """
        A connection without SETTINGS is replaced.
        """
        self.behaviour.send_settings = False
        self.push()
        self.wait(5)
        self.behaviour.send_settings = True
        self.finish()
        self.assert_came(1)

    def test_stream_limit(self) -> None:
        """
        1 push in flight on a connection, then 1000, then 1 again.
        """
        self.behaviour.max_streams = 1
        self.behaviour.always = Held()
        self.push()
        self.assert_held(1)
        for connection in self.double.connections:
            connection.change_settings(1000)
        self.clock.advance(0)
        self.assertEqual(sum(len(one.held) for one in self.double.connections), COUNT)
        for connection in self.double.connections:
            connection.change_settings(1)
            connection.release()
        self.clock.advance(0)
        self.push(first=COUNT)
        self.assert_held(1)
        self.behaviour.always = None
        for connection in self.double.connections:
            connection.release()
        self.finish()
        self.assert_came(1)

    def assert_held(self, number: int) -> None:
        """
        No connection has more in flight, and one has so many.
        """
        held = [len(connection.held) for connection in self.double.connections]
        self.assertEqual(max(held), number)

    def test_small_stream_window(self) -> None:
        """
        Bodies go out in pieces as credit comes.
        """
        self.behaviour.window = 1
        self.push()
        self.finish()
        self.assert_came(1)

    def test_small_connection_window(self) -> None:
        """
        A push for whose body there is no credit waits, and holds no stream.
        """
        self.behaviour.credit = False
        self.push(magic="m" * 4000)
        connections = self.double.connections
        room = len(connections) * (65_535 // 4010)
        self.assertEqual(len(self.double.requests), min(room, COUNT))
        self.assertEqual([one.open_streams for one in connections], [0] * len(connections))
        self.wait(3)
        self.behaviour.credit = True
        for connection in connections:
            connection.pay()
        self.finish()
        self.assert_came(1)

    def test_go_away_in_a_burst(self) -> None:
        """
        What GOAWAY accepts is answered later on the old connection; the rest goes to a new one.
        """
        for seed in range(20):
            self.behaviour.always = Held()
            self.push(first=seed * COUNT)
            connection = self.double.connections[-1]
            self.behaviour.always = None
            go_away_in_a_burst(connection, Random(seed))
            self.wait(2)
            connection.release()
            self.finish()
            self.assert_pushed(1)
        self.assertGreaterEqual(len(self.double.connections), 20)

    def test_go_away_refuses(self) -> None:
        """
        A push that GOAWAY does not accept is no attempt.
        """
        self.behaviour.answers[notification(7).token.hex()] = [GoAway("Shutdown")]
        self.push()
        self.finish()
        self.assert_pushed(1)
        self.assertGreater(self.double.ledger.count(Fate.REFUSED), 0)

    def test_frozen(self) -> None:
        """
        A connection that says nothing any more is replaced, though it stays open.
        """
        self.push(count=1)
        self.double.connections[0].frozen = True
        self.push(first=1)
        self.finish()
        self.assertGreater(len(self.double.connections), 1)

    def test_ends(self) -> None:
        """
        The connection ends in each way, with answers due.
        """
        for number, how in enumerate(End):
            self.behaviour.always = Held()
            self.push(first=number * COUNT)
            self.behaviour.always = None
            self.double.connections[-1].end(how)
            self.finish()
        self.assert_pushed(2)

    def test_refused_certificate(self) -> None:
        """
        From one moment on the certificate is refused: nothing more is sent until it changes.
        """
        for number, refusal in enumerate(REFUSED_CREDENTIALS):
            self.push(first=2 * number * COUNT)
            self.behaviour.always = refusal
            self.push(first=(2 * number + 1) * COUNT)
            self.assertIs(self.client.state, GatewayState.SUSPENDED)
            came = len(self.double.requests)
            self.wait(5)
            self.assertEqual(len(self.double.requests), came)
            self.behaviour.always = None
            renewed = replace(credentials_for(TOPIC), certificates=(b"%d" % number,))
            self.client.use_credentials(renewed)
            self.finish()
