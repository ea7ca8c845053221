"""
A server that does what a script says, on frames of hyperframe and blocks of hpack.

It keeps to the rules of HTTP/2 itself, and checks that the engine does: flow control, the size of
the header table, no frame on a stream that ended.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from hpack import Decoder, Encoder
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    PriorityFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from tests.apns.wire import PREFACE

PADDED, PRIORITY, CONTINUED, INFORMED, TRAILERS, EMPTY_END = (1 << bit for bit in range(6))

_TABLE, _WINDOW = SettingsFrame.HEADER_TABLE_SIZE, SettingsFrame.INITIAL_WINDOW_SIZE
Fields = list[tuple[str, str]]


@dataclass
class Request:
    """
    What came on a stream.
    """

    window: int
    headers: list[tuple[str, str]]
    body: bytes = b""
    ended: bool = False
    head_sent: bool = False


@dataclass
class ScriptedServer:
    """
    The server's end.

    :ivar requests: all that came, by stream id.
    :ivar live: streams that it has not ended, and that were not reset as far as it knows.
    :ivar resets: streams that the client reset.
    :ivar gone: error codes of the client's GOAWAY frames.
    :ivar pads_nothing: whether it pads frames that have no content.
    """

    requests: dict[int, Request] = field(default_factory=dict)
    live: list[int] = field(default_factory=list)
    resets: set[int] = field(default_factory=set)
    gone: list[int] = field(default_factory=list)
    pongs: list[bytes] = field(default_factory=list)
    pads_nothing: bool = False
    out: bytearray = field(default_factory=bytearray)

    def __post_init__(self) -> None:
        self._encoder, self._decoder = Encoder(), Decoder()
        self._window, self._initial = 65_535, 65_535
        self._unacknowledged: list[dict[int, int]] = []
        self._their_table: int | None = None
        self._last = 2**31 - 1
        self._preface = PREFACE

    # -- what the client sends ---------------------------------------------------------------------

    def read(self, data: bytes) -> None:
        """
        Take what the client sent.
        """
        if self._preface:
            assert data.startswith(self._preface)
            data, self._preface = data[len(self._preface) :], b""
        while data:
            frame, length = Frame.parse_frame_header(memoryview(data[:9]))
            frame.parse_body(memoryview(data[9 : 9 + length]))
            data = data[9 + length :]
            self._take(frame)

    def _take(self, frame: Frame) -> None:
        match frame:
            case SettingsFrame() if "ACK" in frame.flags:
                self._apply(self._unacknowledged.pop(0))
            case SettingsFrame():
                self._their_table = frame.settings.get(_TABLE)
            case HeadersFrame():
                assert "END_HEADERS" in frame.flags and frame.stream_id not in self.requests
                fields = [(str(n), str(v)) for n, v in self._decoder.decode(frame.data)]
                self.requests[frame.stream_id] = Request(self._initial, fields)
                if frame.stream_id <= self._last:
                    self.live.append(frame.stream_id)
            case DataFrame():
                self._take_data(frame)
            case RstStreamFrame():
                self.resets.add(frame.stream_id)
                self._end(frame.stream_id)
            case GoAwayFrame():
                self.gone.append(frame.error_code)
            case PingFrame() if "ACK" in frame.flags:
                self.pongs.append(frame.opaque_data)
            case PingFrame():
                self._put(PingFrame(0, opaque_data=frame.opaque_data, flags=["ACK"]))

    def _take_data(self, frame: DataFrame) -> None:
        request = self.requests[frame.stream_id]
        assert not request.ended and frame.stream_id not in self.resets
        self._window -= len(frame.data)
        request.window -= len(frame.data)
        assert self._window >= 0 and request.window >= 0, "the engine overdrew a window"
        request.body += frame.data
        request.ended = "END_STREAM" in frame.flags

    def _apply(self, settings: dict[int, int]) -> None:
        if _TABLE in settings:
            # From now on a block that does not announce a smaller table is an error.
            self._decoder.max_allowed_table_size = settings[_TABLE]
        change = settings.get(_WINDOW, self._initial) - self._initial
        self._initial += change
        for request in self.requests.values():
            request.window += change

    # -- what the script says ----------------------------------------------------------------------

    def settings(self, streams: int | None, window: int | None, table: int | None) -> None:
        """
        SETTINGS.
        """
        values = {SettingsFrame.MAX_CONCURRENT_STREAMS: streams, _WINDOW: window, _TABLE: table}
        frame = SettingsFrame(0, {key: one for key, one in values.items() if one is not None})
        self._unacknowledged.append(dict(frame.settings))
        self._put(frame)

    def acknowledge(self) -> None:
        """
        The client's SETTINGS hold from now on.
        """
        if self._their_table is not None:
            self._encoder.header_table_size = self._their_table
            self._their_table = None
            self._put(SettingsFrame(0, flags=["ACK"]))

    def answer(self, pick: int, status: int, size: int, form: int) -> None:
        """
        All of an answer, or what is missing of it.
        """
        stream_id = self._pick(pick)
        if stream_id is None:
            return
        body = json.dumps({"reason": "Why", "more": "x" * size}).encode() if size else b""
        request = self.requests[stream_id]
        data = bool(body) or bool(form & EMPTY_END)
        if not request.head_sent:
            self.head(pick, status, form, ended=not data and not form & TRAILERS)
            data = data or bool(self._ended_by_data(form))
        elif not form & TRAILERS:
            data = True
        if stream_id not in self.live:
            return
        if data:
            self._data(stream_id, body, form, ended=not form & TRAILERS)
        if form & TRAILERS:
            self._headers(stream_id, [("x-end", "yes")], form, ended=True)
        self._end(stream_id)

    def head(self, pick: int, status: int, form: int, *, ended: bool = False) -> None:
        """
        The head of an answer.
        """
        stream_id = self._pick(pick)
        if stream_id is None or self.requests[stream_id].head_sent:
            return
        self.requests[stream_id].head_sent = True
        if form & INFORMED:
            self._headers(stream_id, [(":status", "103")], form, ended=False)
        fields = [(":status", str(status)), ("apns-id", f"id-{stream_id}")]
        self._headers(stream_id, fields[: 1 + form % 3], form, ended=ended)
        if ended:
            self._end(stream_id)

    def data(self, pick: int, size: int, form: int) -> None:
        """
        Some of an answer's body.
        """
        stream_id = self._pick(pick)
        if stream_id is not None and self.requests[stream_id].head_sent:
            self._data(stream_id, b" " * size, form, ended=False)

    def reset(self, pick: int, error_code: int) -> None:
        """
        RST_STREAM.
        """
        stream_id = self._pick(pick)
        if stream_id is not None:
            self._put(RstStreamFrame(stream_id, error_code=error_code))
            self._end(stream_id)

    def credit(self, pick: int | None, size: int) -> None:
        """
        WINDOW_UPDATE, of the connection or a stream.
        """
        stream_id = 0 if pick is None else self._pick(pick)
        if stream_id is None:
            return
        self._put(WindowUpdateFrame(stream_id, window_increment=size))
        if stream_id:
            self.requests[stream_id].window += size
        else:
            self._window += size

    def go_away(self, pick: int | None, reason: str) -> None:
        """
        GOAWAY, of a stream or all.
        """
        last = (self._pick(pick) or 0) if pick is not None else 2**31 - 1
        debug_data = json.dumps({"reason": reason}).encode()
        self._put(GoAwayFrame(0, last_stream_id=last, additional_data=debug_data))
        self._last = min(self._last, last)
        self.live = [one for one in self.live if one <= self._last]

    def ping(self, payload: bytes) -> None:
        """
        PING.
        """
        self._put(PingFrame(0, opaque_data=payload))

    def oddity(self, pick: int) -> None:
        """
        Frames that mean nothing to a client.
        """
        stream_id = self._pick(pick) or 0
        self.out += b"\x00\x00\x08\xbe\xff" + stream_id.to_bytes(4, "big") + b"whatever"
        self._put(PriorityFrame(stream_id or 1, depends_on=stream_id + 2, stream_weight=3))

    def nonsense(self, which: int) -> None:
        """
        What ends the connection.
        """
        stream_id = self._pick(which) or 1
        lasting = stream_id.to_bytes(4, "big")
        choices: tuple[bytes, ...] = (
            b"\x00\x00\x01\x00\x00\x00\x00\x00\x00x",  # DATA on no stream
            b"\x00\x00\x01\x01\x04\x00\x00\x00\x00\x88",  # HEADERS on no stream
            b"\x00\x00\x01\x01\x05\x00\x00\xff\xff\x88",  # HEADERS on a stream that never was
            b"\x00\x00\x01\x01\x05\x00\x00\x00\x02\x88",  # HEADERS on one of the server's
            b"\x00\x00\x01\x01\x00" + lasting + b"\x88" + PingFrame(0).serialize(),
            b"\x00\x00\x01\x09\x04\x00\x00\xff\xff\x88",  # CONTINUATION of nothing
            b"\x00\x00\x05\x05\x04" + lasting + b"\x00\x00\x00\x02\x88",  # PUSH_PROMISE
            b"\x00\x00\x03\x03\x00" + lasting + b"\x00\x00\x00",  # a short RST_STREAM
            b"\x00\x00\x04\x08\x00\x00\x00\x00\x00" + bytes(4),  # credit of nothing
            b"\x00\x00\x04\x08\x00\x00\x00\x00\x00\x7f\xff\xff\xff",  # too much credit
            b"\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x04\xff\xff\xff\xff",  # too large a window
            b"\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x01",  # push, from a server
            b"\x00\x00\x05\x04\x00\x00\x00\x00\x00\x00\x04\xff\xff\xff",  # a short SETTINGS
            b"\x00\x00\x06\x04\x00" + lasting + b"\x00\x03\x00\x00\x00\x01",  # SETTINGS on a stream
            b"\x00\x00\x07\x06\x00\x00\x00\x00\x00abcdefg",  # a short PING
            b"\x00\x00\x07\x07\x00\x00\x00\x00\x00abcdefg",  # a short GOAWAY
            b"\x00\x00\x01\x01\x05" + lasting + b"\xff",  # no header block
            b"\x00\x00\x02\x01\x0d" + lasting + b"\x09\x88",  # more padding than frame
            b"\x00\x40\x01\x06\x00\x00\x00\x00\x00",  # an overlong frame
            b"HTTP/1.1 400 Bad Request\r\n",
        )
        self.out += choices[which % len(choices)]

    # -- inside ------------------------------------------------------------------------------------

    @staticmethod
    def _ended_by_data(form: int) -> int:
        return form & EMPTY_END

    def _pick(self, pick: int) -> int | None:
        return self.live[pick % len(self.live)] if self.live else None

    def _end(self, stream_id: int) -> None:
        if stream_id in self.live:
            self.live.remove(stream_id)

    def _put(self, frame: Frame) -> None:
        self.out += frame.serialize()

    def _data(self, stream_id: int, data: bytes, form: int, *, ended: bool) -> None:
        frame = DataFrame(stream_id, data, flags=["END_STREAM"] if ended else [])
        if form & PADDED and (data or self.pads_nothing):
            frame.flags.add("PADDED")
            frame.pad_length = form % 11
        self._put(frame)

    def _headers(self, stream_id: int, fields: Fields, form: int, *, ended: bool) -> None:
        block = self._encoder.encode(fields, huffman=bool(form & PRIORITY))
        cuts = [len(block) // 3, len(block) // 2] if form & CONTINUED else []
        pieces = [block[a:b] for a, b in zip([0, *cuts], [*cuts, len(block)], strict=True)]
        more: dict[str, Any] = {"flags": ["END_STREAM"] if ended else []}
        if form & PADDED and (pieces[0] or self.pads_nothing):
            more["flags"].append("PADDED")
            more["pad_length"] = form % 11
        if form & PRIORITY:
            more["flags"].append("PRIORITY")
            more |= {"depends_on": stream_id + 2, "stream_weight": 7, "exclusive": True}
        frames: list[Frame] = [HeadersFrame(stream_id, pieces[0], **more)]
        frames += [ContinuationFrame(stream_id, piece) for piece in pieces[1:]]
        frames[-1].flags.add("END_HEADERS")
        for frame in frames:
            self._put(frame)
