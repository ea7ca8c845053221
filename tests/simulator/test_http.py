"""
Tests for the simulated device's HTTP.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator

import httpx
from twisted.trial.unittest import SynchronousTestCase

from scepd.simulator.failures import DeviceError
from scepd.simulator.http import DeviceHTTP
from tests.simulator.server import streamed

_URL = "http://scepd.test/mdm/enroll?token=token-of-the-enrollment"


class DeviceHTTPTests(SynchronousTestCase):
    """
    Tests for DeviceHTTP against httpx's own transport for tests.
    """

    def _http(self, answer: httpx.Response | Exception) -> DeviceHTTP:
        def handle(request: httpx.Request) -> httpx.Response:
            if isinstance(answer, Exception):
                raise answer
            return answer

        http = DeviceHTTP(transport=httpx.MockTransport(handle))
        self.addCleanup(http.close)
        return http

    def _error(self, http: DeviceHTTP, url: str = _URL) -> DeviceError:
        error: DeviceError = self.assertRaises(DeviceError, http.expect, "GET", url)
        return error

    def test_answer(self) -> None:
        """
        ``request`` gives any status and its body; the body stays out of the repr.
        """
        answer = self._http(streamed(404, b"secret")).request("GET", _URL)
        self.assertEqual((answer.status, answer.body), (404, b"secret"))
        self.assertNotIn("secret", repr(answer))

    def test_refused(self) -> None:
        """
        Another status than 200 is an error with that number and the words of the answer in one
        printable line, without the token of the request.
        """
        body = b"no\n\x1b[31m token-of-the-enrollment \xff here"
        error = self._error(self._http(streamed(403, body)))
        self.assertEqual(str(error), "GET: HTTP 403: no [31m … � here")
        self.assertEqual(error.number, 403)

    def test_no_answer(self) -> None:
        """
        A connection that fails or times out is an error that does not tell the URL.
        """
        for failure in (httpx.ConnectError(_URL), httpx.ReadTimeout(_URL), ValueError(_URL)):
            error = self._error(self._http(failure))
            self.assertEqual(str(error), f"GET: no answer: {type(failure).__name__}")

    def test_why_no_answer(self) -> None:
        """
        Where the system or TLS says why there is no connection, the error has its words.
        """
        untrusted = ssl.SSLCertVerificationError(1, "long and technical")
        untrusted.verify_message = "unable to get local issuer certificate"
        broken = ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1)")
        broken.reason = "WRONG_VERSION_NUMBER"
        for cause, words in (
            (untrusted, "its TLS certificate is refused: unable to get local issuer certificate"),
            (broken, "TLS failed: WRONG_VERSION_NUMBER"),
            (ConnectionRefusedError(111, "Connection refused"), "Connection refused"),
            (OSError("no number"), "ConnectError"),
        ):
            failure, between = httpx.ConnectError(_URL), RuntimeError(_URL)
            between.__cause__ = cause
            failure.__cause__ = between
            error = self._error(self._http(failure))
            self.assertEqual(str(error), f"GET: no answer: {words}")

    def test_refused_connection(self) -> None:
        """
        A real connection that nobody takes is told as such.
        """
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        error = self._error(DeviceHTTP(), f"http://127.0.0.1:{port}/?token=token")
        self.assertEqual(str(error), "GET: no answer: Connection refused")

    def test_no_url(self) -> None:
        """
        What a hostile profile has for a URL is an error and no more.
        """
        for url in ("", "x", "http://", "http://[::1", "http://a:99999/", "ftp://a/", "http://\0"):
            self.assertIn("no answer", str(self._error(DeviceHTTP(), url)), url)

    def test_deadline(self) -> None:
        """
        An answer that comes drop by drop ends at the deadline.
        """
        seconds = iter(range(0, 1000, 10))

        def drops() -> Iterator[bytes]:
            while True:
                yield b"."

        transport = httpx.MockTransport(lambda request: httpx.Response(200, content=drops()))
        http = DeviceHTTP(transport=transport, seconds=60.0, clock=lambda: next(seconds))
        self.assertEqual(str(self._error(http)), "GET: the answer took more than 60 s")
        self.assertEqual(next(seconds), 80)

    def test_endless(self) -> None:
        """
        An answer without end is cut off.
        """

        def flood() -> Iterator[bytes]:
            while True:
                yield bytes(1024 * 1024)

        error = self._error(self._http(httpx.Response(200, content=flood())))
        self.assertIn("longer than", str(error))

    def test_packed(self) -> None:
        """
        Nothing is unpacked, whatever the answer says of itself.
        """
        handled: list[httpx.Request] = []

        def handle(request: httpx.Request) -> httpx.Response:
            handled.append(request)
            stream = httpx.ByteStream(b"not gzip")
            return httpx.Response(200, headers={"Content-Encoding": "gzip"}, stream=stream)

        http = DeviceHTTP(transport=httpx.MockTransport(handle))
        self.assertEqual(http.expect("GET", _URL), b"not gzip")
        self.assertEqual(handled[0].headers["Accept-Encoding"], "identity")

    def test_close(self) -> None:
        """
        The transport is closed; a second time does nothing.
        """
        closed: list[bool] = []

        class Transport(httpx.BaseTransport):
            def close(self) -> None:
                closed.append(True)

        http = DeviceHTTP(transport=Transport())
        http.close()
        http.close()
        self.assertEqual(closed, [True])
