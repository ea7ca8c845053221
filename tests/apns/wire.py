"""
A ready engine, and frames for it that are made one by one.
"""

from __future__ import annotations

from collections.abc import Iterable

from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)
from twisted.trial.unittest import SynchronousTestCase

from scepd.apns.engine import PushEngine
from scepd.apns.events import Event
from tests.apns.notifications import notification

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
ACK = SettingsFrame(0, flags=["ACK"]).serialize()


def settings(**values: int) -> bytes:
    """
    SETTINGS; the names are those of :class:`hyperframe.frame.SettingsFrame`.
    """
    codes = {getattr(SettingsFrame, name.upper()): value for name, value in values.items()}
    return SettingsFrame(0, codes).serialize()


def headers(stream_id: int, block: bytes, *flags: str) -> bytes:
    """
    HEADERS with a whole block.
    """
    return HeadersFrame(stream_id, block, flags=["END_HEADERS", *flags]).serialize()


def ended(stream_id: int, block: bytes) -> bytes:
    """
    HEADERS with a whole block, and nothing after it.
    """
    return headers(stream_id, block, "END_STREAM")


def begun(stream_id: int, block: bytes) -> bytes:
    """
    HEADERS with the beginning of a block.
    """
    return HeadersFrame(stream_id, block).serialize()


def continued(stream_id: int, block: bytes, *flags: str) -> bytes:
    """
    CONTINUATION.
    """
    return ContinuationFrame(stream_id, block, flags=flags).serialize()


def data(stream_id: int, content: bytes, *flags: str) -> bytes:
    """
    DATA.
    """
    return DataFrame(stream_id, content, flags=flags).serialize()


def end(stream_id: int, content: bytes = b"") -> bytes:
    """
    DATA, and nothing after it.
    """
    return data(stream_id, content, "END_STREAM")


def reset(stream_id: int, error_code: int) -> bytes:
    """
    RST_STREAM.
    """
    return RstStreamFrame(stream_id, error_code=error_code).serialize()


def credit(stream_id: int, octets: int) -> bytes:
    """
    WINDOW_UPDATE.
    """
    return WindowUpdateFrame(stream_id, window_increment=octets).serialize()


def frames_in(sent: bytes) -> list[Frame]:
    """
    The frames that an engine sent.
    """
    found = []
    while sent:
        frame, length = Frame.parse_frame_header(memoryview(sent[:9]))
        frame.parse_body(memoryview(sent[9 : 9 + length]))
        found.append(frame)
        sent = sent[9 + length :]
    return found


class WireCase(SynchronousTestCase):
    """
    An engine whose server's SETTINGS came.
    """

    def setUp(self) -> None:
        """
        Make it.
        """
        self.connect()

    def connect(self, **values: int) -> None:
        """
        Make one with these settings.
        """
        self.engine = PushEngine("api.push.apple.com")
        self.receive(settings(max_concurrent_streams=1000, **values))
        self.sent()

    def push(self, pushes: int = 1, magic: str = "magic") -> list[int]:
        """
        Send so many pushes; returns their stream ids.
        """
        found = []
        for number in range(pushes):
            self.assertTrue(self.engine.takes(notification(number, magic=magic)))
            found.append(self.engine.push(notification(number, magic=magic)))
        return found

    def receive(self, *pieces: bytes) -> list[Event]:
        """
        The engine's events, when all this comes at once.
        """
        return self.engine.receive(b"".join(pieces))

    def sent(self) -> list[Frame]:
        """
        What the engine sent since the last time.
        """
        return frames_in(
            self.engine.data_to_send().removeprefix(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        )

    def credits(self) -> list[tuple[int, int]]:
        """
        The (stream id, octets) that the engine gave credit for.
        """
        updates = [one for one in self.sent() if isinstance(one, WindowUpdateFrame)]
        return [(one.stream_id, one.window_increment) for one in updates]

    def resets(self) -> list[tuple[int, int]]:
        """
        The (stream id, error code) that the engine reset.
        """
        frames = [one for one in self.sent() if isinstance(one, RstStreamFrame)]
        return [(one.stream_id, one.error_code) for one in frames]

    def goodbye(self) -> int:
        """
        The error code of the GOAWAY that the engine sent last.
        """
        last = self.sent()[-1]
        assert isinstance(last, GoAwayFrame)
        return int(last.error_code)

    def bodies(self) -> dict[int, bytes]:
        """
        What the engine sent of bodies, by stream id.
        """
        return dict(body_pieces(self.sent()))


def body_pieces(frames: Iterable[Frame]) -> list[tuple[int, bytes]]:
    """
    The (stream id, content) of DATA frames.
    """
    return [(one.stream_id, bytes(one.data)) for one in frames if isinstance(one, DataFrame)]
