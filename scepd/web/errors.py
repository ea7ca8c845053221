"""
The one place that turns errors into HTTP answers, for operators (RFC 9457) and for devices (a line
of plain text).
"""

from __future__ import annotations

from uuid import uuid4

from pydantic import BaseModel, Field
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web import http
from werkzeug.exceptions import HTTPException

from scepd.errors import (
    AccessDenied,
    BreakerOpen,
    Conflict,
    InvalidInput,
    LimitExceeded,
    MessageError,
    NotConfigured,
    NotFound,
    PermanentError,
    QueueTimeout,
    RequestTimeout,
    RoleDenied,
    ScepdError,
    StorageUnavailable,
    TemporaryError,
    UpstreamError,
    UpstreamFault,
    WindowBusy,
    WindowClosed,
)

PROBLEM_TYPE = "application/problem+json"
_RETRY_AFTER_SECONDS = 5

_STATUSES: dict[type[ScepdError], tuple[int, str]] = {
    InvalidInput: (400, "The input is not valid"),
    LimitExceeded: (413, "The input is too large"),
    MessageError: (400, "The message is not acceptable"),
    AccessDenied: (401, "Access denied"),
    RoleDenied: (403, "The role does not allow this"),
    NotFound: (404, "Not found"),
    Conflict: (409, "The request contradicts what is stored"),
    UpstreamError: (502, "The certificate authority failed"),
    QueueTimeout: (503, "The certificate authority is busy"),
    BreakerOpen: (503, "The certificate authority is out"),
    NotConfigured: (503, "The certificate authority is not configured"),
    WindowBusy: (503, "The enrollment window is busy"),
    WindowClosed: (403, "The enrollment window is closed"),
    RequestTimeout: (408, "The request did not come in time"),
    StorageUnavailable: (503, "The database is not available"),
    TemporaryError: (503, "Temporarily not possible"),
    PermanentError: (500, "The server is not set up for this"),
    ScepdError: (500, "The server failed"),
}
"""
Status and title by class; the nearest base class counts.
"""

_UPSTREAM_TEXTS = {
    UpstreamFault.DNS: "the certificate authority's host name has no address",
    UpstreamFault.ADDRESS: "the certificate authority's address may not be connected to",
    UpstreamFault.REFUSED: "the certificate authority refused the connection",
    UpstreamFault.TLS: "TLS with the certificate authority failed",
    UpstreamFault.TIMEOUT: "the certificate authority did not answer in time",
    UpstreamFault.STATUS: "the certificate authority answered with an error",
    UpstreamFault.BODY: "the certificate authority's answer is no SCEP message",
    UpstreamFault.CLOSED: "the certificate authority closed the connection",
    UpstreamFault.PROXY: "the outgoing proxy does not reach the certificate authority",
}
_DEVICE_TEXTS: dict[type[ScepdError], str] = {
    QueueTimeout: "the certificate authority is busy, try again later",
    BreakerOpen: "the certificate authority is not available, try again later",
    StorageUnavailable: "temporarily not available, try again later",
}
"""
What a device is told in place of sentences that are meant for operators.
"""

_log = Logger()


class FieldError(BaseModel):
    """
    One thing that is wrong with a request.
    """

    field: str = Field(description="JSON field, query parameter, or path of a payload and key")
    message: str = Field(description="a sentence that says what is wrong and what is allowed")


class Problem(BaseModel):
    """
    A problem as RFC 9457 has it.
    """

    type: str = Field(description="urn:scepd:problem: and a stable word")
    title: str = Field(description="the kind of problem, the same for each of its type")
    status: int = Field(description="the HTTP status")
    detail: str = Field(description="a sentence about this one")
    errors: list[FieldError] = Field(description="what is wrong, by field; empty if not by field")
    request_id: str = Field("", description="as in the X-Request-Id header and in the log")


