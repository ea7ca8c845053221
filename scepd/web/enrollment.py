"""
The enrollment link: ``/mdm/enroll?token=…``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from twisted.web.resource import Resource
from twisted.web.server import Request

from scepd.errors import Fault, InvalidInput, NotFound
from scepd.mdm.device_attributes import DeviceAttributes
from scepd.mdm.enrollment import CONTENT_TYPE
from scepd.services.enrolling import Enrolling
from scepd.web.device_answers import begin_answer, refuse_method, write_answer

Proof = Callable[[bytes], Awaitable[DeviceAttributes | None]]
"""
Tells which device signed the octets that it came with; None: nobody knows.
"""
_ATTACHMENT = b'attachment; filename="enroll.mobileconfig"'


class EnrollmentResource(Resource):
    """
    Gives enrollment profiles to whoever has a token.

    :param prove: tells what a device proves of itself; None: nothing.
    """

    isLeaf = True

    def __init__(self, enrolling: Enrolling, prove: Proof | None = None) -> None:
        super().__init__()
        self._enrolling = enrolling
        self._prove = prove

    def render(self, request: Request) -> int:
        """
        Begin to answer.
        """
        if request.method not in (b"GET", b"POST"):
            return refuse_method(request, "GET", "POST")
        return begin_answer(request, self._answer(request))

    async def _answer(self, request: Request) -> None:
        # Whatever it is, no cache may hand it to somebody else.
        request.responseHeaders.setRawHeaders(b"Cache-Control", [b"no-store"])
        if request.postpath:
            raise NotFound("there is nothing under this path")
        token = _token(request)
        profile = await self._enrolling.profile(token, await self._device(request))
        request.responseHeaders.setRawHeaders(b"Content-Disposition", [_ATTACHMENT])
        write_answer(request, CONTENT_TYPE, profile)

    async def _device(self, request: Request) -> DeviceAttributes | None:
        """
        What a device proves of itself in the body of a POST.
        """
        content = request.content
        if request.method != b"POST" or self._prove is None or content is None:
            return None
        return await self._prove(content.read())


def _token(request: Request) -> str:
    arguments: dict[bytes, list[bytes]] = request.args or {}
    values = arguments.get(b"token", [])
    if len(values) != 1:
        raise InvalidInput((Fault("token", "the enrollment link has no token, or several"),))
    return values[0].decode("ascii", "replace")
