"""
A push engine that does all it can through h2's own streams: what the real one is compared with.

Each frame is given to h2 alone, so that an error in one does not take the events of those before it
along. GOAWAY never reaches h2: its connection would be closed, while answers to accepted pushes,
PING and SETTINGS still come.
"""

from __future__ import annotations

from collections.abc import Iterable

from h2 import events as h2_events
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.exceptions import H2Error
from h2.settings import SettingCodes, Settings
from hpack import HeaderTuple, HPACKError, NeverIndexedHeaderTuple
from hyperframe.exceptions import HyperframeError

from scepd.apns.events import (
    ConnectionBroken,
    Event,
    GoAwayReceived,
    PingAcknowledged,
    PushAnswered,
    PushLost,
    PushRefused,
    SettingsReceived,
)
from scepd.apns.notification import Notification
from scepd.apns.reasons import parse_body
from scepd.errors import EncodingError, LimitExceeded
from tests.apns import reference_frames as frames

_LARGEST_HEADER_LIST = 16_384
_LAST_STREAM_ID = 2**30
_NONSENSE = (H2Error, HPACKError, HyperframeError, LimitExceeded, EncodingError)


class ReferenceEngine:
    """
    Pushes in, bytes out; bytes in, events out.

    :param authority: Apple's host name.
    :param most_streams: pushes in flight, even if the server allows more.
    :param last_stream_id: from which on no push is taken, so that ids never run out.
    """

    def __init__(
        self, authority: str, *, most_streams: int = 1000, last_stream_id: int = _LAST_STREAM_ID
    ) -> None:
        self._authority = authority
        self._most_streams = most_streams
        self._last_stream_id = last_stream_id
        self._streams: dict[int, _Stream] = {}
        self._unsent: dict[int, _Stream] = {}
        self._splitter = frames.FrameSplitter()
        self._in_header_block = False
        self._went_away: int | None = None
        self._ready = self._broken = False
        self._h2 = _new_connection()

    # -- out ---------------------------------------------------------------------------------------

    def data_to_send(self) -> bytes:
        """
        The bytes that are to be written now.
        """
        return self._h2.data_to_send()

    @property
    def in_flight(self) -> int:
        """
        Pushes that have no answer yet.
        """
        return len(self._streams)

    @property
    def spent(self) -> bool:
        """
        Whether no push will be taken any more.
        """
        out_of_ids = self._h2.highest_outbound_stream_id + 2 > self._last_stream_id
        return self._broken or self._went_away is not None or out_of_ids

    @property
    def capacity(self) -> int:
        """
        How many pushes may be sent now, as far as the number of streams goes.
        """
        if not self._ready or self.spent:
            return 0
        return max(0, self._max_streams - len(self._streams))

    def takes(self, notification: Notification) -> bool:
        """
        Whether :meth:`push` may be called: there is a stream, and credit for the whole body.
        """
        if not self.capacity:
            return False
        promised = sum(len(stream.unsent) for stream in self._unsent.values())
        credit = self._h2.outbound_flow_control_window - promised
        return len(notification.body()) <= credit

    def push(self, notification: Notification) -> int:
        """
        Send a push; :meth:`takes` must have allowed it.

        :returns: its stream id.
        """
        stream_id = self._h2.get_next_available_stream_id()
        self._h2.send_headers(stream_id, headers(notification, self._authority))
        stream = self._streams[stream_id] = _Stream(notification.body())
        self._unsent[stream_id] = stream
        self._send_body(stream_id)
        return stream_id

    def cancel(self, stream_id: int) -> None:
        """
        Give a push up; nothing more is reported of it.
        """
        if self._streams.pop(stream_id, None) is not None:
            self._unsent.pop(stream_id, None)
            self._reset(stream_id)

    def ping(self, payload: bytes) -> None:
        """
        Ask for a sign of life.

        :param payload: eight octets, which the answer repeats.
        """
        if not self._broken:
            self._h2.ping(payload)

    def close(self) -> None:
        """
        Say goodbye; the connection is to be closed then.
        """
        if not self._broken:
            self._broken = True
            self._h2.close_connection()

    # -- in ----------------------------------------------------------------------------------------

    def receive(self, data: bytes) -> list[Event]:
        """
        Take what the server sent; never raises.
        """
        found: list[Event] = []
        if self._broken:
            return found
        self._splitter.feed(data)
        try:
            while (frame := self._splitter.next_frame()) is not None:
                self._receive_frame(frame, found)
        except _NONSENSE as error:
            self._broken = True
            found.append(ConnectionBroken(f"the server sent nonsense: {type(error).__name__}"))
            found += self.end("the connection broke")
        return found

    def end(self, complaint: str) -> list[Event]:
        """
        The connection is gone, or is given up: every push in flight is lost.
        """
        self._broken = True
        lost: list[Event] = [PushLost(stream_id, complaint) for stream_id in self._streams]
        self._streams.clear()
        self._unsent.clear()
        return lost

    def _receive_frame(self, frame: frames.RawFrame, found: list[Event]) -> None:
        if frame.kind == frames.GOAWAY and not self._in_header_block:
            self._go_away(frame, found)
            return
        if not self._ready and frame.kind != frames.SETTINGS:
            raise EncodingError("something else before SETTINGS")
        if frame.kind in (frames.HEADERS, frames.PUSH_PROMISE, frames.CONTINUATION):
            self._in_header_block = not frame.flags & frames.END_HEADERS
        for event in self._h2.receive_data(frame.content):
            self._receive_event(event, found)

    def _receive_event(self, event: h2_events.Event, found: list[Event]) -> None:
        match event:
            case h2_events.RemoteSettingsChanged():
                self._ready = True
                self._send_bodies()
                found.append(SettingsReceived(self._max_streams))
            case h2_events.ResponseReceived():
                self._receive_head(event.stream_id, event.headers)
            case h2_events.DataReceived():
                self._receive_body(event)
            case h2_events.StreamEnded():
                self._answer(event.stream_id, found)
            case h2_events.StreamReset():
                self._receive_reset(event, found)
            case h2_events.WindowUpdated():
                self._send_bodies()
            case h2_events.PingAckReceived():
                found.append(PingAcknowledged(event.ping_data))

    def _receive_head(self, stream_id: int, fields: list[tuple[bytes, bytes]]) -> None:
        stream = self._streams.get(stream_id)
        if stream is None:
            return
        stream.receive_head(fields)

    def _receive_body(self, event: h2_events.DataReceived) -> None:
        # Credit also what nobody waits for: the connection's window is everybody's.
        self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        stream = self._streams.get(event.stream_id)
        if stream is not None:
            stream.receive_body(event.data)

    def _answer(self, stream_id: int, found: list[Event]) -> None:
        stream = self._streams.pop(stream_id, None)
        if stream is None:
            return
        if self._unsent.pop(stream_id, None) is not None:
            # Answered before it had our whole body, the rest of which it does not want.
            self._reset(stream_id)
        found.append(stream.answer(stream_id))

    def _receive_reset(self, event: h2_events.StreamReset, found: list[Event]) -> None:
        stream = self._streams.pop(event.stream_id, None)
        self._unsent.pop(event.stream_id, None)
        if stream is None:
            return
        if event.error_code == ErrorCodes.REFUSED_STREAM and stream.status is None:
            found.append(PushRefused(event.stream_id))
        else:
            found.append(PushLost(event.stream_id, "the server reset it"))

    def _go_away(self, frame: frames.RawFrame, found: list[Event]) -> None:
        last_stream_id, error_code, debug_data = frame.go_away()
        if self._went_away is not None:
            last_stream_id = min(last_stream_id, self._went_away)
        self._went_away = last_stream_id
        found.append(GoAwayReceived(last_stream_id, error_code, parse_body(debug_data)[0]))
        for stream_id in [one for one in self._streams if one > last_stream_id]:
            del self._streams[stream_id]
            self._unsent.pop(stream_id, None)
            found.append(PushRefused(stream_id))

    # -- inside ------------------------------------------------------------------------------------

    @property
    def _max_streams(self) -> int:
        return min(self._h2.remote_settings.max_concurrent_streams, self._most_streams)

    def _send_bodies(self) -> None:
        for stream_id in list(self._unsent):
            self._send_body(stream_id)

    def _send_body(self, stream_id: int) -> None:
        stream = self._unsent[stream_id]
        while stream.unsent:
            room = self._h2.local_flow_control_window(stream_id)
            size = min(room, self._h2.max_outbound_frame_size, len(stream.unsent))
            if size <= 0:
                return
            piece, stream.unsent = stream.unsent[:size], stream.unsent[size:]
            self._h2.send_data(stream_id, piece, end_stream=not stream.unsent)
        del self._unsent[stream_id]

    def _reset(self, stream_id: int) -> None:
        if not self._broken:
            self._h2.reset_stream(stream_id, ErrorCodes.CANCEL)


