"""
An endpoint for devices that reads a whole body and writes a whole answer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request

from scepd.errors import ScepdError
from scepd.web.errors import device_failure, retry_after

_TEXT = b"text/plain; charset=utf-8"

_log = Logger()


class BufferedEndpoint(Resource):
    """
    One path that takes one method.

    :param method: such as ``PUT``; every other is answered 405.
    :param content_type: of the answer.
    :param answer: makes it from the request and its body.
    :param status_of: the HTTP status of an error, given the one that it has elsewhere.
    """

    isLeaf = True

    def __init__(
        self,
        method: bytes,
        content_type: bytes,
        answer: Callable[[Request, bytes], Awaitable[bytes]],
        status_of: Callable[[ScepdError, int], int] = lambda error, status: status,
    ) -> None:
        super().__init__()
        self._method = method
        self._content_type = content_type
        self._answer = answer
        self._status_of = status_of

    def render(self, request: Request) -> int:
        """
        Answer now or later.
        """
        if request.method != self._method:
            request.setHeader(b"Allow", self._method)
            _write(request, 405, b"method not allowed; allowed: %b\n" % self._method, _TEXT)
            return NOT_DONE_YET
        answer = Deferred.fromCoroutine(self._respond(request))
        answer.addErrback(self._refuse, request).addErrback(_failed)
        return NOT_DONE_YET

    async def _respond(self, request: Request) -> None:
        assert request.content is not None
        body = await self._answer(request, request.content.read())
        _write(request, 200, body, self._content_type)

    def _refuse(self, failure: Failure, request: Request) -> None:
        status, text = device_failure(failure)
        error = failure.value
        if isinstance(error, ScepdError):
            status = self._status_of(error, status)
            seconds = retry_after(error)
            if seconds is not None:
                request.setHeader(b"Retry-After", b"%d" % seconds)
        _write(request, status, text, _TEXT)


def _write(request: Request, status: int, body: bytes, content_type: bytes) -> None:
    if request.channel is None:
        return
    request.setResponseCode(status)
    request.setHeader(b"Content-Type", content_type)
    request.setHeader(b"Content-Length", b"%d" % len(body))
    request.write(body)
    request.finish()


def _failed(failure: Failure) -> None:
    _log.failure("Failed to write an answer to a device", failure)