def problem_of(failure: Failure, request_id: str) -> Problem:
    """
    The answer of the admin API to whatever went wrong.

    Our own errors and HTTP's are answered with their sentence; any other is a fault of scepd: it is
    logged whole and answered without details.
    """
    error = failure.value
    if isinstance(error, ScepdError):
        return _of_ours(error, request_id)
    if isinstance(error, HTTPException):
        return _of_http(error, request_id)
    _log.failure("Failed to answer request {request_id}", failure, request_id=request_id)
    return _problem("internal", "The server failed", 500, "See the server's log.", request_id)


def problem_refusal(status: int, text: bytes) -> tuple[bytes, bytes]:
    """
    Content-Type and body of a refusal of the admin listener that no resource was asked about.
    """
    codes = {413: LimitExceeded.code, 408: RequestTimeout.code}
    problem = _problem(
        codes.get(status, "refused"),
        http.RESPONSES.get(status, b"Refused").decode("ascii"),
        status,
        text.decode("utf-8").strip(),
        str(uuid4()),
    )
    return PROBLEM_TYPE.encode("ascii"), problem.model_dump_json().encode()


def device_answer(error: ScepdError) -> tuple[int, bytes]:
    """
    The answer to a device: HTTP status, and a line of plain text that echoes no input.
    """
    status, title = _status_of(error)
    if isinstance(error, AccessDenied):
        # A device has no credentials to bring, so that 401 would ask for the impossible.
        status = 403
    if status == 500:
        return status, b"internal error\n"
    return status, f"{_device_text(error) or title}\n".encode()


def device_failure(failure: Failure) -> tuple[int, bytes]:
    """
    The answer to a device to whatever went wrong; what is not one of our errors is logged.
    """
    if isinstance(failure.value, ScepdError):
        return device_answer(failure.value)
    _log.failure("Failed to answer a device", failure)
    return 500, b"internal error\n"


def retry_after(error: ScepdError) -> int | None:
    """
    The seconds after which a device may try again, where that is known to help.
    """
    if isinstance(error, BreakerOpen):
        return error.retry_after
    busy = (WindowBusy, QueueTimeout, StorageUnavailable)
    return _RETRY_AFTER_SECONDS if isinstance(error, busy) else None


def _of_ours(error: ScepdError, request_id: str) -> Problem:
    status, title = _status_of(error)
    problem = _problem(error.code, title, status, str(error), request_id)
    if isinstance(error, InvalidInput):
        problem.errors = [FieldError(field=f.field, message=f.message) for f in error.faults]
        problem.detail = f"{len(error.faults)} of its fields or parts can't be accepted."
    if status >= 500:
        _log.warn(
            "Could not do request {request_id}: {sentence}",
            request_id=request_id,
            sentence=str(error),
            code=error.code,
        )
    return problem


def _of_http(error: HTTPException, request_id: str) -> Problem:
    status = error.code or 500
    name = error.name
    return _problem(name.lower().replace(" ", "-"), name, status, f"{name}.", request_id)


def _problem(code: str, title: str, status: int, detail: str, request_id: str) -> Problem:
    return Problem(
        type=f"urn:scepd:problem:{code}",
        title=title,
        status=status,
        detail=detail,
        errors=[],
        request_id=request_id,
    )


def _status_of(error: ScepdError) -> tuple[int, str]:
    if isinstance(error, UpstreamError) and error.fault is UpstreamFault.TIMEOUT:
        return 504, "The certificate authority did not answer in time"
    for kind in type(error).__mro__:
        if kind in _STATUSES:
            return _STATUSES[kind]
    raise AssertionError("every error is a ScepdError")


def _device_text(error: ScepdError) -> str:
    if isinstance(error, UpstreamError):
        return _UPSTREAM_TEXTS[error.fault]
    for kind, text in _DEVICE_TEXTS.items():
        if isinstance(error, kind):
            return text
    if isinstance(error, InvalidInput):
        return "; ".join(fault.message for fault in error.faults)
    return str(error)