def _new_connection() -> H2Connection:
    connection = H2Connection(H2Configuration(client_side=True))
    connection.local_settings = Settings(
        client=True,
        initial_values={
            SettingCodes.ENABLE_PUSH: 0,
            SettingCodes.MAX_HEADER_LIST_SIZE: _LARGEST_HEADER_LIST,
        },
    )
    connection.initiate_connection()
    return connection


def headers(notification: Notification, authority: str) -> list[HeaderTuple]:
    """
    The header fields of a push's request, as Apple's documents have them.

    What differs with each push is never indexed: it would only fill the HPACK table.
    """
    return [
        HeaderTuple(b":method", b"POST"),
        HeaderTuple(b":scheme", b"https"),
        HeaderTuple(b":authority", authority.encode("ascii")),
        NeverIndexedHeaderTuple(b":path", b"/3/device/" + notification.token.hex().encode("ascii")),
        HeaderTuple(b"apns-topic", notification.topic.encode("ascii")),
        HeaderTuple(b"apns-push-type", notification.push_type.encode("ascii")),
        HeaderTuple(b"apns-priority", b"%d" % notification.priority),
        NeverIndexedHeaderTuple(b"apns-id", notification.apns_id.encode("ascii")),
        NeverIndexedHeaderTuple(b"apns-expiration", b"%d" % notification.expiration),
    ]


class _Stream:
    """
    What of a push is not sent yet, and what of its answer is in.

    :ivar unsent: the rest of the push's body.
    :ivar status: the answer's HTTP status; None: its head is not in.
    """

    def __init__(self, body: bytes) -> None:
        self.unsent = body
        self.status: int | None = None
        self._apns_id: str | None = None
        self._body = bytearray()

    def receive_head(self, headers: Iterable[tuple[bytes, bytes]]) -> None:
        """
        Take the head of the answer.
        """
        for name, value in headers:
            if name == b":status" and value.isdigit() and len(value) == 3:
                self.status = int(value)
            elif name == b"apns-id":
                self._apns_id = value[:64].decode("ascii", "replace")

    def receive_body(self, data: bytes) -> None:
        """
        Take some bytes of the answer's body.
        """
        self._body += data[: 4096 - len(self._body)]

    def answer(self, stream_id: int) -> PushAnswered | PushLost:
        """
        The answer, which is complete.
        """
        if self.status is None:
            return PushLost(stream_id, "its answer has no status")
        reason, timestamp = parse_body(bytes(self._body))
        return PushAnswered(stream_id, self.status, reason, timestamp, self._apns_id)
