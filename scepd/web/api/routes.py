"""
The way of a request to its endpoint and of the answer back: token, request id, JSON, problems.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import TypeAlias
from uuid import UUID

from klein import Klein
from pydantic import BaseModel
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.iweb import IRequest
from twisted.web.resource import Resource
from twisted.web.server import Request
from werkzeug.exceptions import BadRequest, MethodNotAllowed

from scepd.pki.keyring import RandomBytes
from scepd.services.access import Access
from scepd.web.api.call import Call, bearer_token, given_request_id
from scepd.web.api.openapi import Endpoint
from scepd.web.errors import PROBLEM_TYPE, problem_of

Answer: TypeAlias = BaseModel | bytes | None
"""
What an endpoint returns: a model that is written as JSON, the body itself, or nothing.
"""

_RETRY_AFTER = b"5"
# A name whose labels have at most 63 characters, or an IPv6 address.
_HOST = re.compile(rb"(?:[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63}){0,20}\.?|[0-9a-fA-F:.\[\]]*)")

_log = Logger()


class Routes:
    """
    The endpoints of the admin API.
    """

    def __init__(self, access: Access, random: RandomBytes, body_size: int) -> None:
        self.endpoints: list[Endpoint] = []
        self._access = access
        self._random = random
        self._body_size = body_size
        self._app = Klein()
        # No redirects: a path with two slashes is one that does not exist.
        self._app.url_map.merge_slashes = False
        self._app.handle_errors(self._failed)

    def add(self, endpoint: Endpoint, function: Callable[..., Awaitable[Answer]]) -> None:
        """
        Let ``function`` answer an endpoint.

        :param function: takes a Call, and by their names the parts of the path that are captured.
        """

        async def answer(request: Request, **captured: str) -> bytes:
            """
            Let the caller in, call the endpoint's function and write what it returns.
            """
            actor = "" if endpoint.public else await self._actor(request, endpoint)
            result = await function(Call(request, actor, self._body_size), **captured)
            return _succeeded(request, endpoint, result)

        self.endpoints.append(endpoint)
        name = f"{endpoint.method} {endpoint.path}"
        self._app.route(endpoint.path, methods=[endpoint.method], endpoint=name)(answer)

    def resource(self) -> Resource:
        """
        The resource that answers all of them.
        """
        return _APIResource(self._app.resource(), self._request_id, self._failed)

    async def _actor(self, request: Request, endpoint: Endpoint) -> str:
        client = request.getClientAddress()
        address = str(getattr(client, "host", "local"))
        token = await self._access.authenticate(bearer_token(request), address, endpoint.roles)
        return token.name

    def _request_id(self, request: Request) -> str:
        return given_request_id(request) or str(UUID(bytes=self._random(16), version=4))

    def _failed(self, request: IRequest, failure: Failure) -> bytes:
        assert isinstance(request, Request)
        problem = problem_of(failure, _id_of(request))
        request.setResponseCode(problem.status)
        headers = request.responseHeaders
        headers.setRawHeaders(b"content-type", [PROBLEM_TYPE.encode()])
        if problem.status == 401:
            headers.setRawHeaders(b"www-authenticate", [b'Bearer realm="scepd"'])
        if problem.status == 503:
            headers.setRawHeaders(b"retry-after", [_RETRY_AFTER])
        if isinstance(failure.value, MethodNotAllowed):
            methods = sorted(failure.value.valid_methods or [])
            headers.setRawHeaders(b"allow", [", ".join(methods).encode()])
        _log_answer(request, problem.status)
        return problem.model_dump_json().encode()


class _APIResource(Resource):
    """
    Klein's resource, with a request id on every answer.
    """

    isLeaf = True

    def __init__(
        self,
        app: Resource,
        request_id: Callable[[Request], str],
        failed: Callable[[IRequest, Failure], bytes],
    ) -> None:
        super().__init__()
        self._app = app
        self._request_id = request_id
        self._failed = failed

    def render(self, request: Request) -> bytes | int:
        headers = request.responseHeaders
        headers.setRawHeaders(b"x-request-id", [self._request_id(request).encode()])
        headers.setRawHeaders(b"cache-control", [b"no-store"])
        headers.setRawHeaders(b"x-content-type-options", [b"nosniff"])
        if not _is_readable(request):
            return self._failed(request, Failure(BadRequest()))
        answer: bytes | int = self._app.render(request)
        return answer


def _is_readable(request: Request) -> bool:
    """
    Whether klein can make text of host and path; before it looks for an endpoint it has no place
    where errors are caught.
    """
    path: list[bytes] = request.postpath or []
    try:
        b"/".join(path).decode()
    except UnicodeDecodeError:
        return False
    if not request.requestHeaders.hasHeader(b"host") and not hasattr(request.getHost(), "host"):
        return False
    return _HOST.fullmatch(request.getRequestHostname()) is not None


def _succeeded(request: Request, endpoint: Endpoint, result: Answer) -> bytes:
    request.setResponseCode(endpoint.status)
    if endpoint.answer_type:
        headers = request.responseHeaders
        headers.setRawHeaders(b"content-type", [endpoint.answer_type.encode()])
    _log_answer(request, endpoint.status)
    if isinstance(result, BaseModel):
        return result.model_dump_json().encode()
    return result or b""


def _log_answer(request: Request, status: int) -> None:
    _log.info(
        "{method} {path} {status}",
        method=request.method.decode("ascii", "backslashreplace")[:20],
        path=request.path.decode("ascii", "backslashreplace")[:300],
        status=status,
        request_id=_id_of(request),
    )


def _id_of(request: Request) -> str:
    values = request.responseHeaders.getRawHeaders(b"x-request-id", [b""])
    return values[0].decode("ascii")
