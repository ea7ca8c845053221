"""
``scepd-verify-csr`` as a process, against servers that behave badly: in every case it says no.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.network.certificates import certificate, key_pem, pem
from tests.support.processes import PATIENCE, free_port, tool

_TOKEN = "the-token-of-scepserver"
_CSR = b"0\x82 not looked at \xff"
# The same program, with less patience than the real one.
_HASTY = "import scepd.verify_csr as v; v.DEADLINE = 0.5; v.main([])"


def _answer(status: str, body: bytes) -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return head.encode("ascii") + body


class _Server:
    """
    Takes one connection, reads a request and does something with it.
    """

    def __init__(self, listener: socket.socket, act: Callable[[socket.socket], None]) -> None:
        self.received = b""
        self._listener = listener
        self._act = act
        listener.listen(1)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """
        Listen no more.
        """
        # To close it alone would not wake who accepts.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(PATIENCE)

    def _serve(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return
        with connection:
            connection.settimeout(PATIENCE)
            while b"\r\n\r\n" not in self.received or not self.received.endswith(_CSR):
                data = connection.recv(65536)
                if not data:
                    return
                self.received += data
                if self.received.startswith(b"GET") and self.received.endswith(b"\r\n\r\n"):
                    break
            self._act(connection)


class VerifierTests(SynchronousTestCase):
    """
    Tests for the program's answers.
    """

    def setUp(self) -> None:
        """
        A token.
        """
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()
        (self.folder / "token").write_text(_TOKEN)

    def run_program(
        self,
        url: str,
        argv: list[str] | None = None,
        stdin: bytes | None = _CSR,
        more: Mapping[str, str] | None = None,
    ) -> tuple[int, str, str]:
        """
        Run it; exit code, output, errors. ``stdin`` of None never ends.
        """
        environment = {
            **os.environ,
            "SCEPD_VERIFY_URL": url,
            "SCEPD_VERIFY_TOKEN_FILE": str(self.folder / "token"),
            "SCEPD_VERIFY_CA": "CORP",
            **(more or {}),
        }
        environment.pop("SCEPD_VERIFY_CONFIG", None)
        pipe, argv = subprocess.PIPE, argv or [tool("scepd-verify-csr")]
        process = subprocess.Popen(argv, env=environment, stdin=pipe, stdout=pipe, stderr=pipe)
        if stdin is None:
            process.wait(PATIENCE)
        output, errors = process.communicate(stdin, PATIENCE)
        code = process.returncode
        self.assertNotIn(_TOKEN.encode(), output + errors)
        self.assertLessEqual(errors.count(b"\n"), 1)
        return code, output.decode(), errors.decode()

    def serve(self, act: Callable[[socket.socket], None]) -> tuple[_Server, str]:
        """
        A server, and its URL.
        """
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        server = _Server(listener, act)
        self.addCleanup(server.stop)
        return server, f"http://127.0.0.1:{listener.getsockname()[1]}"

    def answer(self, status: str, body: bytes) -> tuple[int, str, str]:
        """
        What the program makes of an answer.
        """
        _, url = self.serve(lambda connection: connection.sendall(_answer(status, body)))
        return self.run_program(url)

    def test_allowed(self) -> None:
        """
        The request goes out as it came, with the token; only C{true} allows.
        """
        server, url = self.serve(
            lambda connection: connection.sendall(_answer("200 OK", b'{"allow": true}'))
        )
        code, _, errors = self.run_program(url)
        self.assertEqual((code, errors), (0, ""))
        head, _, body = server.received.partition(b"\r\n\r\n")
        self.assertEqual(body, _CSR)
        self.assertTrue(head.startswith(b"POST /api/v1/challenges/verify?ca=CORP HTTP/1.1\r\n"))
        self.assertIn(f"Authorization: Bearer {_TOKEN}".encode(), head)

    def test_unix_socket(self) -> None:
        """
        The admin listener may be a Unix socket.
        """
        # Their paths have at most 107 characters.
        folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        path = folder / "admin.sock"
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        body = b'{"ca": "CORP", "challenge_mode": "one_time"}'
        server = _Server(listener, lambda connection: connection.sendall(_answer("200 OK", body)))
        self.addCleanup(server.stop)
        url = f"unix:{path}"
        code, output, _ = self.run_program(url, [tool("scepd-verify-csr"), "--check"])
        self.assertEqual(code, 0)
        self.assertIn("one-time challenges for CORP", output)

    def test_tls(self) -> None:
        """
        By https only a server with a certificate of the roots that were named is asked.
        """
        chain, roots = self.folder / "server.pem", self.folder / "roots.pem"
        chain.write_bytes(key_pem() + pem(certificate("127.0.0.1")).encode())
        roots.write_text(pem(certificate()))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain)
        for path, expected in ((str(roots), 0), ("", 1), ("/nowhere/roots.pem", 1)):
            bare = socket.socket()
            bare.bind(("127.0.0.1", 0))
            url = f"https://127.0.0.1:{bare.getsockname()[1]}"
            listener = context.wrap_socket(bare, server_side=True)
            server = _Server(
                listener,
                lambda connection: connection.sendall(_answer("200 OK", b'{"allow": true}')),
            )
            self.addCleanup(server.stop)
            more = {"SCEPD_VERIFY_TRUSTED_CERTIFICATES": path}
            code, _, errors = self.run_program(url, more=more)
            self.assertEqual(code, expected, errors)
            self.assertEqual(server.received != b"", expected == 0)

    def test_refused(self) -> None:
        """
        Anything but a clear yes is a no.
        """
        for status, body in (
            ("200 OK", b'{"allow": false}'),
            ("200 OK", b'{"allow": "true"}'),
            ("200 OK", b'{"allow": 1}'),
            ("200 OK", b"[true]"),
            ("200 OK", b"<html>"),
            ("503 Service Unavailable", b'{"allow": true}'),
        ):
            code, output, errors = self.answer(status, body)
            self.assertEqual((code, output), (1, ""), body)
            self.assertTrue(errors.startswith("scepd-verify-csr: "), errors)

    def test_reason(self) -> None:
        """
        A problem's title is told, in one line.
        """
        _, _, errors = self.answer(
            "403 Forbidden", b'{"title": "The role\\ndoes not", "detail": "allow\\u001b this"}'
        )
        self.assertIn("answered 403: The roledoes not: allow this", errors)

    def test_down(self) -> None:
        """
        Nobody listens, or the connection breaks off.
        """
        code, _, errors = self.run_program(f"http://127.0.0.1:{free_port()}")
        self.assertEqual(code, 1)
        self.assertIn("can't be reached: Connection refused", errors)
        _, url = self.serve(lambda connection: connection.sendall(b"HTTP/1.1 200 OK\r\nConte"))
        self.assertEqual(self.run_program(url)[0], 1)

    def test_silence(self) -> None:
        """
        A server that says nothing, and a standard input that never ends, end in a no.
        """
        done = threading.Event()

        def act(connection: socket.socket) -> None:
            """
            Say nothing.
            """
            done.wait(PATIENCE)

        _, url = self.serve(act)
        # Before the server is stopped.
        self.addCleanup(done.set)
        expected = (1, "", "scepd-verify-csr: no answer within 0.5 seconds\n")
        hasty = [sys.executable, "-c", _HASTY]
        for stdin in (_CSR, None):
            self.assertEqual(self.run_program(url, hasty, stdin), expected)

    def test_help(self) -> None:
        """
        The help teaches how to set it up.
        """
        code, output, _ = self.run_program("", [tool("scepd-verify-csr"), "--help"])
        self.assertEqual(code, 0)
        for word in ("-csrverifierexec", "/etc/scepd/verify.toml", "SCEPD_VERIFY_URL", "--check"):
            self.assertIn(word, output)
