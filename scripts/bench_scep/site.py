"""
A bare ``twisted.web`` site that answers one small body: what a request costs at the very least.

As a program; it prints its port.
"""

from __future__ import annotations

from typing import Any

from twisted.web.resource import Resource
from twisted.web.server import Request, Site

from scripts.bench_scep.generator import SUCCESS


class Answer(Resource):
    """
    The one resource.
    """

    isLeaf = True

    def render(self, request: Request) -> bytes:
        """
        Answer whatever is asked.
        """
        request.setHeader(b"content-type", b"text/plain")
        # What the load generator takes for an answer to a PKIOperation.
        return SUCCESS


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
