"""
Tests of our SCEP program against a real scepserver: enrollment and both forms of renewal.
"""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from cryptography import x509
from twisted.trial.unittest import SynchronousTestCase

import scepd
from scepd.simulator.scep import main
from tests.support.pki import openssl, require
from tests.support.scepserver import CHALLENGE, SCEPServer


class RenewalTests(SynchronousTestCase):
    """
    Tests of a client's whole life with scepserver, which answers with single DES and SHA-1.
    """

    def setUp(self) -> None:
        """
        Start a scepserver.
        """
        require("scepserver")
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.server = SCEPServer(self.folder / "ca")
        self.server.start()
        self.addCleanup(self.server.stop)
        self.challenge = self.folder / "challenge"
        self.challenge.write_text(CHALLENGE)

    def _program(self, command: str, out: str, *options: str) -> int:
        arguments = [command, "--url", self.server.url, "--out", str(self.folder / out)]
        self.stdout = io.StringIO()
        with contextlib.redirect_stdout(self.stdout), contextlib.redirect_stderr(io.StringIO()):
            return main([*arguments, *options])

    def _enroll(self, out: str, name: str, *options: str) -> int:
        secret = ("--challenge-file", str(self.challenge))
        return self._program(
            "enroll", out, "--subject", f"CN={name},O=scepd tests", *secret, *options
        )

    def _serial(self, out: str) -> int:
        pem = (self.folder / out / "certificate.pem").read_bytes()
        issuer = (self.folder / out / "ca.pem").read_bytes()
        checked = openssl(
            "verify", "-CAfile", "ca.pem", "leaf.pem", files={"ca.pem": issuer, "leaf.pem": pem}
        )
        self.assertEqual(checked, b"leaf.pem: OK\n")
        return x509.load_pem_x509_certificate(pem).serial_number

    def test_life(self) -> None:
        """
        Enroll by GET and POST, renew by RenewalReq and PKCSReq; each is another certificate that
        openssl verifies. The server's static challenge is asked for in renewals, too.
        """
        serials = set()
        for form in ("get", "post"):
            self.assertEqual(self._enroll(form, form, "--allow-des", "--form", form), 0)
            serials.add(self._serial(form))
        secret = ("--challenge-file", str(self.challenge))
        for message in ("RenewalReq", "PKCSReq"):
            options = ("--message", message, "--allow-des", *secret)
            self.assertEqual(self._program("renew", "post", *options), 0)
            serials.add(self._serial("post"))
        self.assertEqual(len(serials), 4)
        self.assertEqual(self._program("renew", "post", "--allow-des"), 1)
        self.assertEqual(self.stdout.getvalue(), "badRequest\n")
        self.assertIn(self._serial("post"), serials)

    def test_process(self) -> None:
        """
        The same as a process of its own, by the module's name.
        """
        secret = ["--challenge-file", str(self.challenge), "--subject", "CN=process,O=scepd tests"]
        options = ["--url", self.server.url, "--out", "process", "--allow-des", *secret]
        done = subprocess.run(
            [sys.executable, "-m", "scepd.simulator.scep", "enroll", *options],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(Path(scepd.__file__).parents[1])},
            capture_output=True,
            timeout=60,
        )
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        self.assertTrue(done.stdout.startswith(b"CN=process,O=scepd tests, serial "))
        self.assertEqual(self._serial("process"), 2)

    def test_refused(self) -> None:
        """
        A wrong challenge is 1, single DES without the opt-in and queries it does not know are 2.
        """
        self.assertEqual(self._enroll("one", "des"), 2)
        self.challenge.write_text("wrong")
        self.assertEqual(self._enroll("one", "wrong", "--allow-des"), 1)
        self.assertEqual(self.stdout.getvalue(), "badRequest\n")
        self.assertFalse((self.folder / "one").exists())
        self.assertEqual(self._program("next-ca", "one", "--allow-des"), 2)
