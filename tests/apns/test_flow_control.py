"""
Tests for the push engine's windows, of the connection and of streams, in both directions.
"""

from __future__ import annotations

from h2.errors import ErrorCodes
from hyperframe.frame import DataFrame

from scepd.apns.events import ConnectionBroken, PushAnswered, PushLost, SettingsReceived
from tests.apns.notifications import notification
from tests.apns.wire import WireCase, credit, data, end, ended, headers, settings

LARGEST = 2**31 - 1
MAGIC = "m" * 30
BODY = b'{"mdm":"' + b"m" * 30 + b'"}'


class SendTests(WireCase):
    """
    Tests for what we may send.
    """

    def test_negative_window(self) -> None:
        """
        A lowered initial window may make a stream's window negative: then credit must first fill
        the hole (RFC 9113 section 6.9.2).
        """
        self.connect(initial_window_size=20)
        (stream_id,) = self.push(magic=MAGIC)
        self.assertEqual(self.bodies(), {stream_id: BODY[:20]})
        self.receive(settings(initial_window_size=5))
        self.receive(credit(stream_id, 15))
        self.assertEqual(self.bodies(), {})
        self.receive(credit(stream_id, 3))
        self.assertEqual(self.bodies(), {stream_id: BODY[20:23]})
        self.receive(settings(initial_window_size=1000))
        self.assertEqual(self.bodies(), {stream_id: BODY[23:]})

    def test_acknowledged_first(self) -> None:
        """
        What new settings allow follows their acknowledgement.
        """
        self.connect(initial_window_size=0)
        self.push()
        self.sent()
        self.receive(settings(initial_window_size=100))
        kinds = [type(frame).__name__ for frame in self.sent()]
        self.assertEqual(kinds, ["SettingsFrame", "DataFrame"])

    def test_end_with_last_piece(self) -> None:
        """
        Only the last piece of a body ends its stream.
        """
        self.connect(initial_window_size=20)
        (stream_id,) = self.push(magic=MAGIC)
        self.receive(credit(stream_id, len(BODY) - 20))
        pieces = [frame for frame in self.sent() if isinstance(frame, DataFrame)]
        self.assertEqual(["END_STREAM" in piece.flags for piece in pieces], [False, True])

    def test_credit_comes_back(self) -> None:
        """
        Credit for a body that will not be sent any more is free for others.
        """
        self.connect(initial_window_size=10)
        large = notification(magic="x" * 4000)
        for _ in range(16):
            self.assertTrue(self.engine.takes(large))
            self.engine.push(large)
        self.assertFalse(self.engine.takes(large))
        self.engine.cancel(1)
        self.assertTrue(self.engine.takes(large))
        self.engine.push(large)
        self.assertFalse(self.engine.takes(large))
        self.receive(ended(3, b"\x8c"))
        self.assertTrue(self.engine.takes(large))

    def test_connection_overflow(self) -> None:
        """
        More credit for the connection than there can be ends it; what is promised counts, too.
        """
        self.connect(initial_window_size=0)
        (stream_id,) = self.push(magic=MAGIC)
        self.assertEqual(self.receive(credit(0, LARGEST - 65_535)), [])
        events = self.receive(credit(0, 1))
        self.assertEqual([type(event) for event in events], [ConnectionBroken, PushLost])
        self.assertEqual(self.goodbye(), ErrorCodes.FLOW_CONTROL_ERROR)
        self.assertEqual(self.engine.in_flight, 0, stream_id)

    def test_connection_full(self) -> None:
        """
        What was sent makes room for credit.
        """
        self.push(magic=MAGIC)
        self.assertEqual(self.receive(credit(0, LARGEST - 65_535 + len(BODY))), [])
        events = self.receive(credit(0, 1))
        self.assertIsInstance(events[0], ConnectionBroken)

    def test_connection_full_of_pieces(self) -> None:
        """
        So does what was sent piece by piece.
        """
        self.connect(initial_window_size=1)
        (stream_id,) = self.push(magic=MAGIC)
        for _ in range(len(BODY) - 1):
            self.receive(credit(stream_id, 1))
        self.assertEqual(self.receive(credit(0, LARGEST - 65_535 + len(BODY))), [])
        events = self.receive(credit(0, 1))
        self.assertIsInstance(events[0], ConnectionBroken)

    def test_stream_overflow(self) -> None:
        """
        More credit for a stream than there can be ends the stream.
        """
        (stream_id,) = self.push(magic=MAGIC)
        self.sent()
        self.assertEqual(self.receive(credit(stream_id, LARGEST - 65_535 + len(BODY))), [])
        (event,) = self.receive(credit(stream_id, 1))
        self.assertIsInstance(event, PushLost)
        self.assertEqual(self.resets(), [(stream_id, ErrorCodes.FLOW_CONTROL_ERROR)])
        self.assertFalse(self.engine.spent)

    def test_overflow_by_settings(self) -> None:
        """
        An initial window that makes another too large ends the connection.
        """
        (stream_id,) = self.push(magic=MAGIC)
        self.receive(credit(stream_id, len(BODY) + 1))
        self.assertEqual(
            [type(event) for event in self.receive(settings(initial_window_size=LARGEST))],
            [ConnectionBroken, PushLost],
        )
        self.assertEqual(self.goodbye(), ErrorCodes.FLOW_CONTROL_ERROR)

    def test_largest_window(self) -> None:
        """
        The largest window is no error.
        """
        (stream_id,) = self.push()
        events = self.receive(settings(initial_window_size=LARGEST))
        self.assertEqual(events, [SettingsReceived(1000)])
        self.receive(ended(stream_id, b"\x8c"))
        self.assertEqual(self.engine.in_flight, 0)


