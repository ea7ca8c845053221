"""
The client's end of an HTTP/2 connection that carries nothing but pushes; sans-IO.

h2 keeps SETTINGS and PING (:mod:`scepd.apns.peer_settings`). The pushes' streams, flow control and
GOAWAY are ours: a push is HEADERS and DATA out, and HEADERS (and DATA) back.
"""

from __future__ import annotations

from collections.abc import Callable

from h2 import events as h2_events
from h2.errors import ErrorCodes
from h2.settings import SettingCodes

from scepd.apns import frames
from scepd.apns.answers import AnswerReader
from scepd.apns.events import (
    ConnectionBroken,
    Event,
    GoAwayReceived,
    PingAcknowledged,
    PushesAccepted,
    PushLost,
    PushRefused,
    SettingsReceived,
)
from scepd.apns.frames import HEAD, PeerFault
from scepd.apns.header_blocks import STATUS_200
from scepd.apns.header_template import HeaderTemplate, no_authorization
from scepd.apns.notification import Notification
from scepd.apns.peer_settings import PeerSettings
from scepd.apns.reasons import parse_body
from scepd.apns.streams import PushStreams
from scepd.errors import LimitExceeded

_LAST_STREAM_ID = 2**30
_LARGEST_FIRST = frames.LARGEST_PAYLOAD << 8 | 0xFF
_HEADERS_SHAPE = frames.END_HEADERS | frames.PADDED | frames.WITH_PRIORITY
_DATA_SHAPE = frames.END_STREAM | frames.PADDED


