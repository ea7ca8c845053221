"""
A bare ``twisted.web`` site that answers each poll with nothing: what one costs at the very least.

As a program; it prints its port.
"""

from __future__ import annotations

from typing import Any

from twisted.web.resource import Resource
from twisted.web.server import Request, Site


class Answer(Resource):
    """
    The one resource.
    """

    isLeaf = True

    def render(self, request: Request) -> bytes:
        """
        Answer whatever is asked.
        """
        request.setHeader(b"content-type", b"application/xml; charset=utf-8")
        return b""


def main() -> None:
    """
    Run it as a program.
    """
    from twisted.internet import reactor

    site: Any = Site(Answer())
    site.log = lambda request: None
    port: Any = reactor.listenTCP(0, site, backlog=1024, interface="127.0.0.1")
    print(port.getHost().port, flush=True)
    reactor.run()


if __name__ == "__main__":
    main()
