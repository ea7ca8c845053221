"""
HTTP/2 frames, cut out of a stream of bytes, for the reference engine.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from scepd.errors import EncodingError, LimitExceeded

HEADERS = 1
SETTINGS = 4
PUSH_PROMISE = 5
GOAWAY = 7
CONTINUATION = 9

END_HEADERS = 0x4

_HEADER_SIZE = 9
_GOAWAY = struct.Struct("!LL")
_STREAM_ID = 0x7FFF_FFFF


@dataclass(frozen=True, slots=True)
class RawFrame:
    """
    One whole frame.

    :param content: all its octets, the nine of its header included.
    """

    kind: int
    flags: int
    stream_id: int
    content: bytes

    def go_away(self) -> tuple[int, int, bytes]:
        """
        What a GOAWAY says: (last stream id, error code, debug data).

        :raises EncodingError: it is too short, or sent on a stream.
        """
        payload = self.content[_HEADER_SIZE:]
        if len(payload) < _GOAWAY.size or self.stream_id:
            raise EncodingError("a malformed GOAWAY frame")
        last_stream_id, error_code = _GOAWAY.unpack_from(payload)
        return last_stream_id & _STREAM_ID, error_code, payload[_GOAWAY.size :]


class FrameSplitter:
    """
    Cuts frames out of bytes, wherever these are split.

    :param largest: octets of a frame's payload.
    """

    def __init__(self, largest: int = 16_384) -> None:
        self._largest = largest
        self._buffer = bytearray()

    def feed(self, data: bytes) -> None:
        """
        Take some bytes.
        """
        self._buffer += data

    def next_frame(self) -> RawFrame | None:
        """
        The next whole frame, or None.

        :raises LimitExceeded: it is larger than allowed; known as soon as its header is in.
        """
        if len(self._buffer) < _HEADER_SIZE:
            return None
        length = int.from_bytes(self._buffer[:3], "big")
        if length > self._largest:
            raise LimitExceeded("an overlong frame, or something else than HTTP/2")
        end = _HEADER_SIZE + length
        if len(self._buffer) < end:
            return None
        content = bytes(self._buffer[:end])
        del self._buffer[:end]
        stream_id = int.from_bytes(content[5:9], "big") & _STREAM_ID
        return RawFrame(content[3], content[4], stream_id, content)
