"""
Answers to devices from buffered resources.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.server import NOT_DONE_YET, Request

from scepd.errors import ScepdError
from scepd.web.errors import device_failure, retry_after

_PLAIN_TEXT = "text/plain; charset=utf-8"

StatusOf = Callable[[ScepdError, int], int]
"""
The HTTP status of an error at an endpoint, given the one that it has elsewhere.
"""

_log = Logger()


def begin_answer(
    request: Request,
    answering: Coroutine[Deferred[Any], Any, None],
    status_of: StatusOf = lambda error, status: status,
) -> int:
    """
    Answer a device later, and whatever goes wrong with it.

    It goes on when the device vanishes, as that one asks again.

    :param answering: writes the answer, or raises.
    :returns: for twisted.web: that the answer comes later.
    """
    answer = Deferred.fromCoroutine(answering)
    answer.addErrback(_write_failure, request, status_of)
    answer.addErrback(lambda failure: _log.failure("Failed to refuse a device", failure))
    return NOT_DONE_YET


def write_answer(request: Request, content_type: str, body: bytes, status: int = 200) -> None:
    """
    Answer a device, if it is still there.

    :param content_type: exactly as it is to be sent.
    """
    if request.channel is None:
        return
    request.setResponseCode(status)
    headers = request.responseHeaders
    headers.setRawHeaders(b"Content-Type", [content_type.encode("ascii")])
    headers.setRawHeaders(b"Content-Length", [b"%d" % len(body)])
    request.write(body)
    request.finish()


def refuse_method(request: Request, *allowed: str) -> int:
    """
    Answer 405 with the methods that are allowed.

    :returns: for twisted.web: that it need not answer.
    """
    methods = ", ".join(allowed)
    request.responseHeaders.setRawHeaders(b"Allow", [methods.encode("ascii")])
    text = f"method not allowed; allowed: {methods}\n".encode("ascii")
    write_answer(request, _PLAIN_TEXT, text, 405)
    return NOT_DONE_YET


def _write_failure(failure: Failure, request: Request, status_of: StatusOf) -> None:
    status, text = device_failure(failure)
    error = failure.value
    if isinstance(error, ScepdError):
        status = status_of(error, status)
        seconds = retry_after(error)
        if seconds is not None:
            request.responseHeaders.setRawHeaders(b"Retry-After", [b"%d" % seconds])
    write_answer(request, _PLAIN_TEXT, text, status)
