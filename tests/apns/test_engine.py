"""
Tests for the push engine against h2's server side.
"""

from __future__ import annotations

from h2 import events as h2_events
from h2.settings import SettingCodes
from twisted.trial.unittest import SynchronousTestCase

from scepd.apns.engine import PushEngine
from scepd.apns.events import (
    PingAcknowledged,
    PushAnswered,
    PushesAccepted,
    SettingsReceived,
)
from tests.apns.notifications import TOPIC, notification, token
from tests.apns.server import Server, go_away


class EngineCase(SynchronousTestCase):
    """
    An engine and its server.
    """

    def connect(self, *, max_streams: int = 1000, window: int = 65535) -> None:
        """
        Make both and let them shake hands.
        """
        self.engine = PushEngine("api.push.apple.com")
        self.server = Server(self.engine, max_streams=max_streams, window=window)
        self.assertEqual(self.server.start(), [SettingsReceived(min(max_streams, 1000))])

    def setUp(self) -> None:
        """
        Connect.
        """
        self.connect()


class PushTests(EngineCase):
    """
    Tests for pushes and their answers.
    """

    def test_request(self) -> None:
        """
        The server sees the request of Apple's documents.
        """
        stream_id = self.engine.push(notification(5))
        self.server.read()
        request = next(
            event for event in self.server.events if isinstance(event, h2_events.RequestReceived)
        )
        fields = {str(name): value for name, value in request.headers}
        self.assertEqual(fields[":path"], "/3/device/" + token(5).hex())
        self.assertEqual(fields["apns-topic"], TOPIC)
        self.assertEqual(self.server.bodies[stream_id], b'{"mdm":"magic-5"}')
        self.assertEqual(self.server.ended, [stream_id])

    def test_nothing_before_settings(self) -> None:
        """
        Until the server's SETTINGS there is no capacity.
        """
        engine = PushEngine("host")
        self.assertEqual(engine.capacity, 0)
        self.assertFalse(engine.takes(notification()))

    def test_answers_in_any_order(self) -> None:
        """
        Each answer belongs to its stream.
        """
        first, second = (self.engine.push(notification(number)) for number in (1, 2))
        self.server.read()
        self.server.reply(second)
        self.server.reply(first, 410, "Unregistered", timestamp=1000)
        answers = self.server.exchange()
        self.assertEqual(answers[0], PushAnswered(second, 200, None, None, f"id-{second}"))
        assert isinstance(answers[1], PushAnswered) and answers[1].timestamp is not None
        self.assertEqual((answers[1].status, answers[1].reason), (410, "Unregistered"))
        self.assertEqual(answers[1].timestamp.timestamp(), 1)
        self.assertEqual(self.engine.in_flight, 0)

    def test_many_error_bodies(self) -> None:
        """
        Received bodies are credited: far more than a window of them comes through.
        """
        for number in range(300):
            stream_id = self.engine.push(notification(number))
            self.server.read()
            filler = "x" * 1000
            self.server.reply(stream_id, 400, "BadDeviceToken", filler=filler)
            (answer,) = self.server.exchange()
            assert isinstance(answer, PushAnswered)
            self.assertEqual(answer.reason, "BadDeviceToken")

    def test_huge_body(self) -> None:
        """
        A body without end is read and credited, but not kept; its push still has an answer.
        """
        stream_id = self.engine.push(notification())
        self.server.read()
        self.server.h2.send_headers(stream_id, [(":status", "500")])
        for _ in range(40):
            self.server.h2.send_data(stream_id, b"x" * 16_000)
            self.server.exchange()
        events = self.server.during(lambda: self.server.h2.end_stream(stream_id))
        self.assertEqual(events, [PushAnswered(stream_id, 500, None, None, None)])

    def test_early_answer(self) -> None:
        """
        An answer that comes before the whole body was sent ends the push.
        """
        self.connect(window=4)
        stream_id = self.engine.push(notification())
        self.server.read()
        (answer,) = self.server.during(lambda: self.server.reply(stream_id, 413, "PayloadTooLarge"))
        self.assertIsInstance(answer, PushAnswered)
        self.assertEqual(self.server.during(lambda: self.server.credit(10)), [])
        self.assertTrue(any(isinstance(e, h2_events.StreamReset) for e in self.server.events))

    def test_cancel(self) -> None:
        """
        A push that was given up is reset, and its late answer is ignored but credited.
        """
        stream_id = self.engine.push(notification())
        self.server.read()
        self.server.reply(stream_id, 500, "InternalServerError")
        self.engine.cancel(stream_id)
        self.assertEqual(self.server.exchange(), [])
        self.assertEqual(self.engine.in_flight, 0)
        again = self.engine.push(notification(2))
        self.server.read()
        (answer,) = self.server.during(lambda: self.server.reply(again))
        self.assertEqual(answer, PushesAccepted((again,)))

    def test_ping(self) -> None:
        """
        PINGs are answered both ways, and also after GOAWAY.
        """
        self.engine.ping(b"12345678")
        self.assertEqual(self.server.exchange(), [PingAcknowledged(b"12345678")])
        self.engine.receive(go_away(2**31 - 1))
        self.server.during(lambda: self.server.h2.ping(b"abcdefgh"))
        self.assertIsInstance(self.server.events[-1], h2_events.PingAckReceived)


