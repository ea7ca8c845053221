"""
A small HTTP forwarder in front of a CA that makes it seem poorer than it is.
"""

from __future__ import annotations

from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.web.client import Agent, BrowserLikePolicyForHTTPS, readBody
from twisted.web.http_headers import Headers
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site


class Forwarder(Resource):
    """
    Passes GET requests on to ``upstream`` and drops words from its GetCACaps answers.

    :ivar requests: (method, operation) of each request.
    """

    isLeaf = True

    def __init__(self, upstream: str, *, drop_capabilities: tuple[str, ...]) -> None:
        super().__init__()
        self.requests: list[tuple[str, str]] = []
        self._upstream = upstream.encode()
        self._drop = {word.encode() for word in drop_capabilities}
        self._agent = Agent(reactor, BrowserLikePolicyForHTTPS())
        self._port: Any = None
        self._open: list[Deferred[None]] = []

    async def start(self) -> None:
        """
        Listen on a port of its own.
        """
        site = Site(self)
        site.noisy = False
        self._port = await TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(site)

    @property
    def url(self) -> str:
        """
        Where it listens.
        """
        return f"http://127.0.0.1:{self._port.getHost().port}/scep"

    async def stop(self) -> None:
        """
        Listen no more.
        """
        await self._port.stopListening()
        for ended in self._open:
            await ended

    def render(self, request: Request) -> int:
        """
        Pass a request on.
        """
        # Nothing is to be left open when a test ends.
        request.channel.persistent = False
        operation = request.args[b"operation"][0].decode()
        self.requests.append((request.method.decode(), operation))
        self._open.append(request.notifyFinish())
        Deferred.fromCoroutine(self._forward(request, operation))
        return NOT_DONE_YET

    async def _forward(self, request: Request, operation: str) -> None:
        uri = self._upstream + b"?" + request.uri.partition(b"?")[2]
        answer = await self._agent.request(request.method, uri, Headers({}), None)
        body = await readBody(answer)
        if operation == "GetCACaps":
            body = b"\n".join(word for word in body.split() if word not in self._drop)
        request.setResponseCode(answer.code)
        for value in answer.headers.getRawHeaders(b"content-type", []):
            request.setHeader(b"content-type", value)
        request.write(body)
        request.finish()
