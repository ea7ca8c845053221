"""
Tests for the push engine with bytes of all kinds.
"""

from __future__ import annotations

from itertools import pairwise

from h2.errors import ErrorCodes
from h2.settings import SettingCodes
from hyperframe.frame import (
    AltSvcFrame,
    ContinuationFrame,
    DataFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    PriorityFrame,
    PushPromiseFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from scepd.apns.engine import PushEngine
from scepd.apns.events import ConnectionBroken, Event, PushAnswered, PushLost, PushRefused
from tests.apns.notifications import notification
from tests.apns.server import Server, go_away

KINDS = (
    AltSvcFrame,
    ContinuationFrame,
    DataFrame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    PriorityFrame,
    PushPromiseFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)


def frame(kind: type[Frame], flags: int, stream_id: int, payload: bytes) -> bytes:
    """
    Any frame, right or wrong.
    """
    head = len(payload).to_bytes(3, "big") + bytes([kind.type or 0, flags])
    return head + stream_id.to_bytes(4, "big") + payload


FRAMES = st.builds(
    frame,
    st.sampled_from(KINDS),
    st.integers(0, 255),
    st.sampled_from((0, 1, 2, 3, 5, 7, 9, 11)),
    st.binary(max_size=20) | st.sampled_from((b"\x88", b"\x20\x88", b"\x8e", b"\x00\x00\x00\x07")),
)


def ready(pushes: int) -> tuple[PushEngine, Server]:
    """
    An engine with so many pushes in flight.
    """
    engine = PushEngine("host")
    server = Server(engine, window=9)
    server.start()
    for number in range(pushes):
        engine.push(notification(number))
    server.read()
    return engine, server


def story() -> bytes:
    """
    What a server sends to six pushes: an answer, errors, resets, SETTINGS, PING, credit, GOAWAY.
    """
    _, server = ready(6)
    server.reply(1)
    server.reply(3, 410, "Unregistered", timestamp=1_700_000_000_000)
    server.h2.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: 7})
    server.h2.ping(b"abcdefgh")
    server.h2.reset_stream(5, ErrorCodes.REFUSED_STREAM)
    server.h2.reset_stream(7, ErrorCodes.INTERNAL_ERROR)
    server.credit(1000)
    data = server.h2.data_to_send() + go_away(9, "Shutdown")
    server.reply(9, 503, "Shutdown")
    return data + server.h2.data_to_send()


def events_of(pieces: list[bytes]) -> list[Event]:
    """
    What an engine with six pushes makes of bytes in pieces.
    """
    engine, _ = ready(6)
    return [event for piece in pieces for event in engine.receive(piece)]


class ByteTests(SynchronousTestCase):
    """
    Tests for split and hostile bytes.
    """

    @given(st.sets(st.integers(1, 400)))
    def test_split(self, cuts: set[int]) -> None:
        """
        Wherever the bytes are split, the events are the same.
        """
        data = story()
        edges = [0, *sorted(cut for cut in cuts if cut < len(data)), len(data)]
        pieces = [data[start:end] for start, end in pairwise(edges)]
        self.assertEqual(events_of(pieces), events_of([data]))

    def test_single_bytes(self) -> None:
        """
        Byte by byte, too, and each push has exactly one end.
        """
        data = story()
        events = events_of([bytes([octet]) for octet in data])
        self.assertEqual(events, events_of([data]))
        ends = [e.stream_id for e in events if isinstance(e, PushAnswered | PushLost | PushRefused)]
        self.assertEqual(sorted(ends), [1, 3, 5, 7, 9, 11])

    @given(st.binary(max_size=300))
    def test_junk(self, data: bytes) -> None:
        """
        Junk raises nothing, before and after SETTINGS.
        """
        PushEngine("host").receive(data)
        ready(3)[0].receive(data)

    @given(st.lists(FRAMES, max_size=8))
    def test_frames(self, frames: list[bytes]) -> None:
        """
        Frames of all kinds in any order raise nothing, and each push has at most one end.
        """
        engine, _ = ready(3)
        events = [event for one in frames for event in engine.receive(one)]
        events += engine.end("gone")
        ends = [e.stream_id for e in events if isinstance(e, PushAnswered | PushLost | PushRefused)]
        self.assertEqual(sorted(ends), [1, 3, 5])
        self.assertLessEqual(sum(isinstance(e, ConnectionBroken) for e in events), 1)
        engine.data_to_send()