class LimitTests(EngineCase):
    """
    Tests for the server's limits.
    """

    def test_capacity(self) -> None:
        """
        No more streams are opened than the server allows, and that may change at any time.
        """
        self.connect(max_streams=1)
        self.assertEqual(self.engine.capacity, 1)
        stream_id = self.engine.push(notification())
        self.assertFalse(self.engine.takes(notification(2)))
        self.server.read()
        events = self.server.during(lambda: self.set_limit(500))
        self.assertEqual(events, [SettingsReceived(500)])
        self.assertEqual(self.engine.capacity, 499)
        for number in range(2, 12):
            self.engine.push(notification(number))
        self.server.read()
        self.server.during(lambda: self.set_limit(1))
        self.assertEqual(self.engine.capacity, 0)
        (answer,) = self.server.during(lambda: self.server.reply(stream_id))
        self.assertIsInstance(answer, PushAnswered)
        self.assertEqual(self.engine.capacity, 0)

    def set_limit(self, max_streams: int) -> None:
        """
        Change SETTINGS_MAX_CONCURRENT_STREAMS.
        """
        self.server.h2.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: max_streams})

    def test_small_stream_window(self) -> None:
        """
        A body longer than its stream's window is sent in pieces, as credit comes.
        """
        self.connect(window=5)
        stream_id = self.engine.push(notification(magic="0123456789"))
        self.server.read()
        self.assertEqual(self.server.bodies[stream_id], b'{"mdm')
        self.server.during(lambda: self.server.credit(4, stream_id))
        self.assertEqual(self.server.bodies[stream_id], b'{"mdm":"0')
        self.server.during(lambda: self.server.credit(100, stream_id))
        self.assertEqual(self.server.bodies[stream_id], b'{"mdm":"0123456789"}')
        self.assertEqual(self.server.ended, [stream_id])

    def test_window_change(self) -> None:
        """
        A larger initial window also counts for streams that wait already.
        """
        self.connect(window=0)
        stream_id = self.engine.push(notification())
        self.server.read()
        self.assertEqual(self.server.ended, [])
        self.server.h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 1000})
        self.server.exchange()
        self.assertEqual(self.server.ended, [stream_id])

    def test_connection_window(self) -> None:
        """
        No stream is opened whose body does not fit into the connection's window.
        """
        sent = 0
        while self.engine.takes(notification(magic="x" * 4000)):
            self.engine.push(notification(magic="x" * 4000))
            sent += 1
        self.assertEqual(sent, 65_535 // 4010)
        self.server.read()
        self.assertEqual(len(self.server.ended), sent)
        self.server.during(lambda: self.server.credit(4010))
        self.assertTrue(self.engine.takes(notification(magic="x" * 4000)))

    def test_promised_credit(self) -> None:
        """
        The connection's window is not promised twice, while bodies wait for their streams' windows.
        """
        self.connect(window=0)
        pushes = 0
        while self.engine.takes(notification(magic="x" * 4000)):
            self.engine.push(notification(magic="x" * 4000))
            pushes += 1
        self.assertEqual(pushes, 65_535 // 4010)

    def test_ids_run_out(self) -> None:
        """
        A connection is replaced long before its stream ids end.
        """
        self.engine = PushEngine("host", last_stream_id=5)
        self.server = Server(self.engine)
        self.server.start()
        taken = [self.engine.push(notification(number)) for number in range(3)]
        self.assertEqual(taken, [1, 3, 5])
        self.assertTrue(self.engine.spent)
        self.assertEqual(self.engine.capacity, 0)
