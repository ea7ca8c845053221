"""
The fleet's HTTP, against a server over real sockets that misbehaves.
"""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Sequence

from twisted.trial.unittest import SynchronousTestCase

from scepd.simulator.failures import DeviceError
from scepd.simulator.http import Answer
from scepd.simulator.plain_http import PlainHTTP

_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody"
_PATIENCE = 20.0


class _Server:
    """
    Takes one connection after the other, and answers each request with the next of its answers; an
    empty one ends the connection.
    """

    def __init__(self, answers: Sequence[bytes]) -> None:
        self.connections = 0
        self.requests: list[bytes] = []
        self._answers = list(answers)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._socket.settimeout(_PATIENCE)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/path?token=secret"
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """
        Listen no more.
        """
        self._thread.join(_PATIENCE)
        self._socket.close()

    def _run(self) -> None:
        while self._answers:
            connection, _ = self._socket.accept()
            self.connections += 1
            with connection:
                self._serve(connection)

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(_PATIENCE)
        while self._answers:
            asked = b""
            while not _is_whole(asked):
                more = connection.recv(65_536)
                if not more:
                    return
                asked += more
            self.requests.append(asked)
            answer = self._answers.pop(0)
            connection.sendall(answer)
            if not answer or b"Connection: close" in answer:
                return


def _is_whole(asked: bytes) -> bool:
    head, end, body = asked.partition(b"\r\n\r\n")
    sized = re.search(rb"Content-Length: ([0-9]+)", head)
    return bool(end) and len(body) == (int(sized[1]) if sized else 0)


class PlainHTTPTests(SynchronousTestCase):
    """
    Tests for PlainHTTP.
    """

    def setUp(self) -> None:
        """
        Make a client with little patience.
        """
        self.http = PlainHTTP(seconds=_PATIENCE)
        self.addCleanup(self.http.close)

    def _serve(self, *answers: bytes) -> _Server:
        server = _Server(answers)
        self.addCleanup(server.close)
        self.addCleanup(self.http.close)
        return server

    def test_kept_connection(self) -> None:
        """
        Requests share a connection, also after an answer in chunks, until ``close`` or until the
        server ends it.
        """
        chunked = b"HTTP/1.1 404 No\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n"
        closing = _OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
        server = self._serve(chunked, _OK, closing, _OK, _OK)
        self.assertEqual(self.http.request("GET", server.url), Answer(404, b"no"))
        headers = {"Mdm-Signature": "abc"}
        self.http.request("PUT", server.url, content=b"sent", headers=headers)
        self.http.request("GET", server.url)
        self.assertEqual(server.connections, 1)
        self.assertEqual(self.http.expect("GET", server.url), b"body")
        self.assertEqual(server.connections, 2)
        self.http.close()
        self.assertEqual(self.http.expect("GET", server.url), b"body")
        self.assertEqual(server.connections, 3)
        self.assertTrue(server.requests[0].startswith(b"GET /path?token=secret HTTP/1.1\r\n"))
        self.assertIn(b"\r\nMdm-Signature: abc\r\n", server.requests[1])
        self.assertTrue(server.requests[1].endswith(b"\r\n\r\nsent"))

    def test_no_answer(self) -> None:
        """
        A connection that ends, is refused or speaks no HTTP is an error without the URL; the next
        request begins anew.
        """
        server = self._serve(b"", b"what?\r\n\r\n", _OK)
        for _ in range(2):
            self._fails(server.url)
        self.assertEqual(self.http.expect("GET", server.url), b"body")
        self.http.close()
        with socket.create_server(("127.0.0.1", 0)) as nobody:
            port = nobody.getsockname()[1]
        self._fails(f"http://127.0.0.1:{port}/path?token=secret")
        for url in ("https://127.0.0.1/token=secret", "http:///token=secret", "http://[secret"):
            self._fails(url)

    def test_too_much(self) -> None:
        """
        A body beyond the limit, or cut short, is an error.
        """
        short = _OK.replace(b"4", b"9").replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
        server = self._serve(_OK, short)
        error = self.assertRaises(DeviceError, self.http.request, "GET", server.url, largest=3)
        self.assertIn("longer than 3 bytes", str(error))
        self._fails(server.url)

    def _fails(self, url: str) -> None:
        error = self.assertRaises(DeviceError, self.http.request, "GET", url)
        self.assertNotIn("secret", str(error))
        self.assertIn("no answer", str(error))
