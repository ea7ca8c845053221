"""
Tests for servers that break the rules of HTTP/2, and for what they can cost.
"""

from __future__ import annotations

import tracemalloc

from h2.errors import ErrorCodes
from hyperframe.frame import PingFrame
from hypothesis import given, settings
from hypothesis import strategies as st

from scepd.apns.engine import PushEngine
from scepd.apns.events import ConnectionBroken, PushAnswered, PushLost
from tests.apns import wire
from tests.apns.scripts import told
from tests.apns.wire import WireCase, begun, continued, credit, ended


def raw(kind: int, flags: int, stream_id: int, payload: bytes) -> bytes:
    """
    A frame of any kind, however wrong.
    """
    head = len(payload).to_bytes(3, "big") + bytes((kind, flags))
    return head + stream_id.to_bytes(4, "big") + payload


FAULTS = (
    ("DATA on no stream", raw(0, 0, 0, b"x"), ErrorCodes.PROTOCOL_ERROR),
    ("DATA on the server's stream", raw(0, 0, 2, b"x"), ErrorCodes.PROTOCOL_ERROR),
    ("DATA on a stream to come", raw(0, 0, 7, b"x"), ErrorCodes.PROTOCOL_ERROR),
    ("DATA with too much padding", raw(0, 8, 1, b"\x02x"), ErrorCodes.PROTOCOL_ERROR),
    ("DATA without its padding", raw(0, 8, 1, b""), ErrorCodes.FRAME_SIZE_ERROR),
    ("HEADERS on no stream", raw(1, 5, 0, b"\x88"), ErrorCodes.PROTOCOL_ERROR),
    ("HEADERS on the server's stream", raw(1, 5, 2, b"\x88"), ErrorCodes.PROTOCOL_ERROR),
    ("HEADERS on a stream to come", raw(1, 5, 7, b"\x88"), ErrorCodes.PROTOCOL_ERROR),
    ("HEADERS with too much padding", raw(1, 13, 1, b"\x02\x88"), ErrorCodes.PROTOCOL_ERROR),
    ("HEADERS without its priority", raw(1, 37, 1, b"\x88"), ErrorCodes.FRAME_SIZE_ERROR),
    ("HEADERS that are no block", raw(1, 5, 1, b"\xff"), ErrorCodes.COMPRESSION_ERROR),
    ("PRIORITY on no stream", raw(2, 0, 0, bytes(5)), ErrorCodes.PROTOCOL_ERROR),
    ("a long PRIORITY", raw(2, 0, 1, bytes(6)), ErrorCodes.FRAME_SIZE_ERROR),
    ("RST_STREAM on no stream", raw(3, 0, 0, bytes(4)), ErrorCodes.PROTOCOL_ERROR),
    ("RST_STREAM on a stream to come", raw(3, 0, 7, bytes(4)), ErrorCodes.PROTOCOL_ERROR),
    ("a short RST_STREAM", raw(3, 0, 1, bytes(3)), ErrorCodes.FRAME_SIZE_ERROR),
    ("SETTINGS on a stream", raw(4, 0, 1, b""), ErrorCodes.PROTOCOL_ERROR),
    ("a short SETTINGS", raw(4, 0, 0, bytes(5)), ErrorCodes.FRAME_SIZE_ERROR),
    ("too large a window", wire.settings(initial_window_size=2**31), ErrorCodes.FLOW_CONTROL_ERROR),
    ("too small frames", wire.settings(max_frame_size=16_383), ErrorCodes.PROTOCOL_ERROR),
    ("a server that wants pushes", wire.settings(enable_push=1), ErrorCodes.PROTOCOL_ERROR),
    ("PUSH_PROMISE", raw(5, 4, 1, b"\x00\x00\x00\x02\x88"), ErrorCodes.PROTOCOL_ERROR),
    ("PING on a stream", raw(6, 0, 1, bytes(8)), ErrorCodes.PROTOCOL_ERROR),
    ("a short PING", raw(6, 0, 0, bytes(7)), ErrorCodes.FRAME_SIZE_ERROR),
    ("GOAWAY on a stream", raw(7, 0, 1, bytes(8)), ErrorCodes.PROTOCOL_ERROR),
    ("a short GOAWAY", raw(7, 0, 0, bytes(7)), ErrorCodes.FRAME_SIZE_ERROR),
    ("credit of nothing", raw(8, 0, 0, bytes(4)), ErrorCodes.PROTOCOL_ERROR),
    ("credit of nothing for a stream", raw(8, 0, 1, bytes(4)), ErrorCodes.PROTOCOL_ERROR),
    ("credit for a stream to come", credit(7, 1), ErrorCodes.PROTOCOL_ERROR),
    ("a short WINDOW_UPDATE", raw(8, 0, 0, bytes(3)), ErrorCodes.FRAME_SIZE_ERROR),
    ("CONTINUATION of nothing", continued(1, b"\x88", "END_HEADERS"), ErrorCodes.PROTOCOL_ERROR),
    ("PING in a block", begun(1, b"\x88") + raw(6, 0, 0, bytes(8)), ErrorCodes.PROTOCOL_ERROR),
    ("anything in a block", begun(1, b"") + raw(0xBE, 0, 0, b""), ErrorCodes.PROTOCOL_ERROR),
    ("an overlong frame", b"\x00\x40\x01\xbe\x00\x00\x00\x00\x00", ErrorCodes.FRAME_SIZE_ERROR),
    ("something else than HTTP/2", b"HTTP/1.1 400 Bad", ErrorCodes.FRAME_SIZE_ERROR),
)


