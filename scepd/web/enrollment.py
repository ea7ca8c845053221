"""
The enrollment link: ``/mdm/enroll?token=…``.
"""

from __future__ import annotations

from twisted.web.resource import Resource
from twisted.web.server import Request

from scepd.errors import Fault, InvalidInput, NotFound
from scepd.mdm.enrollment import CONTENT_TYPE
from scepd.services.enrolling import Enrolling
from scepd.web.device_answers import begin_answer, refuse_method, write_answer

_ATTACHMENT = b'attachment; filename="enroll.mobileconfig"'


class EnrollmentResource(Resource):
    """
    Gives enrollment profiles to whoever has a token.
    """

    isLeaf = True

    def __init__(self, enrolling: Enrolling) -> None:
        super().__init__()
        self._enrolling = enrolling

    def render(self, request: Request) -> int:
        """
        Begin to answer.
        """
        if request.method != b"GET":
            return refuse_method(request, "GET")
        return begin_answer(request, self._answer(request))

    async def _answer(self, request: Request) -> None:
        # Whatever it is, no cache may hand it to somebody else.
        request.responseHeaders.setRawHeaders(b"Cache-Control", [b"no-store"])
        if request.postpath:
            raise NotFound("there is nothing under this path")
        profile = await self._enrolling.profile(_token(request))
        request.responseHeaders.setRawHeaders(b"Content-Disposition", [_ATTACHMENT])
        write_answer(request, CONTENT_TYPE, profile)


def _token(request: Request) -> str:
    arguments: dict[bytes, list[bytes]] = request.args or {}
    values = arguments.get(b"token", [])
    if len(values) != 1:
        raise InvalidInput((Fault("token", "the enrollment link has no token, or several"),))
    return values[0].decode("ascii", "replace")
