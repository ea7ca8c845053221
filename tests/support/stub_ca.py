"""
A CA that answers every PKIOperation with the same CertRep, as fast as ``twisted.web`` can.

As a program: ``python -m tests.support.stub_ca FILE FILE``, with the bodies of its GetCACert and
PKIOperation answers; it prints its port.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from twisted.web.resource import Resource
from twisted.web.server import Request, Site


class StubCA(Resource):
    """
    The one resource.
    """

    isLeaf = True

    def __init__(self, certificate: bytes, cert_rep: bytes) -> None:
        super().__init__()
        self._answers = {
            b"GetCACaps": (b"text/plain", b"POSTPKIOperation\nSHA-256\nAES\n"),
            b"GetCACert": (b"application/x-x509-ca-cert", certificate),
            b"PKIOperation": (b"application/x-pki-message", cert_rep),
        }

    def render(self, request: Request) -> bytes:
        """
        Answer whatever is asked.
        """
        content_type, body = self._answers[request.args[b"operation"][0]]
        request.setHeader(b"content-type", content_type)
        return body


def main() -> None:
    """
    Run it as a program.
    """
    from twisted.internet import reactor

    site: Any = Site(StubCA(*(Path(name).read_bytes() for name in sys.argv[1:3])))
    site.log = lambda request: None
    port: Any = reactor.listenTCP(0, site, interface="127.0.0.1")
    print(port.getHost().port, flush=True)
    reactor.run()


if __name__ == "__main__":
    main()
