"""
What the server sends on the streams of pushes: answers, in any form that HTTP/2 knows.
"""

from __future__ import annotations

from h2.errors import ErrorCodes

from scepd.apns import frames
from scepd.apns.events import Event, PushLost, PushRefused
from scepd.apns.header_blocks import HeaderBlocks
from scepd.apns.streams import PushStreams
from scepd.apns.windows import ReceiveWindow
from scepd.errors import EncodingError


class AnswerReader:
    """
    Reads the frames of streams; what is received is credited at once.

    :param streams: the open ones.
    :param out: where frames go that are to be sent.
    :ivar blocks: header blocks.
    :ivar window: what the server may still send.
    """

    def __init__(self, streams: PushStreams, out: list[bytes]) -> None:
        self.blocks = HeaderBlocks()
        self.window = ReceiveWindow()
        self._streams = streams
        self._out = out
        self._credits: dict[int, int] = {}

    def give_credit(self) -> None:
        """
        Allow again what was received, with one WINDOW_UPDATE for all.
        """
        octets = self.window.restore()
        if not octets:
            return
        self._out.append(frames.credit(0, octets))
        for stream_id, received in self._credits.items():
            if stream_id in self._streams.open:
                self._out.append(frames.credit(stream_id, received))
        self._credits.clear()

    def receive_data(self, flags: int, stream_id: int, payload: bytes, found: list[Event]) -> None:
        """
        Take DATA; content of a closed stream is dropped.

        :raises PeerFault: it is against the rules.
        """
        self._streams.check(stream_id)
        # Also what nobody waits for is credited: the connection's window is everybody's.
        self.window.take(len(payload))
        content = frames.without_padding(flags, payload)
        stream = self._streams.find(stream_id)
        if stream is None:
            return
        try:
            stream.receive_body(content)
        except EncodingError as error:
            self._give_up(stream_id, str(error), found)
            return
        if flags & frames.END_STREAM:
            self._answer(stream_id, found)
        elif payload:
            self._credits[stream_id] = self._credits.get(stream_id, 0) + len(payload)

    def receive_headers(
        self, flags: int, stream_id: int, payload: bytes, found: list[Event]
    ) -> None:
        """
        Take HEADERS: a whole block, or its beginning.

        :raises PeerFault: it is against the rules.
        """
        self._streams.check(stream_id)
        fragment = frames.header_fragment(flags, payload)
        ended = bool(flags & frames.END_STREAM)
        if flags & frames.END_HEADERS:
            self._receive_block(stream_id, ended, fragment, found)
        else:
            self.blocks.begin(stream_id, ended=ended, fragment=fragment)

    def receive_continuation(
        self, flags: int, stream_id: int, payload: bytes, found: list[Event]
    ) -> None:
        """
        Take CONTINUATION.

        :raises PeerFault: it is against the rules.
        """
        last = bool(flags & frames.END_HEADERS)
        whole = self.blocks.proceed(stream_id, payload, last=last)
        if whole is not None:
            self._receive_block(stream_id, *whole, found)

    def receive_reset(self, stream_id: int, payload: bytes, found: list[Event]) -> None:
        """
        Take RST_STREAM; only REFUSED_STREAM before any answer says that nothing was done.

        :raises PeerFault: it is against the rules.
        """
        self._streams.check(stream_id)
        error_code = frames.read_number(payload)
        stream = self._streams.find(stream_id)
        if stream is None:
            return
        self._streams.close(stream_id)
        if error_code == ErrorCodes.REFUSED_STREAM and stream.status is None:
            found.append(PushRefused(stream_id))
        else:
            found.append(PushLost(stream_id, "the server reset it"))

    def receive_credit(self, stream_id: int, octets: int, found: list[Event]) -> None:
        """
        Take WINDOW_UPDATE; too much credit ends only its stream (RFC 9113 section 6.9.1).

        :raises PeerFault: the stream never was.
        """
        self._streams.check(stream_id)
        if not self._streams.credit(stream_id, octets):
            self._streams.close(stream_id, ErrorCodes.FLOW_CONTROL_ERROR)
            found.append(PushLost(stream_id, "its window has more than 2^31-1 octets"))

    def _receive_block(self, stream_id: int, ended: bool, block: bytes, found: list[Event]) -> None:
        headers = self.blocks.decode(block)
        stream = self._streams.find(stream_id)
        if stream is None:
            return
        try:
            stream.receive_head(headers, ended=ended)
        except EncodingError as error:
            self._give_up(stream_id, str(error), found)
            return
        if ended:
            self._answer(stream_id, found)

    def _answer(self, stream_id: int, found: list[Event]) -> None:
        stream = self._streams.find(stream_id)
        if stream is not None:
            self._streams.finish(stream_id)
            found.append(stream.answer(stream_id))

    def _give_up(self, stream_id: int, complaint: str, found: list[Event]) -> None:
        self._streams.close(stream_id, ErrorCodes.PROTOCOL_ERROR)
        found.append(PushLost(stream_id, f"its answer is malformed: {complaint}"))
