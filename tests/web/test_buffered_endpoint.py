"""
Tests for endpoints whose answers take a while.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource
from twisted.web.server import Request

from scepd.errors import StorageUnavailable
from scepd.web.buffered_endpoint import BufferedEndpoint
from scepd.web.streaming import StreamingSite
from tests.support.http_device import DeviceEnd


class BufferedEndpointTests(SynchronousTestCase):
    """
    Tests for L{BufferedEndpoint}.
    """

    def setUp(self) -> None:
        """
        Mount an endpoint that answers when the test says so.
        """
        self.taken: list[bytes] = []
        self.answer: Deferred[bytes] = Deferred()
        root = Resource()
        root.putChild(b"x", BufferedEndpoint("PUT", "text/plain", self.take))
        site = StreamingSite(root, reactor=Clock(), body_limit=1000, request_timeout=30)
        self.device = DeviceEnd(site)
        self.device.send(b"PUT /x HTTP/1.1\r\nHost: scepd\r\nContent-Length: 4\r\n\r\nbody")

    async def take(self, request: Request, body: bytes) -> bytes:
        """
        Take a body.
        """
        answer = await self.answer
        self.taken.append(body)
        return answer

    def test_later(self) -> None:
        """
        The answer comes when it is there, once.
        """
        self.assertEqual(self.device.answers(), [])
        self.answer.callback(b"done")
        answer = self.device.answer()
        self.assertEqual((answer.status, answer.body), (200, b"done"))

    def test_vanished(self) -> None:
        """
        The request of a device that vanished is done all the same; nobody is answered.
        """
        self.device.vanish()
        self.answer.callback(b"done")
        self.assertEqual(self.taken, [b"body"])
        self.assertEqual((self.device.answers(), self.flushLoggedErrors()), ([], []))

    def test_vanished_and_refused(self) -> None:
        """
        So it is when it can't be done; only what is our fault is logged.
        """
        self.device.vanish()
        self.answer.errback(StorageUnavailable("the database is full"))
        self.assertEqual((self.device.answers(), self.flushLoggedErrors()), ([], []))
