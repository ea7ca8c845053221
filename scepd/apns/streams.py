"""
The pushes in flight on one connection, each on its stream.
"""

from __future__ import annotations

from collections.abc import Iterable

from h2.errors import ErrorCodes

from scepd.apns.events import PushAnswered
from scepd.apns.frames import (
    DATA,
    END_STREAM,
    HEAD,
    INITIAL_WINDOW,
    LARGEST_WINDOW,
    PeerFault,
    frame,
    reset,
)
from scepd.apns.reasons import parse_body
from scepd.apns.windows import SendWindow, checked
from scepd.errors import EncodingError

# Apple's bodies have about 100 octets; of longer ones the rest is dropped.
_LARGEST_BODY = 4096
_PLAIN_STATUS = 200


class PushStream:
    """
    A push that is more than sent: its body waits for credit, or its answer is not a plain 200.

    :ivar sent: octets of its body that are sent.
    :ivar unsent: the rest.
    :ivar credit: octets that the server added to its window.
    :ivar status: the answer's HTTP status; None: its head is not in.
    """

    __slots__ = ("_apns_id", "_body", "credit", "sent", "status", "unsent")

    def __init__(self, sent: int, unsent: bytes = b"", status: int | None = None) -> None:
        self.sent = sent
        self.unsent = unsent
        self.credit = 0
        self.status = status
        self._apns_id: str | None = None
        self._body = b""

    def receive_head(self, headers: Iterable[tuple[bytes, bytes]], *, ended: bool) -> None:
        """
        Take the head of the answer, one that goes before it (1xx), or trailers.

        :param ended: nothing follows.
        :raises EncodingError: it is none of these (RFC 9113 section 8.1.1).
        """
        status, apns_id = _read_head(headers)
        if self.status is not None:
            if status is not None or not ended:
                raise EncodingError("trailers that are not")
        elif status is None or (status < 200 and ended):
            raise EncodingError("a head without a status")
        elif status >= 200:
            self.status, self._apns_id = status, apns_id

    def receive_body(self, data: bytes) -> None:
        """
        Take some bytes of the answer's body.

        :raises EncodingError: it has no head.
        """
        if self.status is None:
            raise EncodingError("a body before its head")
        room = _LARGEST_BODY - len(self._body)
        if room > 0:
            self._body += data[:room]

    def answer(self, stream_id: int) -> PushAnswered:
        """
        The answer, which is complete.
        """
        assert self.status is not None
        reason, timestamp = parse_body(self._body)
        return PushAnswered(stream_id, self.status, reason, timestamp, self._apns_id)


class PushStreams:
    """
    The streams that are open.

    Nearly all pushes are sent at once and answered by a plain 200: such a one is not more than the
    number of octets that were sent of its body.

    :param out: where frames go that are to be sent.
    :ivar open: by stream id; in the order of ids.
    :ivar accepted: the open ones that are such a number, and whose answer's head says 200.
    :ivar window: of the whole connection.
    :ivar next_id: of the next stream.
    """

    def __init__(self, out: list[bytes]) -> None:
        self.open: dict[int, int | PushStream] = {}
        self.accepted: set[int] = set()
        self.window = SendWindow()
        self.next_id = 1
        self._unsent: dict[int, PushStream] = {}
        self._initial_window = INITIAL_WINDOW
        self._out = out

    def start(self, stream_id: int, body: bytes) -> None:
        """
        Send the body of a push whose head was sent; the connection's window must hold it.
        """
        size = len(body)
        self.window.free -= size
        if size <= self._initial_window:
            self.open[stream_id] = size
            self._out += (HEAD.pack(size << 8 | DATA, END_STREAM, stream_id), body)
        else:
            self.window.promise(size)
            stream = self.open[stream_id] = self._unsent[stream_id] = PushStream(0, body)
            self._send(stream_id, stream)

    def find(self, stream_id: int) -> PushStream | None:
        """
        An open stream, ready for anything.
        """
        found = self.open.get(stream_id)
        if isinstance(found, int):
            status = _PLAIN_STATUS if stream_id in self.accepted else None
            self.accepted.discard(stream_id)
            found = self.open[stream_id] = PushStream(found, status=status)
        return found

    def check(self, stream_id: int) -> None:
        """
        Look whether a stream was ever opened; for a closed one frames may have been under way.

        :raises PeerFault: it was not.
        """
        if not stream_id & 1 or stream_id >= self.next_id:
            raise PeerFault(ErrorCodes.PROTOCOL_ERROR, "a frame on a stream that never was")

    def close(self, stream_id: int, error_code: int | None = None) -> None:
        """
        Forget an open stream.

        :param error_code: what to say to the server, which may not know it yet.
        """
        del self.open[stream_id]
        self.accepted.discard(stream_id)
        stream = self._unsent.pop(stream_id, None)
        if stream is not None:
            self.window.release(len(stream.unsent))
        if error_code is not None:
            self._out.append(reset(stream_id, error_code))

    def finish(self, stream_id: int) -> None:
        """
        An open stream has its answer; if it came before our whole body, the rest is not wanted.
        """
        self.close(stream_id, ErrorCodes.CANCEL if stream_id in self._unsent else None)

    def clear(self) -> list[int]:
        """
        Forget all streams; returns their ids.
        """
        stream_ids = list(self.open)
        self.open.clear()
        self.accepted.clear()
        self._unsent.clear()
        return stream_ids

    def credit(self, stream_id: int, octets: int) -> bool:
        """
        The server takes more on a stream.

        :returns: False, if that is more than there can be.
        """
        stream = self.find(stream_id)
        if stream is not None:
            stream.credit += octets
            if self._window_of(stream) > LARGEST_WINDOW:
                return False
            self._send(stream_id, stream)
        return True

    def resize(self, initial_window: int) -> None:
        """
        The server changed SETTINGS_INITIAL_WINDOW_SIZE, which counts for open streams, too: their
        windows may become negative (RFC 9113 section 6.9.2).

        :raises PeerFault: it makes a window larger than there can be.
        """
        if initial_window == self._initial_window:
            return
        self._initial_window = initial_window
        for stream in self.open.values():
            if isinstance(stream, PushStream):
                checked(self._window_of(stream))
        for stream_id, stream in list(self._unsent.items()):
            self._send(stream_id, stream)

    def _window_of(self, stream: PushStream) -> int:
        return self._initial_window + stream.credit - stream.sent

    def _send(self, stream_id: int, stream: PushStream) -> None:
        # A body is smaller than the smallest limit for frames.
        piece = stream.unsent[: max(0, self._window_of(stream))]
        if not piece:
            return
        stream.unsent = stream.unsent[len(piece) :]
        stream.sent += len(piece)
        self.window.keep(len(piece))
        if not stream.unsent:
            del self._unsent[stream_id]
        flags = 0 if stream.unsent else END_STREAM
        self._out.append(frame(DATA, flags, stream_id, piece))


def _read_head(headers: Iterable[tuple[bytes, bytes]]) -> tuple[int | None, str | None]:
    status = apns_id = None
    for name, value in headers:
        if name == b":status":
            if status is not None or not (len(value) == 3 and value.isdigit()):
                raise EncodingError("no status")
            status = int(value)
        elif name.startswith(b":"):
            raise EncodingError("a pseudo-header that is not for answers")
        elif name == b"apns-id":
            apns_id = value[:64].decode("ascii", "replace")
    return status, apns_id
