"""
HTTP/2 frames (RFC 9113 sections 4.1 and 6): their shape, and those that we write.
"""

from __future__ import annotations

import struct
from typing import ClassVar

from h2.errors import ErrorCodes

from scepd.errors import EncodingError

DATA = 0
HEADERS = 1
PRIORITY = 2
RST_STREAM = 3
SETTINGS = 4
PUSH_PROMISE = 5
PING = 6
GOAWAY = 7
WINDOW_UPDATE = 8
CONTINUATION = 9

ACK = 0x1
END_STREAM = 0x1
END_HEADERS = 0x4
PADDED = 0x8
WITH_PRIORITY = 0x20

HEAD_SIZE = 9
HEAD = struct.Struct(">LBL")
"""
The head of a frame in one go: (length << 8 | kind, flags, stream id with its reserved bit).
"""

LARGEST_PAYLOAD = 16_384
"""
Octets of a frame's payload that everybody takes (RFC 9113 section 4.2); we never ask for more.
"""

STREAM_ID = 0x7FFF_FFFF
LARGEST_WINDOW = 2**31 - 1
INITIAL_WINDOW = 65_535

_PRIORITY_SIZE = 5
_NUMBER = struct.Struct(">L")
_GOAWAY = struct.Struct(">LL")


class PeerFault(EncodingError):
    """
    The server broke a rule of HTTP/2, which ends the connection.

    Errors of a single stream are taken for such, too, as RFC 9113 section 5.4.2 allows.

    :param error_code: what our GOAWAY says.
    :param complaint: what was wrong, as the end of a sentence.
    """

    code: ClassVar[str] = "http2-fault"

    def __init__(self, error_code: int, complaint: str) -> None:
        super().__init__(complaint)
        self.error_code = error_code
        self.complaint = complaint


def frame(kind: int, flags: int, stream_id: int, payload: bytes = b"") -> bytes:
    """
    A whole frame.
    """
    return HEAD.pack(len(payload) << 8 | kind, flags, stream_id) + payload


def reset(stream_id: int, error_code: int) -> bytes:
    """
    RST_STREAM: we want nothing more of a stream.
    """
    return frame(RST_STREAM, 0, stream_id, _NUMBER.pack(error_code))


def credit(stream_id: int, octets: int) -> bytes:
    """
    WINDOW_UPDATE: so many octets more may be sent to us.

    :param stream_id: 0 for the whole connection.
    """
    return frame(WINDOW_UPDATE, 0, stream_id, _NUMBER.pack(octets))


def goodbye(error_code: int) -> bytes:
    """
    GOAWAY; the server opens no streams, so the last one that we took is none.
    """
    return frame(GOAWAY, 0, 0, _GOAWAY.pack(0, error_code))


def read_go_away(stream_id: int, payload: bytes) -> tuple[int, int, bytes]:
    """
    What a GOAWAY says: (last stream id, error code, debug data).

    :raises PeerFault: it is too short, or sent on a stream.
    """
    if stream_id:
        raise PeerFault(ErrorCodes.PROTOCOL_ERROR, "a GOAWAY frame on a stream")
    if len(payload) < _GOAWAY.size:
        raise PeerFault(ErrorCodes.FRAME_SIZE_ERROR, "a GOAWAY frame that is too short")
    last_stream_id, error_code = _GOAWAY.unpack_from(payload)
    return last_stream_id & STREAM_ID, error_code, payload[_GOAWAY.size :]


def read_number(payload: bytes) -> int:
    """
    The one number that is all of a RST_STREAM or WINDOW_UPDATE frame.

    :raises PeerFault: the payload has not four octets.
    """
    if len(payload) != _NUMBER.size:
        raise PeerFault(ErrorCodes.FRAME_SIZE_ERROR, "a frame of a wrong size")
    (number,) = _NUMBER.unpack(payload)
    return int(number)


def without_padding(flags: int, payload: bytes) -> bytes:
    """
    What a DATA or HEADERS frame says, without its padding (RFC 9113 section 6.1).

    :raises PeerFault: there is more padding than frame.
    """
    if not flags & PADDED:
        return payload
    if not payload:
        raise PeerFault(ErrorCodes.FRAME_SIZE_ERROR, "a padded frame without its length")
    end = len(payload) - payload[0]
    if end < 1:
        raise PeerFault(ErrorCodes.PROTOCOL_ERROR, "more padding than frame")
    return payload[1:end]


def header_fragment(flags: int, payload: bytes) -> bytes:
    """
    The part of a header block that a HEADERS frame has, without padding and priority.

    :raises PeerFault: it has not what its flags promise.
    """
    content = without_padding(flags, payload)
    if not flags & WITH_PRIORITY:
        return content
    if len(content) < _PRIORITY_SIZE:
        raise PeerFault(ErrorCodes.FRAME_SIZE_ERROR, "a HEADERS frame without its priority")
    return content[_PRIORITY_SIZE:]


def check_priority(stream_id: int, payload: bytes) -> None:
    """
    Look at a PRIORITY frame, which says nothing to a client (RFC 9113 section 5.3.2).

    :raises PeerFault: it is not one.
    """
    if not stream_id:
        raise PeerFault(ErrorCodes.PROTOCOL_ERROR, "a PRIORITY frame on no stream")
    if len(payload) != _PRIORITY_SIZE:
        raise PeerFault(ErrorCodes.FRAME_SIZE_ERROR, "a PRIORITY frame of a wrong size")
