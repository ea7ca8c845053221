"""
A request that is looked at when its headers are in, and whose body is passed on as it arrives.
"""

from __future__ import annotations

from twisted.internet.interfaces import IPushProducer
from twisted.python.failure import Failure
from zope.interface import implementer

from scepd.web.lingering_request import LingeringRequest, RequestState
from scepd.web.proxy_path import loggable
from scepd.web.request_receiver import RequestReceiver
from scepd.web.speed_floor import FlooredDeadline, SpeedFloor


@implementer(IPushProducer)
class StreamedRequest(LingeringRequest):
    """
    A request of a :class:`~scepd.web.streaming.StreamingSite`.

    :ivar raw_query: the query string as it came; never logged.
    """

    raw_query = b""
    _receiver: RequestReceiver | None = None
    _clock: FlooredDeadline | None = None
    _took = 0
    _waits_for_invitation = False

    def __repr__(self) -> str:
        """
        Without query and token, wherever it is logged, and whatever octets it holds.
        """
        shown = self.method, loggable(self.path)
        method, path = (each.decode("ascii", "replace") for each in shown)
        return f"<StreamedRequest {method} {path}>"

    # -- what the channel calls --------------------------------------------------------------------

    def gotLength(self, length: int | None) -> None:
        """
        The headers are in.

        :param length: of the body in bytes; None when it comes in chunks.
        """
        site = self.channel.site
        self.channel.head_is_in()
        self._has_body = length != 0
        self._read_head()
        # Until the request is complete its own deadline counts, which can tell the client.
        self.channel.setTimeout(None)
        if self._has_body:
            self.channel.time_body(self)
        if length is not None and length > site.limit_for(self.path):
            self._refuse_length(length)
        else:
            self._find_receiver(length)

    def start_clock(self) -> None:
        """
        The read that brought the head is over: what is left of the body has its time.
        """
        if self._body_complete or self._state is RequestState.ENDED:
            return
        site = self.channel.site
        self._clock = FlooredDeadline(
            site.reactor, site.request_timeout, self._too_slow, self._make_floor()
        )
        self._clock.took(self._took)
        if self._state is RequestState.ANSWERED:
            self._linger()
        elif self._is_arriving and not self.channel.is_held:
            self._clock.start()

    def handleContentChunk(self, data: bytes) -> None:
        """
        Some bytes of the body.
        """
        if self._state is RequestState.ANSWERED:
            self._drain(data)
        elif self._state is RequestState.RECEIVING:
            self._took += len(data)
            if self._clock is not None:
                self._clock.took(len(data))
            if self._took > self.channel.site.limit_for(self.path):
                self._too_long()
            elif self._receiver is None:
                super().handleContentChunk(data)
            else:
                self._receiver.request_received(data)

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        """
        The body is complete.
        """
        self._body_complete = True
        if self._clock is not None:
            self._clock.stop()
        if self._state is RequestState.ENDED:
            return
        # There is nothing left to pause, and only who reads notices that the client is gone.
        self.channel.read_on()
        if self._state is RequestState.ANSWERED:
            self._finish()
        elif self._state is RequestState.RECEIVING and self._receiver is None:
            super().requestReceived(command, path, version)
        elif self._state is RequestState.RECEIVING and self._receiver is not None:
            self._receiver.request_finished()

    def connectionLost(self, reason: Failure) -> None:
        """
        The connection is gone.
        """
        receiver = self._receiver if self._is_open else None
        self._leave()
        super().connectionLost(reason)
        if receiver is not None:
            receiver.connection_lost()

    # -- what the receiver calls -------------------------------------------------------------------

    def pause(self) -> None:
        """
        Read no more of the body; the client's clock rests.
        """
        if self._is_arriving:
            if self._clock is not None:
                self._clock.stop()
            self.channel.hold_reading()

    def resume(self) -> None:
        """
        Read on.
        """
        if self._is_arriving:
            self.channel.read_on()
            self._invite()
            if self._clock is not None:
                self._clock.start()

    def begin(self, content_type: str, length: int | None) -> None:
        """
        Answer 200.

        :param length: of the body in bytes; None: it goes in chunks.
        """
        if not self._is_open:
            return
        self.responseHeaders.setRawHeaders(b"Content-Type", [content_type.encode("ascii")])
        if length is not None:
            self.responseHeaders.setRawHeaders(b"Content-Length", [b"%d" % length])
        self._close_if_unread()
        self.registerProducer(self, True)
        if self.channel.client_is_slow:
            self.pauseProducing()

    # -- IPushProducer, for the channel ------------------------------------------------------------

    def pauseProducing(self) -> None:
        """
        The client is slow to read.
        """
        if self._receiver is not None:
            self._receiver.pause_answer()

    def resumeProducing(self) -> None:
        """
        The client reads again.
        """
        if self._receiver is not None:
            self._receiver.resume_answer()

    def stopProducing(self) -> None:
        """
        The connection takes nothing any more; ``connectionLost`` follows.
        """

    # -- inside ------------------------------------------------------------------------------------

    @property
    def _is_arriving(self) -> bool:
        return self._state is RequestState.RECEIVING and not self._body_complete

    def _read_head(self) -> None:
        channel = self.channel
        self.method, self.uri, self.clientproto = channel._command, channel._path, channel._version
        self.path, _, self.raw_query = self.uri.partition(b"?")
        # The channel would invite the body right after this, even behind a refusal.
        expected = self.requestHeaders.getRawHeaders(b"expect")
        if expected:
            self.requestHeaders.removeHeader(b"expect")
            is_asked = expected[0].lower() == b"100-continue" and self.clientproto == b"HTTP/1.1"
            self._waits_for_invitation = is_asked and self._has_body

    def _find_receiver(self, length: int | None) -> None:
        self._receiver = self.channel.site.receiver_for(self, length)
        if self._receiver is not None:
            self._receiver.request_started()
        elif self._state is RequestState.RECEIVING:
            self._invite()
            super().gotLength(length)

    def _invite(self) -> None:
        if self._waits_for_invitation and not self.startedWriting:
            self._waits_for_invitation = False
            self.channel._send100Continue()

    def _too_long(self) -> None:
        if self._receiver is None:
            self._refuse_length(None)
        else:
            self._give_up()
            self._receiver.request_too_long(self.channel.site.limit_for(self.path))

    def _refuse_length(self, length: int | None) -> None:
        site = self.channel.site
        limit = site.limit_for(self.path)
        site.on_too_long(self, length, limit)
        text = b"the request is larger than %d bytes\n" % limit
        self.refuse(site.length_status_for(self.path), text)

    def _too_slow(self) -> None:
        if self._state is RequestState.ANSWERED:
            self._hang_up()
        elif self._receiver is None:
            self.refuse(408, b"the request was not complete in time\n")
        else:
            self._give_up()
            self._receiver.request_too_slow("the request was not complete in time")

    def _make_floor(self) -> SpeedFloor | None:
        site = self.channel.site
        if not site.minimum_speed or self._receiver is None or not self._receiver.is_hurried:
            return None
        return SpeedFloor(
            site.reactor, site.minimum_speed, site.minimum_speed_after, self._below_floor
        )

    def _below_floor(self) -> None:
        if self._state is not RequestState.RECEIVING or self._receiver is None:
            return
        self._give_up()
        speed = self.channel.site.minimum_speed
        self._receiver.request_too_slow(
            f"the request came with less than {speed:g} bytes per second"
        )

    def _forget(self) -> None:
        super()._forget()
        self._receiver = None

    def _give_up(self) -> None:
        self._state = RequestState.GIVEN_UP
        if self._clock is not None:
            self._clock.stop()