class PushEngine:
    """
    Pushes in, bytes out; bytes in, events out.

    :param authority: Apple's host name.
    :param most_streams: pushes in flight, even if the server allows more.
    :param last_stream_id: from which on no push is taken, so that ids never run out.
    :param authorization: tells the value of that header, for token credentials; the same one until
        it is renewed.
    """

    def __init__(
        self,
        authority: str,
        *,
        most_streams: int = 1000,
        last_stream_id: int = _LAST_STREAM_ID,
        authorization: Callable[[], bytes | None] = no_authorization,
    ) -> None:
        self._most_streams = most_streams
        self._last_stream_id = last_stream_id
        self._template = HeaderTemplate(authority.encode("ascii"), authorization)
        self._settings = PeerSettings()
        self._out: list[bytes] = [self._settings.data_to_send()]
        self._streams = PushStreams(self._out)
        self._answers = AnswerReader(self._streams, self._out)
        self._unsendable: dict[int, str] = {}
        self._rest = bytearray()
        self._wanted = 0
        self._limit = 0
        self._went_away: int | None = None
        self._ready = self._broken = False

    # -- out ---------------------------------------------------------------------------------------

    def data_to_send(self) -> bytes:
        """
        The bytes that are to be written now.
        """
        data = b"".join(self._out)
        self._out.clear()
        return data

    @property
    def in_flight(self) -> int:
        """
        Pushes that have no answer yet.
        """
        return len(self._streams.open) + len(self._unsendable)

    @property
    def spent(self) -> bool:
        """
        Whether no push will be taken any more.
        """
        out_of_ids = self._streams.next_id > self._last_stream_id
        return self._broken or self._went_away is not None or out_of_ids

    @property
    def capacity(self) -> int:
        """
        How many pushes may be sent now, as far as the number of streams goes.
        """
        return max(0, self._limit - len(self._streams.open))

    def takes(self, notification: Notification) -> bool:
        """
        Whether :meth:`push` may be called: there is a stream, and credit for the whole body.
        """
        streams = self._streams
        return len(streams.open) < self._limit and len(notification.body()) <= streams.window.free

    def push(self, notification: Notification) -> int:
        """
        Send a push; :meth:`takes` must have allowed it.

        One whose header list is longer than the server takes is not sent; the next
        :meth:`receive` reports it as lost, and why.

        :returns: its stream id.
        """
        stream_id = self._streams.next_id
        self._streams.next_id = stream_id + 2
        if stream_id + 2 > self._last_stream_id:
            self._limit = 0
        try:
            block = self._template.block(notification)
        except LimitExceeded as error:
            self._unsendable[stream_id] = str(error)
            return stream_id
        head = HEAD.pack(len(block) << 8 | frames.HEADERS, frames.END_HEADERS, stream_id)
        self._out += (head, block)
        self._streams.start(stream_id, notification.body())
        return stream_id

    def cancel(self, stream_id: int) -> None:
        """
        Give a push up; nothing more is reported of it.
        """
        if stream_id in self._streams.open:
            self._streams.close(stream_id, None if self._broken else ErrorCodes.CANCEL)
        self._unsendable.pop(stream_id, None)

    def ping(self, payload: bytes) -> None:
        """
        Ask for a sign of life.

        :param payload: eight octets, which the answer repeats.
        """
        if not self._broken:
            self._settings.ping(payload)
            self._out.append(self._settings.data_to_send())

    def close(self) -> None:
        """
        Say goodbye; the connection is to be closed then.
        """
        if not self._broken:
            self._break(ErrorCodes.NO_ERROR)

    # -- in ----------------------------------------------------------------------------------------

    def receive(self, data: bytes) -> list[Event]:
        """
        Take what the server sent; never raises.

        :returns: first the pushes that were accepted, then all else in its order.
        """
        found: list[Event] = self._report_unsendable()
        data = b"" if self._broken else self._with_rest(data)
        if not data:
            return found
        accepted: list[int] = []
        try:
            self._receive_frames(data, accepted, found)
            self._answers.give_credit()
        except PeerFault as fault:
            self._break(fault.error_code)
            found.append(ConnectionBroken(f"the server sent nonsense: {fault.complaint}"))
            found += self.end("the connection broke")
        if accepted:
            found.insert(0, PushesAccepted(tuple(accepted)))
        return found

    def end(self, complaint: str) -> list[Event]:
        """
        The connection is gone, or is given up: every push in flight is lost.
        """
        self._broken, self._limit = True, 0
        lost = self._report_unsendable()
        lost += [PushLost(stream_id, complaint) for stream_id in self._streams.clear()]
        return lost

    def _with_rest(self, data: bytes) -> bytes:
        """
        Put the beginning of a frame before its rest; nothing, until it is whole.
        """
        if not self._rest:
            return data
        self._rest += data
        if len(self._rest) < self._wanted:
            return b""
        data = bytes(self._rest)
        self._rest.clear()
        return data

    def _receive_frames(self, data: bytes, accepted: list[int], found: list[Event]) -> None:
        # One flat loop: what most frames need is done in place, without an object for the frame.
        unpack, streams, heads = HEAD.unpack_from, self._streams.open, self._streams.accepted
        position, size, wanted, blocks = 0, len(data), frames.HEAD_SIZE, self._answers.blocks
        plain = blocks.plain
        while (start := position + frames.HEAD_SIZE) <= size:
            first, flags, stream_id = unpack(data, position)
            if first > _LARGEST_FIRST:
                raise PeerFault(
                    ErrorCodes.FRAME_SIZE_ERROR, "an overlong frame, or something else than HTTP/2"
                )
            length, kind = first >> 8, first & 0xFF
            end = start + length
            if end > size:
                wanted = end - position
                break
            position = end
            if kind == frames.HEADERS:
                if (
                    0 < length <= plain
                    and data[start] == STATUS_200
                    and flags & _HEADERS_SHAPE == frames.END_HEADERS
                    and type(streams.get(stream_id)) is int
                    and stream_id not in heads
                ):
                    if flags & frames.END_STREAM:
                        del streams[stream_id]
                        accepted.append(stream_id)
                    else:
                        heads.add(stream_id)
                    continue
            elif (
                kind == frames.DATA
                and plain
                and flags & _DATA_SHAPE == frames.END_STREAM
                and stream_id in heads
            ):
                heads.remove(stream_id)
                del streams[stream_id]
                accepted.append(stream_id)
                if length:
                    self._answers.window.take(length)
                continue
            self._receive_frame(kind, flags, stream_id & frames.STREAM_ID, data[start:end], found)
            plain = blocks.plain
        if position < size:
            self._rest += data[position:]
            self._wanted = wanted

    def _receive_frame(
        self, kind: int, flags: int, stream_id: int, payload: bytes, found: list[Event]
    ) -> None:
        if self._answers.blocks.unfinished and kind != frames.CONTINUATION:
            raise PeerFault(ErrorCodes.PROTOCOL_ERROR, "a frame within a header block")
        if not self._ready and kind != frames.SETTINGS:
            raise PeerFault(ErrorCodes.PROTOCOL_ERROR, "something else before SETTINGS")
        match kind:
            case frames.DATA:
                self._answers.receive_data(flags, stream_id, payload, found)
            case frames.HEADERS:
                self._answers.receive_headers(flags, stream_id, payload, found)
            case frames.CONTINUATION:
                self._answers.receive_continuation(flags, stream_id, payload, found)
            case frames.SETTINGS | frames.PING:
                self._receive_settings(kind, flags, stream_id, payload, found)
            case frames.WINDOW_UPDATE:
                self._receive_credit(stream_id, payload, found)
            case frames.RST_STREAM:
                self._answers.receive_reset(stream_id, payload, found)
            case frames.GOAWAY:
                self._go_away(stream_id, payload, found)
            case frames.PRIORITY:
                frames.check_priority(stream_id, payload)
            case frames.PUSH_PROMISE:
                raise PeerFault(ErrorCodes.PROTOCOL_ERROR, "a PUSH_PROMISE, which we forbid")

    # -- frames of the connection ------------------------------------------------------------------

    def _receive_settings(
        self, kind: int, flags: int, stream_id: int, payload: bytes, found: list[Event]
    ) -> None:
        events = self._settings.receive(kind, flags, stream_id, payload)
        # What new settings allow may follow their acknowledgement only.
        self._out.append(self._settings.data_to_send())
        for event in events:
            match event:
                case h2_events.RemoteSettingsChanged():
                    self._change_settings(event)
                    found.append(SettingsReceived(self._max_streams))
                case h2_events.SettingsAcknowledged():
                    self._answers.blocks.acknowledged()
                case h2_events.PingAckReceived():
                    found.append(PingAcknowledged(event.ping_data))

    def _change_settings(self, event: h2_events.RemoteSettingsChanged) -> None:
        self._ready = True
        if SettingCodes.HEADER_TABLE_SIZE in event.changed_settings:
            self._template.table_size_changed()
        self._template.largest_list = self._settings.largest_header_list
        self._limit = 0 if self.spent else self._max_streams
        self._streams.resize(self._settings.initial_window)

    def _receive_credit(self, stream_id: int, payload: bytes, found: list[Event]) -> None:
        octets = frames.read_number(payload) & frames.LARGEST_WINDOW
        if not octets:
            raise PeerFault(ErrorCodes.PROTOCOL_ERROR, "credit of nothing")
        if stream_id:
            self._answers.receive_credit(stream_id, octets, found)
        else:
            self._streams.window.credit(octets)

    @property
    def _max_streams(self) -> int:
        return min(self._settings.max_streams, self._most_streams)

    def _go_away(self, stream_id: int, payload: bytes, found: list[Event]) -> None:
        last_stream_id, error_code, debug_data = frames.read_go_away(stream_id, payload)
        known = frames.STREAM_ID if self._went_away is None else self._went_away
        # It must not rise: what was refused may be sent again by now (section 6.8).
        self._went_away = last_stream_id = min(last_stream_id, known)
        self._limit = 0
        found.append(GoAwayReceived(last_stream_id, error_code, parse_body(debug_data)[0]))
        if last_stream_id == known:
            return
        for refused in [one for one in self._streams.open if one > last_stream_id]:
            self._streams.close(refused)
            found.append(PushRefused(refused))

    # -- inside ------------------------------------------------------------------------------------

    def _report_unsendable(self) -> list[Event]:
        if not self._unsendable:
            return []
        lost: list[Event] = [PushLost(*one) for one in self._unsendable.items()]
        self._unsendable.clear()
        return lost

    def _break(self, error_code: int) -> None:
        self._broken, self._limit = True, 0
        self._out.append(frames.goodbye(error_code))