class ReceiveTests(WireCase):
    """
    Tests for what the server may send.
    """

    def test_once(self) -> None:
        """
        All DATA that comes together is credited with one frame for the connection, and one for each
        stream that goes on.
        """
        one, two, three = self.push(3)
        self.engine.cancel(three)
        self.sent()
        padded = DataFrame(two, b"12345", flags=["PADDED"], pad_length=4).serialize()
        self.receive(
            headers(one, b"\x8c"),
            headers(two, b"\x8c"),
            data(one, b"x" * 1000),
            data(one, b"x" * 1000),
            padded,
            data(three, b"x" * 500),
            end(one, b"x" * 100),
        )
        self.assertEqual(self.credits(), [(0, 2610), (two, 10)])

    def test_far_more_than_a_window(self) -> None:
        """
        Answers of any size come through.
        """
        (stream_id,) = self.push()
        self.receive(headers(stream_id, b"\x8c"))
        for _ in range(20):
            self.assertEqual(self.receive(data(stream_id, b"x" * 16_384)), [])
            self.assertEqual(self.credits()[-2:], [(0, 16_384), (stream_id, 16_384)])
        events = self.receive(end(stream_id))
        self.assertEqual(events, [PushAnswered(stream_id, 400, None, None, None)])

    def test_overdrawn(self) -> None:
        """
        A server that sends more than it may is not listened to any more.
        """
        (stream_id,) = self.push()
        most = b"".join(data(stream_id, b"x" * 16_384) for _ in range(3))
        most += data(stream_id, b"x" * 16_383)
        self.assertEqual(self.receive(headers(stream_id, b"\x8c"), most), [])
        events = self.receive(most, data(stream_id, b"x"))
        self.assertEqual([type(event) for event in events], [ConnectionBroken, PushLost])
        self.assertEqual(self.goodbye(), ErrorCodes.FLOW_CONTROL_ERROR)

    def test_padding_only(self) -> None:
        """
        Padding counts, with its length, even if there is nothing else.
        """
        (stream_id,) = self.push()
        self.sent()
        padding = b"\x00\x00\x04\x00\x09" + stream_id.to_bytes(4, "big") + b"\x03\x00\x00\x00"
        (event,) = self.receive(headers(stream_id, b"\x8c"), padding)
        self.assertEqual(event, PushAnswered(stream_id, 400, None, None, None))
        self.assertEqual(self.credits(), [(0, 4)])
