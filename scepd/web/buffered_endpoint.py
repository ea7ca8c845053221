"""
An endpoint for devices that reads a whole body and writes a whole answer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from twisted.web.resource import Resource
from twisted.web.server import Request

from scepd.web.device_answers import StatusOf, begin_answer, refuse_method, write_answer


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
        method: str,
        content_type: str,
        answer: Callable[[Request, bytes], Awaitable[bytes]],
        status_of: StatusOf = lambda error, status: status,
    ) -> None:
        super().__init__()
        self._method = method
        self._content_type = content_type
        self._answer = answer
        self._status_of = status_of

    def render(self, request: Request) -> int:
        """
        Begin to answer.
        """
        if request.method != self._method.encode("ascii"):
            return refuse_method(request, self._method)
        return begin_answer(request, self._respond(request), self._status_of)

    async def _respond(self, request: Request) -> None:
        content = request.content
        assert content is not None, "twisted.web gives every request its content"
        body = await self._answer(request, content.read())
        write_answer(request, self._content_type, body)
