"""
Tests for :mod:`scepd.network.tunnel_answer`.
"""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from scepd.network.tunnel_answer import TunnelAnswer

OPEN = b"HTTP/1.1 200 Connection established\r\nVia: 1.1 proxy\r\n\r\n"


class TunnelAnswerTests(SynchronousTestCase):
    """
    Tests for TunnelAnswer.
    """

    def read(self, data: bytes) -> int | None:
        """
        The status that these bytes bring; None while they are not enough.
        """
        answer = TunnelAnswer()
        self.assertEqual(answer.receive(data), answer.status is not None)
        return answer.status

    def test_statuses(self) -> None:
        """
        The status is read from either version of HTTP/1, with and without a reason or headers.
        """
        for data, status in (
            (OPEN, 200),
            (b"HTTP/1.0 200\r\n\r\n", 200),
            (b"HTTP/1.1 204 \n\n", 204),
            (b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 2\r\n\r\nno", 407),
            (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 502 Bad Gateway\r\n\r\n", 502),
        ):
            self.assertEqual(self.read(data), status, data)

    def test_refused(self) -> None:
        """
        What is no HTTP, too long, or speaks first in the tunnel is refused in words.
        """
        for data, complaint in (
            (b"SSH-2.0-x\r\n", "its answer is not HTTP"),
            (b"HTTP/2 200\r\n\r\n", "its answer is not HTTP"),
            (b"HTTP/1.1 2000 OK\r\n\r\n", "its answer is not HTTP"),
            (b"HTTP/1.1 200OK\r\n\r\n", "its answer is not HTTP"),
            (b"\r\n\r\n", "its answer is not HTTP"),
            (b"HTTP/1.1 200 OK\r\nA: " + b"a" * 16384, "the head of its answer is too long"),
            (OPEN + b"x", "it sent more than its answer"),
        ):
            error = self.assertRaises(ValueError, TunnelAnswer().receive, data)
            self.assertEqual(str(error), complaint)

    @given(st.lists(st.integers(0, len(OPEN)), max_size=6))
    def test_split_anywhere(self, cuts: list[int]) -> None:
        """
        However the answer is cut, it is complete with its last byte and not before.
        """
        answer = TunnelAnswer()
        edges = [0, *sorted(cuts), len(OPEN)]
        for begin, end in itertools.pairwise(edges):
            self.assertEqual(answer.receive(OPEN[begin:end]), end == len(OPEN))
        self.assertEqual(answer.status, 200)

    @given(st.binary(max_size=200) | st.binary(max_size=60).map(lambda b: b"HTTP/1.1 " + b))
    def test_any(self, data: bytes) -> None:
        """
        Any bytes bring a status, a complaint, or the wish for more.
        """
        try:
            status = self.read(data)
        except ValueError as error:
            self.assertTrue(str(error))
        else:
            self.assertTrue(status is None or 200 <= status < 600)
