"""
What the tests of exchanges begin with.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import UpstreamFault
from scepd.network.exchange import Exchange
from scepd.network.scep_upstream import SCEPUpstream
from scepd.ports import UpstreamRequest, UpstreamTarget
from tests.network.doubles import LIMITS, TARGET, Consumer, MemoryNetwork, Socket

CAPS = UpstreamRequest("GET", b"operation=GetCACaps", resend=True)
POST = UpstreamRequest("POST", b"operation=PKIOperation", 4)
CHUNKED = UpstreamRequest("POST", b"operation=PKIOperation")
IN_QUERY = UpstreamRequest("GET", b"operation=PKIOperation&message=", body_in_query=True)

HEADERS = b" HTTP/1.1\r\nHost: ca.example\r\nUser-Agent: scepd\r\nAccept: */*\r\n\r\n"
GET_HEAD = b"GET /scep?operation=GetCACaps" + HEADERS
POST_HEAD = (
    b"POST /scep?operation=PKIOperation HTTP/1.1\r\n"
    b"Host: ca.example\r\nUser-Agent: scepd\r\nAccept: */*\r\n"
    b"Content-Type: application/x-pki-message\r\nContent-Length: 4\r\n\r\n"
)
OK_2 = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nab"
TOLD_2 = [("started", 200, b"text/plain", 2), ("received", b"ab"), ("finished",)]


class UpstreamTestCase(SynchronousTestCase):
    """
    An upstream on a network in memory.
    """

    def setUp(self) -> None:
        """
        No connection yet.
        """
        self.reset()

    def reset(self) -> None:
        """
        Begin anew.
        """
        self.network = MemoryNetwork()
        self.reactor = self.network.reactor
        self.upstream = SCEPUpstream(self.reactor, LIMITS)
        self.consumer = Consumer()

    def start(self, request: UpstreamRequest, target: UpstreamTarget = TARGET) -> Exchange:
        """
        Begin an exchange for a fresh consumer.
        """
        self.consumer = Consumer()
        return self.upstream.start(target, request, self.consumer)

    def keep_connection(self) -> Socket:
        """
        A connection that is idle in its pool.
        """
        self.start(CAPS).finish()
        socket = self.network.accept()
        socket.receive(OK_2)
        self.assertEqual(self.consumer.events[2:], TOLD_2)
        socket.clear()
        return socket

    def assert_failed(self, fault: UpstreamFault, sentence: str) -> None:
        """
        The last event, and the only one of its kind, is this failure; no timer is left.
        """
        self.assertEqual(self.consumer.names().count("failed"), 1)
        self.assertEqual(self.consumer.events[-1], ("failed", fault))
        assert self.consumer.error is not None
        self.assertEqual(self.consumer.error.sentence, sentence)
        self.reactor.advance(0)
        self.assertEqual(self.reactor.getDelayedCalls(), [])
