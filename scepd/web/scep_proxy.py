"""
The SCEP proxy's resource: ``/mdm/scep/proxy/<hostUUID>%2C<profileUUID>%2C<caName>``.
"""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

from scepd.errors import Fault, InvalidInput, ScepdError
from scepd.ports import Subject
from scepd.scep.transport import decode_message, operation_of
from scepd.services.answer_exchange import ANSWERED_FROM_CACHE
from scepd.services.proxied_exchange import ProxiedExchange
from scepd.services.proxying import Operation, ProxyRequest, SCEPProxy
from scepd.web.errors import device_answer
from scepd.web.request_receiver import RequestReceiver
from scepd.web.scep_devices import AskingDevice, ProxiedDevice
from scepd.web.streamed_request import StreamedRequest

PREFIX = b"/mdm/scep/proxy/"
_SEPARATOR = re.compile(rb"%2[Cc]|,")
_PART = re.compile(r"[A-Za-z0-9_.:@-]{1,255}")
_OPERATIONS = {operation.wire_name: operation for operation in Operation}


def _bad(field: str, message: str) -> InvalidInput:
    return InvalidInput((Fault(field, message),))


def parse_subject(path: bytes) -> Subject:
    """
    Host, profile and certificate authority of a proxy URL's path, escaped or with plain commas; a
    trailing ``/pkiclient.exe`` is what some clients add.

    :raises InvalidInput: there are not three parts, or one of them is empty or of impossible
        characters.
    """
    identifier = path.removeprefix(PREFIX).removesuffix(b"/pkiclient.exe")
    parts = [
        unquote_to_bytes(part).decode("ascii", "replace") for part in _SEPARATOR.split(identifier)
    ]
    if len(parts) != 3 or not all(_PART.fullmatch(part) for part in parts):
        raise _bad("path", "invalid identifier in URL path")
    return Subject(*parts)


def parse_operation(method: bytes, raw_query: bytes) -> Operation:
    """
    The operation of a request; a POST that names none is a PKIOperation.

    :raises InvalidInput: there is none, or an unknown one.
    """
    name = operation_of(raw_query)
    if method == b"POST" and not _names_operation(raw_query):
        return Operation.PKI_OPERATION
    operation = _OPERATIONS.get(name or "")
    if operation is None:
        raise _bad(
            "operation", f"missing or unknown SCEP operation; allowed: {', '.join(_OPERATIONS)}"
        )
    return operation


def _names_operation(raw_query: bytes) -> bool:
    return any(pair.partition(b"=")[0] == b"operation" for pair in raw_query.split(b"&"))


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
        if request.method not in (b"GET", b"POST"):
            request.responseHeaders.setRawHeaders(b"Allow", [b"GET, POST"])
            request.refuse(405, b"method not allowed; allowed: GET, POST\n")
            return None
        try:
            return self._begin(request, length)
        except ScepdError as error:
            request.refuse(*device_answer(error))
            return None

    def _begin(self, request: StreamedRequest, length: int | None) -> RequestReceiver:
        self._proxy.check_accepting()
        subject = parse_subject(request.path)
        operation = parse_operation(request.method, request.raw_query)
        if operation in ANSWERED_FROM_CACHE:
            return AskingDevice(request, self._proxy, ProxyRequest(subject, operation, length))
        message: bytes | None = b""
        if operation is Operation.PKI_OPERATION and request.method == b"GET":
            limit = self._proxy.settings.max_message_size
            message = decode_message(request.raw_query, max_size=limit)
            length = len(message)
        elif operation is Operation.PKI_OPERATION:
            message = None
        device = ProxiedDevice(request, message)
        device.attend(
            ProxiedExchange(self._proxy, ProxyRequest(subject, operation, length), device)
        )
        return device
