"""
The devices' side of the SCEP proxy.
"""

from __future__ import annotations

from scepd.errors import LimitExceeded, RequestTimeout, ScepdError
from scepd.services.answer_exchange import AnswerExchange
from scepd.services.proxied_exchange import ProxiedExchange
from scepd.services.proxying import ProxyRequest, SCEPProxy
from scepd.web.errors import device_answer, retry_after
from scepd.web.streamed_request import StreamedRequest


class AskingDevice:
    """
    A device that asks what any device may be told: a request's receiver, and an
    :class:`~scepd.services.proxying.AnsweredDevice`.

    A body, which such a request should not have, is dropped.
    """

    is_hurried = True

    def __init__(self, request: StreamedRequest, proxy: SCEPProxy, asked: ProxyRequest) -> None:
        self._request = request
        self._proxy = proxy
        self._asked = asked

    # -- RequestReceiver ---------------------------------------------------------------------------

    def request_started(self) -> None:
        """
        It is answered when it is complete, which mostly is now.
        """

    def request_received(self, data: bytes) -> None:
        """
        Nobody wants it.
        """

    def request_finished(self) -> None:
        """
        Answer.
        """
        AnswerExchange(self._proxy, self._asked, self).begin()

    def request_too_long(self, limit: int) -> None:
        """
        The body is above its limit.
        """
        self.refuse(LimitExceeded(f"the request is larger than {limit} bytes"))

    def request_too_slow(self, sentence: str) -> None:
        """
        The body did not come in time.
        """
        self.refuse(RequestTimeout(sentence))

    def connection_lost(self) -> None:
        """
        What comes of the answer is good for the next device.
        """

    def pause_answer(self) -> None:
        """
        The answer is small.
        """

    def resume_answer(self) -> None:
        """
        The answer is small.
        """

    # -- AnsweredDevice ----------------------------------------------------------------------------

    def status_of(self, error: ScepdError) -> int:
        """
        The HTTP status for this error.
        """
        return device_answer(error)[0]

    def refuse(self, error: ScepdError) -> None:
        """
        Answer with an error.
        """
        self._request.refuse(*device_answer(error), retry_after=retry_after(error))

    def answer(self, content_type: str, body: bytes) -> None:
        """
        Answer 200, whole.
        """
        self._request.answer(content_type, body)


class ProxiedDevice:
    """
    The device's side of a proxied exchange: a request's receiver, and a
    :class:`~scepd.services.proxying.DeviceConnection`.

    :param message: the SCEP message, where it does not come as the request's body.
    """

    is_hurried = True

    def __init__(self, request: StreamedRequest, message: bytes | None) -> None:
        self._request = request
        self._message = message

    def attend(self, exchange: ProxiedExchange) -> None:
        """
        Tell this exchange what comes of the request.
        """
        self._exchange: ProxiedExchange | None = exchange
        self._transfer = exchange.transfer

    # -- RequestReceiver ---------------------------------------------------------------------------

    def request_started(self) -> None:
        """
        Pause the connection until it is known who is let through, and start the exchange.
        """
        self._request.pause()
        message, transfer = self._message, self._transfer
        exchange, self._exchange = self._exchange, None
        if message is not None:
            transfer.request_received(message)
            transfer.request_finished()
        if exchange is not None:
            exchange.begin()

    def request_received(self, data: bytes) -> None:
        """
        Some bytes of the body, which counts only where it is the SCEP message.
        """
        if self._message is None:
            self._transfer.request_received(data)

    def request_finished(self) -> None:
        """
        The body is complete.
        """
        if self._message is None:
            self._transfer.request_finished()

    def request_too_long(self, limit: int) -> None:
        """
        The body is above its limit: the certificate authority never gets the whole of it.
        """
        self._transfer.request_failed(LimitExceeded(f"the request is larger than {limit} bytes"))

    def request_too_slow(self, sentence: str) -> None:
        """
        The body did not come in time.
        """
        self._transfer.request_failed(RequestTimeout(sentence))

    def connection_lost(self) -> None:
        """
        The device is gone.
        """
        self._transfer.device_gone()

    def pause_answer(self) -> None:
        """
        The device is slow to read.
        """
        self._transfer.pause_answer()

    def resume_answer(self) -> None:
        """
        The device reads again.
        """
        self._transfer.resume_answer()

    # -- DeviceConnection --------------------------------------------------------------------------

    def status_of(self, error: ScepdError) -> int:
        """
        The HTTP status for this error.
        """
        return device_answer(error)[0]

    def refuse(self, error: ScepdError) -> None:
        """
        Answer with an error.
        """
        self._request.refuse(*device_answer(error), retry_after=retry_after(error))

    def answer(self, content_type: str, body: bytes) -> None:
        """
        Answer 200, whole.
        """
        self._request.answer(content_type, body)

    def begin_answer(self, content_type: str, length: int | None) -> None:
        """
        Answer 200.
        """
        self._request.begin(content_type, length)

    def write_answer(self, data: bytes) -> None:
        """
        Pass on some bytes of the answer.
        """
        self._request.pass_on(data)

    def end_answer(self) -> None:
        """
        The answer is complete.
        """
        self._request.end()

    def cut_off(self) -> None:
        """
        End the connection in the middle of the answer.
        """
        self._request.cut_off()

    def pause_request(self) -> None:
        """
        Read no more of the request.
        """
        self._request.pause()

    def resume_request(self) -> None:
        """
        Read on.
        """
        self._request.resume()
