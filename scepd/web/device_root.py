"""
The root of the devices' listener.
"""

from __future__ import annotations

from twisted.web.resource import Resource
from twisted.web.server import Request


class DeviceRoot(Resource):
    """
    A resource of which only the children are anything; the rest is a line of plain text.
    """

    def getChild(self, path: bytes, request: Request) -> Resource:
        """
        What is below this and was not put there: nothing.
        """
        return NotFound()

    def render(self, request: Request) -> bytes:
        """
        This itself is nothing either.
        """
        return NotFound().render(request)


class NotFound(Resource):
    """
    404, without HTML: its readers are devices and their logs.
    """

    isLeaf = True

    def render(self, request: Request) -> bytes:
        """
        Whatever the method.
        """
        request.setResponseCode(404)
        request.setHeader(b"Content-Type", b"text/plain; charset=utf-8")
        request.responseHeaders.removeHeader(b"Server")
        return b"nothing is here\n"
