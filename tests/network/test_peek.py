"""
Tests for :mod:`scepd.network.peek`, and for what exchanges do with it.
"""

from __future__ import annotations

import socket

from scepd.network.peek import has_input
from scepd.ports import UpstreamRequest
from tests.network.cases import CAPS, CHUNKED, IN_QUERY, OK_2, POST, POST_HEAD, UpstreamTestCase
from tests.network.doubles import Socket


class PeekTests(UpstreamTestCase):
    """
    Tests on a pair of sockets without a network.
    """

    def setUp(self) -> None:
        """
        Make the pair; the far end is the server's.
        """
        super().setUp()
        self.near, self.far = socket.socketpair()
        self.near.setblocking(False)
        self.addCleanup(self.near.close)
        self.addCleanup(self.far.close)

    def transport(self) -> Socket:
        """
        A kept connection over the pair.
        """
        kept = self.keep_connection()
        kept.handle = self.near
        return kept

    def test_has_input(self) -> None:
        """
        Bytes, an end and an error are input; silence is none, and a look takes nothing away.
        """
        transport = self.transport()
        self.assertFalse(has_input(transport))
        self.far.send(b"ab")
        for _ in range(2):
            self.assertTrue(has_input(transport))
        self.assertEqual(self.near.recv(9), b"ab")
        self.far.close()
        self.assertTrue(has_input(transport))
        self.near.close()
        self.assertTrue(has_input(transport))

    def test_no_socket(self) -> None:
        """
        Of a transport without a socket nothing is known.
        """
        self.assertFalse(has_input(object()))
        self.assertFalse(has_input(Socket(self.reactor)))

    def test_closed_before_the_first_write(self) -> None:
        """
        A kept connection that the server closed just now, unknown to the reactor, gets no byte of a
        PKIOperation: it goes once, over a new one.
        """
        kept = self.transport()
        self.far.close()
        exchange = self.start(POST)
        exchange.write(b"abcd")
        exchange.finish()
        self.assertEqual(kept.take(), b"")
        self.assertTrue(kept.disconnecting)
        fresh = self.network.accept()
        self.assertEqual(fresh.take(), POST_HEAD + b"abcd")
        fresh.receive(OK_2)
        self.assertEqual(self.consumer.names().count("finished"), 1)
        self.assertEqual(self.network.dialled, [])

    def test_quiet(self) -> None:
        """
        A kept connection that is silent is used.
        """
        for request in (POST, CHUNKED, IN_QUERY):
            self.reset()
            kept = self.transport()
            self.start(request)
            self.assertTrue(kept.take())
            self.assertEqual(self.network.dialled, [])

    def test_what_may_be_sent_again(self) -> None:
        """
        What may be sent again needs no look.
        """
        request: UpstreamRequest = CAPS
        kept = self.transport()
        self.far.close()
        self.start(request).finish()
        self.assertTrue(kept.take())
