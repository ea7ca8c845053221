"""
The bytes of one exchange on their way: a device's request to its certificate authority, and the
answer back.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from twisted.internet.defer import CancelledError, Deferred

from scepd.errors import DeviceGone, ScepdError, UpstreamError
from scepd.metrics import Metrics, counter
from scepd.ports import Upstream, UpstreamExchange, UpstreamRequest, UpstreamTarget
from scepd.scep.observer import BoundedCopy
from scepd.services.answer_relay import AnswerRelay
from scepd.services.proxying import DeviceConnection
from scepd.services.request_copy import RequestCopy

T = TypeVar("T")


class _Pausable(Protocol):
    def pause_request(self) -> None: ...

    def resume_request(self) -> None: ...


class _Nobody:
    def pause_request(self) -> None:
        pass

    def resume_request(self) -> None:
        pass


class Transfer:
    """
    Streams both ways, each as fast as its reader reads (a :class:`scepd.ports.AnswerConsumer`).

    The first thing that ends it counts: the answer is complete, or an error. After that it passes
    nothing on.

    :ivar request: the observer's copy of the SCEP message; until :meth:`start` the only one.
    :ivar answer: the observer's copy of a PKIOperation's answer.
    :ivar request_complete: whether the SCEP message is.
    :ivar error: what ended it, if anything did and it was not the answer's end.
    :ivar device_is_gone: whether the device closed its connection, at whatever time.
    """

    def __init__(self, device: DeviceConnection, metrics: Metrics) -> None:
        self.request = RequestCopy()
        self.answer = BoundedCopy()
        self.request_complete = False
        self.error: ScepdError | None = None
        self.device_is_gone = False
        self._device: _Pausable = device
        self._to_ca = counter(metrics.proxy_bytes, "to_ca")
        self._to_device = counter(metrics.proxy_bytes, "to_device")
        self._relay: AnswerRelay | None = None
        self._upstream: UpstreamExchange | None = None
        self._ca_is_slow = False
        self._device_is_slow = False
        self._whole_request: Deferred[None] = Deferred()
        self._waiting: Deferred[None] | None = None
        self._end: Deferred[None] = Deferred()

    # -- what the device's connection tells --------------------------------------------------------

    def request_received(self, data: bytes) -> None:
        """
        Some bytes of the SCEP message.
        """
        if self._has_ended:
            return
        self.request.feed(data)
        if self._upstream is not None:
            self._pass_on(self._upstream, data)

    def request_finished(self) -> None:
        """
        The SCEP message is complete.
        """
        if self._has_ended:
            return
        self.request_complete = True
        if self._upstream is not None:
            self._upstream.finish()
        self._whole_request.callback(None)

    def request_failed(self, error: ScepdError) -> None:
        """
        The rest of the request does not come, or must not be passed on; nothing more is sent to the
        certificate authority.
        """
        self._conclude(error)

    def device_gone(self) -> None:
        """
        The device's connection has ended.
        """
        self.device_is_gone = True
        self._conclude(DeviceGone("the device closed its connection"))

    def pause_answer(self) -> None:
        """
        The device is slow to read.
        """
        self._device_is_slow = True
        if self._upstream is not None:
            self._upstream.pause_answer()

    def resume_answer(self) -> None:
        """
        The device reads again.
        """
        self._device_is_slow = False
        if self._upstream is not None:
            self._upstream.resume_answer()

    # -- what the certificate authority's connection tells -----------------------------------------

    def answer_started(self, status: int, content_type: bytes | None, length: int | None) -> None:
        """
        The head of the answer is in.
        """
        self._relayed(lambda relay: relay.start(status, length))

    def answer_received(self, data: bytes) -> None:
        """
        Some bytes of the answer's body.
        """
        self._relayed(lambda relay: relay.pass_on(data))

    def answer_finished(self) -> None:
        """
        The answer is complete.
        """
        self._relayed(lambda relay: relay.check_complete())
        self._conclude(None)

    def answer_failed(self, error: UpstreamError) -> None:
        """
        No (whole) answer comes.
        """
        self._conclude(error)

    def pause_request(self) -> None:
        """
        The certificate authority is slow to read, or not connected yet.
        """
        self._ca_is_slow = True
        self._device.pause_request()

    def resume_request(self) -> None:
        """
        The certificate authority reads again.
        """
        self._ca_is_slow = False
        if self._upstream is not None:
            self._device.resume_request()

    # -- the course of the exchange ----------------------------------------------------------------

    @property
    def sent_whole(self) -> bool:
        """
        Whether the certificate authority may have the whole request.
        """
        return self._upstream is not None and self._upstream.sent_whole

    @property
    def answer_begun(self) -> bool:
        """
        Whether the device has been given the beginning of an answer.
        """
        return self._relay is not None and self._relay.begun

    @property
    def waits_for_device(self) -> bool:
        """
        Whether it is the device's turn: to send more of its request, or to read the answer.
        """
        return self._device_is_slow or not (self.request_complete or self._ca_is_slow)

    def check_running(self) -> None:
        """
        :raises ScepdError: what ended the transfer.
        """
        if self.error is not None:
            raise self.error

    async def whole_request(self) -> None:
        """
        Read the SCEP message to its end, without passing it on.

        :raises ScepdError: what ended the transfer before.
        """
        self._device.resume_request()
        await self.unless_ended(self._whole_request)

    async def unless_ended(self, waiting: Deferred[None]) -> None:
        """
        Wait for something, which is cancelled when the transfer ends before.

        :raises ScepdError: what ended the transfer.
        """
        self.check_running()
        self._waiting = waiting
        try:
            await waiting
        except CancelledError:
            self.check_running()
            raise
        finally:
            self._waiting = None

    async def run(
        self,
        upstream: Upstream,
        target: UpstreamTarget,
        request: UpstreamRequest,
        relay: AnswerRelay,
    ) -> None:
        """
        Pass on what came of the request, then what comes, and the answer all but its last byte.

        :raises ScepdError: what ended the transfer before the answer was complete.
        """
        self._relay = relay
        self._start(upstream.start(target, request, self))
        await self._end
        self._to_device.inc(relay.passed_on)
        self.check_running()

    def send_last_byte(self) -> None:
        """
        Complete the device's answer.
        """
        relay = self._relay
        assert relay is not None
        before = relay.passed_on
        relay.end()
        self._to_device.inc(relay.passed_on - before)

    def let_go(self) -> None:
        """
        Everything is over: refer no more to those who refer to this transfer, as what refers to
        itself stays in memory until the next collection.
        """
        self._device = _Nobody()
        self._relay = self._upstream = None
        self.request.close()

    # -- inside ------------------------------------------------------------------------------------

    @property
    def _has_ended(self) -> bool:
        return bool(self._end.called)

    def _start(self, upstream: UpstreamExchange) -> None:
        # All of this may have been over before it began.
        self._upstream = upstream
        if self.error is not None:
            upstream.abort()
        if self._device_is_slow and not self._has_ended:
            upstream.pause_answer()
        # A request that could not be copied whole was passed on as it came, or not let through.
        self._pass_on(upstream, self.request.getvalue())
        if self.request_complete and not self._has_ended:
            upstream.finish()
        if not self._ca_is_slow and not self._has_ended:
            self._device.resume_request()

    def _pass_on(self, upstream: UpstreamExchange, data: bytes) -> None:
        if data and not self._has_ended:
            self._to_ca.inc(len(data))
            upstream.write(data)

    def _relayed(self, do: Callable[[AnswerRelay], None]) -> None:
        if self._relay is None or self._has_ended:
            return
        try:
            do(self._relay)
        except UpstreamError as error:
            self._conclude(error)

    def _conclude(self, error: ScepdError | None) -> None:
        if self._has_ended:
            return
        self.error = error
        if error is not None and self._upstream is not None:
            self._upstream.abort()
        if self._waiting is not None:
            self._waiting.cancel()
        self._end.callback(None)
