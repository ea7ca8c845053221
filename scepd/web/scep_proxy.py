"""
The SCEP proxy's resource: ``/mdm/scep/proxy/<hostUUID>%2C<profileUUID>%2C<caName>``.
"""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

from scepd.errors import Fault, InvalidInput, LimitExceeded, RequestTimeout, ScepdError
from scepd.ports import Subject
from scepd.services.proxied_exchange import ProxiedExchange
from scepd.services.proxying import ProxyRequest, SCEPProxy
from scepd.web.errors import device_answer, retry_after
from scepd.web.request_receiver import RequestReceiver
from scepd.web.scep_request import METHODS, PROGRAM, read_request
from scepd.web.streamed_request import StreamedRequest

PREFIX = b"/mdm/scep/proxy/"
_SEPARATOR = re.compile(rb"%2[Cc]|,")
_PART = re.compile(r"[A-Za-z0-9_.:@-]{1,255}")


def _bad(field: str, message: str) -> InvalidInput:
    return InvalidInput((Fault(field, message),))


def parse_subject(path: bytes) -> Subject:
    """
    Host, profile and certificate authority of a proxy URL's path, escaped or with plain commas; a
    trailing ``/pkiclient.exe`` is what some clients add.

    :raises InvalidInput: there are not three parts, or one of them is empty or of impossible
        characters.
    """
    identifier = path.removeprefix(PREFIX).removesuffix(b"/" + PROGRAM)
    parts = [
        unquote_to_bytes(part).decode("ascii", "replace") for part in _SEPARATOR.split(identifier)
    ]
    if len(parts) != 3 or not all(_PART.fullmatch(part) for part in parts):
        raise _bad("path", "invalid identifier in URL path")
    return Subject(*parts)


class SCEPProxySite:
    """
    Decides which of a listener's requests are the proxy's (for
    :class:`~scepd.web.streaming.StreamingSite`).
    """

    def __init__(self, proxy: SCEPProxy) -> None:
        self._proxy = proxy

    def receiver_for(self, request: StreamedRequest, length: int | None) -> RequestReceiver | None:
        """
        Who takes the body of ``request``: None when it is not the proxy's, or was refused.
        """
        if not request.path.startswith(PREFIX):
            return None
        if request.method.decode("ascii", "replace") not in METHODS:
            allowed = ", ".join(METHODS).encode("ascii")
            request.responseHeaders.setRawHeaders(b"Allow", [allowed])
            request.refuse(405, b"method not allowed; allowed: %b\n" % allowed)
            return None
        try:
            return self._begin(request, length)
        except ScepdError as error:
            request.refuse(*device_answer(error))
            return None

    def _begin(self, request: StreamedRequest, length: int | None) -> RequestReceiver:
        self._proxy.check_accepting()
        subject = parse_subject(request.path)
        limit = self._proxy.settings.max_message_size
        asked = read_request(request.method, request.raw_query, max_size=limit)
        if asked.message:
            length = len(asked.message)
        device = ProxiedDevice(request, asked.message)
        device.attend(
            ProxiedExchange(self._proxy, ProxyRequest(subject, asked.operation, length), device)
        )
        return device


class ProxiedDevice:
    """
    The device's side of a proxied exchange: a request's receiver, and a
    :class:`~scepd.services.proxying.DeviceConnection`.

    :param message: the SCEP message, where it does not come as the request's body.
    """

    def __init__(self, request: StreamedRequest, message: bytes | None) -> None:
        self._request = request
        self._message = message

    def attend(self, exchange: ProxiedExchange) -> None:
        """
        Tell this exchange what comes of the request.
        """
        self._exchange = exchange
        self._transfer = exchange.transfer

    # -- RequestReceiver ---------------------------------------------------------------------------

    def request_started(self) -> None:
        """
        Pause the connection until it is known who is let through, and start the exchange.
        """
        self._request.pause()
        message, transfer = self._message, self._transfer
        if message is not None:
            transfer.request_received(message)
            transfer.request_finished()
        self._exchange.begin()

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

    def request_too_slow(self) -> None:
        """
        The body did not come in time.
        """
        self._transfer.request_failed(RequestTimeout("the request was not complete in time"))

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