class FaultTests(WireCase):
    """
    Tests for the end of a connection whose server broke a rule.
    """

    def test_each(self) -> None:
        """
        The events before the fault are reported, every push in flight is lost, and a GOAWAY with
        the code of RFC 9113 is there to be sent.
        """
        for name, fault, error_code in FAULTS:
            self.connect()
            one, two, three = self.push(3)
            before = ended(three, b"\x8c")
            answered, broken, *lost = self.receive(before, fault, ended(two, b"\x8c"))
            self.assertEqual(answered, PushAnswered(three, 400, None, None, None), name)
            self.assertIsInstance(broken, ConnectionBroken, name)
            self.assertEqual(
                lost, [PushLost(each, "the connection broke") for each in (one, two)], name
            )
            self.assertEqual(self.goodbye(), error_code, name)
            self.assertTrue(self.engine.spent, name)
            self.assertEqual(self.receive(ended(one, b"\x8c")), [], name)

    def test_before_settings(self) -> None:
        """
        SETTINGS come first.
        """
        for frame in (raw(6, 0, 0, bytes(8)), raw(0xBE, 0, 0, b""), raw(7, 0, 0, bytes(8))):
            self.engine = PushEngine("host")
            (broken,) = self.receive(frame)
            self.assertIsInstance(broken, ConnectionBroken)
            self.assertEqual(self.goodbye(), ErrorCodes.PROTOCOL_ERROR)

    def test_harmless(self) -> None:
        """
        What means nothing to us, and what comes late, is no fault.
        """
        one, two = self.push(2)
        self.engine.cancel(one)
        for frame in (
            raw(0xBE, 0xFF, 1, b"unknown"),
            raw(2, 0, 8, bytes(5)),
            raw(3, 0, one, bytes(4)),
            credit(one, 2**31 - 1),
            raw(0, 1, one, b"late"),
            raw(4, 0, 0, b"\xff\xff\x00\x00\x00\x07" * 9),
            raw(1, 4, one, b"\x88"),
        ):
            events = [one for one in self.receive(frame) if isinstance(one, ConnectionBroken)]
            self.assertEqual(events, [], frame)
        self.assertEqual(self.engine.in_flight, 1, two)


class CostTests(WireCase):
    """
    Tests for what hostile servers can make us keep.
    """

    def test_memory(self) -> None:
        """
        Whatever is sent for however long, next to nothing is kept of it.
        """
        floods = {
            "settings": b"",
            "pings": PingFrame(0, b"12345678").serialize() * 100,
            "unknown frames": raw(0xBE, 0, 0, bytes(16_384)),
            "late data": raw(0, 0, 1, bytes(1000)),
            "empty data": raw(0, 0, 3, b"") * 100,
            "bodies": raw(0, 0, 3, bytes(1000)),
            "resets": raw(3, 0, 1, bytes(4)) * 100,
        }
        for name, flood in floods.items():
            self.connect()
            one, two = self.push(2)
            self.engine.cancel(one)
            self.receive(raw(1, 4, two, b"\x8c"))
            self.receive(flood)
            tracemalloc.start()
            for number in range(60):
                self.receive(flood or unknown_settings(number))
                self.engine.data_to_send()
            kept, _ = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            self.assertFalse(self.engine.spent, name)
            self.assertLess(kept, 50_000, name)

    def test_unfinished_frame(self) -> None:
        """
        No more than one frame waits for its rest.
        """
        frame = raw(0xBE, 0, 0, bytes(16_384))
        tracemalloc.start()
        for octet in frame[:-1]:
            self.receive(bytes((octet,)))
        kept, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        self.assertLess(kept, 50_000)
        (broken,) = self.receive(frame[-1:], b"HTTP/1.1 400")
        self.assertIsInstance(broken, ConnectionBroken)

    @settings(deadline=None)
    @given(st.lists(st.binary(max_size=40), max_size=20))
    def test_chunks(self, pieces: list[bytes]) -> None:
        """
        Any bytes in any pieces lead to the same end, and to no exception.
        """
        ends = []
        for chunks in (pieces, [b"".join(pieces)]):
            self.connect()
            self.push(2)
            found = [event for piece in chunks for event in self.receive(piece)]
            ends.append((told(found), self.engine.spent))
        self.assertEqual(ends[0], ends[1])


def unknown_settings(number: int) -> bytes:
    """
    Settings that nobody knows, others for each number.
    """
    first = 100 + number * 1000
    codes = range(first, first + 1000)
    return raw(4, 0, 0, b"".join(code.to_bytes(2, "big") + bytes(4) for code in codes))
