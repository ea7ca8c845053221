"""
``PUT /mdm/checkin`` and ``PUT /mdm/connect``: what devices ask and report.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from twisted.web.server import Request

from scepd.errors import EncodingError, PermanentError, ScepdError
from scepd.mdm.signature import HEADER
from scepd.services.begun import begin
from scepd.services.checkin import CheckIn
from scepd.services.checkin_messages import FeatureMissing, UserChannelDeclined
from scepd.services.long_messages import LongMessage, LongMessages
from scepd.web.buffered_endpoint import BufferedEndpoint
from scepd.web.client_certificates import ClientCertificates
from scepd.web.errors import device_failure, retry_after
from scepd.web.streamed_request import StreamedRequest

_HEADER = HEADER.encode("ascii")
_METHOD = "PUT"
_CONTENT_TYPE = "application/xml; charset=utf-8"
_PATHS = frozenset((b"/mdm/checkin", b"/mdm/connect"))
# Longer ones may rest in a file until they are complete.
_LONGEST_HELD = 64 * 1024
_STATUSES: dict[type[ScepdError], int] = {UserChannelDeclined: 410, FeatureMissing: 404}

_Answering = Callable[[Request, bytes], Coroutine[Deferred[Any], Any, bytes]]


def make_mdm_endpoint(
    check_in: CheckIn, certificates: ClientCertificates | None = None
) -> Resource:
    """
    Either endpoint: each takes both kinds of message.

    :param certificates: finds what a connection proves; None: nothing but a signature counts.
    """
    answering = _answering(check_in, certificates or ClientCertificates())
    return BufferedEndpoint(_METHOD, _CONTENT_TYPE, answering, _status_of)


class LongMDMMessages:
    """
    Hears of messages that are refused unread (for :class:`~scepd.web.streaming.StreamingSite`).
    """

    def __init__(
        self, messages: LongMessages, certificates: ClientCertificates | None = None
    ) -> None:
        self._messages = messages
        self._certificates = certificates or ClientCertificates()

    def refused(self, request: StreamedRequest, length: int | None, limit: int) -> None:
        """
        A request whose body is too long is about to be refused.
        """
        if request.path not in _PATHS:
            return
        signatures = request.requestHeaders.getRawHeaders(_HEADER, [])
        try:
            certificate = self._certificates.of(request)
        except ScepdError:
            certificate = b""
        peer = request.getClientAddress()
        message = LongMessage(
            length,
            limit,
            signatures[0] if len(signatures) == 1 else b"",
            certificate,
            getattr(peer, "host", None) or "an unknown address",
        )
        self._messages.refused(message)


class MDMSite:
    """
    Takes the messages of ordinary size off a listener's requests (for
    :class:`~scepd.web.streaming.StreamingSite`): what is between a request and its resource in
    ``twisted.web`` costs as much as a poll's answer. Everything else goes to the endpoints.
    """

    def __init__(self, check_in: CheckIn, certificates: ClientCertificates | None = None) -> None:
        self._answer = _answering(check_in, certificates or ClientCertificates())

    def receiver_for(self, request: StreamedRequest, length: int | None) -> MDMDevice | None:
        """
        Who takes the body of ``request``: None when it is left to others.
        """
        if request.path not in _PATHS or request.method != b"PUT":
            return None
        if length is None or length > _LONGEST_HELD:
            return None
        return MDMDevice(request, self._answer)


class MDMDevice:
    """
    A device with a message of ordinary size: a request's receiver.
    """

    is_hurried = False

    def __init__(self, request: StreamedRequest, answer: _Answering) -> None:
        self._request = request
        self._answer = answer
        self._body = b""

    def request_started(self) -> None:
        """
        Its body may come, also from a client that asks before it sends one.
        """
        self._request.resume()

    def request_received(self, data: bytes) -> None:
        """
        Some bytes of the body, which mostly are all.
        """
        self._body += data

    def request_finished(self) -> None:
        """
        Answer; it goes on when the device vanishes, as that one asks again.
        """
        body, self._body = self._body, b""
        begin(self._answer(self._request, body), self._write, self._refuse)

    def request_too_long(self, limit: int) -> None:
        """
        The body is above its limit.
        """
        self._request.refuse(400, b"the request is larger than %d bytes\n" % limit)

    def request_too_slow(self, sentence: str) -> None:
        """
        The body did not come in time.
        """
        self._request.refuse(408, sentence.encode("ascii") + b"\n")

    def connection_lost(self) -> None:
        """
        What was answered is lost; the device asks again.
        """

    def pause_answer(self) -> None:
        """
        The answer is written in one piece.
        """

    def resume_answer(self) -> None:
        """
        The answer is written in one piece.
        """

    def _write(self, answer: bytes) -> None:
        self._request.answer(_CONTENT_TYPE, answer)

    def _refuse(self, failure: Failure) -> None:
        status, text = device_failure(failure)
        error, seconds = failure.value, None
        if isinstance(error, ScepdError):
            status, seconds = _status_of(error, status), retry_after(error)
        self._request.refuse(status, text, retry_after=seconds)


def _answering(check_in: CheckIn, proofs: ClientCertificates) -> _Answering:
    async def answer(request: Request, body: bytes) -> bytes:
        """
        The next command, or nothing.
        """
        signatures = request.requestHeaders.getRawHeaders(_HEADER, [])
        if len(signatures) > 1:
            raise EncodingError("there is more than one signature: neither is believed")
        signature = signatures[0] if signatures else b""
        return await check_in.answer(body, signature, proofs.of(request))

    return answer


def _status_of(error: ScepdError, status: int) -> int:
    """
    A refusal is 400, never 401, which could unenroll a device; what may go well later is 503.
    """
    if isinstance(error, PermanentError):
        return _STATUSES.get(type(error), 400)
    return status
