"""
The root of the devices' listener.
"""

from __future__ import annotations

from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request

from scepd.web.device_answers import write_answer


class DeviceRoot(Resource):
    """
    A resource of which only the children are anything; the rest is a line of plain text.
    """

    def getChild(self, path: bytes, request: Request) -> Resource:
        """
        What is below this and was not put there: nothing.
        """
        return NotFound()

    def render(self, request: Request) -> int:
        """
        This itself is nothing either.
        """
        return NotFound().render(request)


class NotFound(Resource):
    """
    404, without HTML: its readers are devices and their logs.
    """

    isLeaf = True

    def render(self, request: Request) -> int:
        """
        Whatever the method.
        """
        request.responseHeaders.removeHeader(b"Server")
        # Written from here: twisted.web warns of a body that is returned to a HEAD, with the query.
        write_answer(request, "text/plain; charset=utf-8", b"nothing is here\n", 404)
        return NOT_DONE_YET
