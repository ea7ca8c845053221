"""
The SCEP proxy's resource: ``/mdm/scep/proxy/<hostUUID>%2C<profileUUID>%2C<caName>``.
"""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import unquote_to_bytes

from scepd.errors import Fault, InvalidInput, ScepdError
from scepd.ports import Subject
from scepd.services.answer_exchange import ANSWERED_FROM_CACHE
from scepd.services.proxied_exchange import ProxiedExchange
from scepd.services.proxying import ProxyRequest, SCEPProxy
from scepd.web.errors import device_answer
from scepd.web.proxy_path import PREFIX, SEPARATOR
from scepd.web.request_receiver import RequestReceiver
from scepd.web.scep_devices import AskingDevice, ProxiedDevice
from scepd.web.scep_request import METHODS, PROGRAM, read_request
from scepd.web.streamed_request import StreamedRequest

_PART = re.compile(r"[A-Za-z0-9_.:@-]{1,255}")


def _bad(field: str, message: str) -> InvalidInput:
    return InvalidInput((Fault(field, message),))


@lru_cache(maxsize=4096)
def parse_subject(path: bytes) -> Subject:
    """
    Host, profile and certificate authority of a proxy URL's path, escaped or with plain commas, and
    the token of a one-time URL behind them; a trailing ``/pkiclient.exe`` is what some clients add.

    :raises InvalidInput: there are not three or four parts, or one of them is empty or of
        impossible characters.
    """
    identifier = path.removeprefix(PREFIX).removesuffix(b"/" + PROGRAM)
    parts = [
        unquote_to_bytes(part).decode("ascii", "replace") for part in SEPARATOR.split(identifier)
    ]
    if len(parts) not in (3, 4) or not all(_PART.fullmatch(part) for part in parts):
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
        exchange = ProxyRequest(subject, asked.operation, length)
        if asked.operation in ANSWERED_FROM_CACHE:
            return AskingDevice(request, self._proxy, exchange)
        device = ProxiedDevice(request, asked.message)
        device.attend(ProxiedExchange(self._proxy, exchange, device))
        return device
