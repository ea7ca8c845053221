"""
Hostile bytes against a running daemon: no answer is 500, nothing hangs, nothing grows, and at the
end it is well. ``SCEPD_FUZZ_SECONDS`` makes it longer, ``SCEPD_FUZZ_SEED`` repeats a run.
"""

from __future__ import annotations

import base64
import contextlib
import time
from urllib.parse import quote

from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from tests.support.attacker import REQUEST_TIMEOUT, Attacker
from tests.support.fuzz import (
    DEADLINE,
    altered,
    connect,
    exchange,
    get,
    http_request,
    inputs,
    read_to_end,
    statuses,
)
from tests.support.interop import CA_PATH, EMBEDDED

_GROWTH = 48 * 1024 * 1024
_CROWD = 300
_SLOW = 20
_PIPELINED = 200
# What the documents list; 502 to 504 only come from the proxy.
_CA_STATUSES = {200, 400, 404, 405, 408, 413, 414, 431}
_PROXY_STATUSES = {*_CA_STATUSES, 403, 502, 503, 504}


class HostileTests(TestCase):
    """
    Each test leaves the daemon as it was.
    """

    timeout = 600

    def setUp(self) -> None:
        """
        Make a message that is right, and remember how large the daemon is.
        """
        self.attacker = Attacker()
        self.addCleanup(self.attacker.http.close)
        self.stage = self.attacker.stage
        self.port = self.stage.daemon.device_port
        self.message = self.attacker.message(
            self.attacker.seal(self.attacker.request("CN=hostile")), "hostile"
        ).encode()
        self.assert_well()
        self.before = self.stage.daemon.running_program.resident_bytes()
        self.addCleanup(self.assert_same)

    def assert_same(self) -> None:
        """
        The daemon is well, has not grown, and has logged nothing that is a fault of its own.
        """
        self.assert_well()
        daemon = self.stage.daemon
        grown = daemon.running_program.resident_bytes() - self.before
        print(f"grown by {grown // 1024} kB")
        self.assertLess(grown, _GROWTH)
        faults = [
            line
            for line in daemon.running_program.output.splitlines()
            if "Traceback" in line or '"level":"critical"' in line
        ]
        self.assertEqual([line[-3000:] for line in faults[:3]], [])

    def assert_well(self) -> None:
        """
        It answers.
        """
        self.assertEqual(get(self.port, f"{CA_PATH}?operation=GetCACaps")[0], 200)
        self.assertEqual(get(self.stage.daemon.admin_port, "/healthz")[0], 200)

    def test_messages(self) -> None:
        """
        Altered messages, by POST and by GET, at the embedded authority.
        """
        url = f"{self.attacker.url}?operation=PKIOperation"
        for source in inputs("messages"):
            data = altered(self.message, source)
            if len(data) < 8000 and source.random() < 0.3:
                text = quote(base64.b64encode(data), safe="")
                answer = self.attacker.http.get(f"{url}&message={text}")
            else:
                answer = self.attacker.http.post(url, content=data)
            self.assertIn(answer.status_code, _CA_STATUSES)

    def test_cut_anywhere(self) -> None:
        """
        A message that ends early is refused, wherever that is.
        """
        url = f"{self.attacker.url}?operation=PKIOperation"
        before = self.attacker.issued()
        for size in (*range(1, 80), *range(80, len(self.message), 41), len(self.message) - 1):
            answer = self.attacker.http.post(url, content=self.message[:size])
            self.assertEqual(answer.status_code, 400, size)
            self.assertLess(len(answer.content), 120)
        self.assertEqual(self.attacker.issued(), before)

    def test_proxy(self) -> Deferred[None]:
        """
        Altered messages at the proxy, in an open window.
        """
        return Deferred.fromCoroutine(self._fuzz_proxy())

    async def _fuzz_proxy(self) -> None:
        async with self.stage.daemon.stores() as stores:
            path = await stores.deliver("HOST-HOSTILE", self.stage.profile, EMBEDDED)
            url = f"{self.stage.url(path)}?operation=PKIOperation"
            for number, source in enumerate(inputs("proxy")):
                if number % 8 == 0:
                    await stores.open_window("HOST-HOSTILE", self.stage.profile, EMBEDDED)
                answer = self.attacker.http.post(url, content=altered(self.message, source))
                self.assertIn(answer.status_code, _PROXY_STATUSES)

    def test_http(self) -> None:
        """
        Requests that may not be HTTP, on every path of the listener.
        """
        for source in inputs("http"):
            request = http_request(self.message, source)
            for status in exchange(self.port, request):
                self.assertLess(status, 500, request[:200])

    def test_nothing_there(self) -> None:
        """
        Where nothing is, and on the way to what is, there is a line of plain text: 404.
        """
        for path in ("", "/mdm", "/mdm/scep", "/api", "/api/v1", "/api/osquery", "/mdm/x/y"):
            for method in ("GET", "PUT", "POST", "X"):
                answer = self.attacker.http.request(method, self.stage.url(path))
                self.assertEqual((answer.status_code, answer.text), (404, "nothing is here\n"))

    def test_pipelined(self) -> None:
        """
        Requests in a row on one connection, in one piece, are answered one by one.
        """
        head = f"GET {CA_PATH}?operation=GetCACaps HTTP/1.1\r\nHost: x\r\n"
        last = f"{head}Connection: close\r\n\r\n"
        with connect(self.port) as connection:
            connection.sendall((f"{head}\r\n" * (_PIPELINED - 1) + last).encode())
            self.assertEqual(statuses(read_to_end(connection)), [200] * _PIPELINED)

    def test_slow(self) -> None:
        """
        Heads and bodies that trickle in are ended when their time is up, and hold up nobody.
        """
        heads = (
            b"GET /mdm/scep/ca?operation=GetCA",
            b"POST /mdm/scep/ca?operation=PKIOperation HTTP/1.1\r\nContent-Length: 9999\r\n\r\n",
            b"POST /mdm/scep/ca HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n",
        )
        start = time.monotonic()
        with contextlib.ExitStack() as stack:
            slow = [stack.enter_context(connect(self.port)) for _ in range(_SLOW)]
            for number, connection in enumerate(slow):
                connection.sendall(heads[number % len(heads)])
            for _ in range(3):
                for connection in slow:
                    # One that was refused for what it sent may be ended by now.
                    with contextlib.suppress(OSError):
                        connection.sendall(b"x")
                self.assert_well()
            for connection in slow:
                self.assertLessEqual(set(statuses(read_to_end(connection))), {400, 408})
        self.assertLess(time.monotonic() - start, REQUEST_TIMEOUT + DEADLINE)

    def test_flood(self) -> None:
        """
        Hundreds of connections that say nothing, or half of something, hold up nobody.
        """
        with contextlib.ExitStack() as stack:
            for number in range(_CROWD):
                connection = stack.enter_context(connect(self.port))
                if number % 2:
                    connection.sendall(self._begun())
            self.assert_well()
            answer = self.attacker.post(self.message)
            self.assertEqual(answer.response.status_code, 200)

    def _begun(self) -> bytes:
        head = f"POST {CA_PATH} HTTP/1.1\r\nContent-Length: {len(self.message)}\r\n\r\n"
        return head.encode() + self.message[:-1]
