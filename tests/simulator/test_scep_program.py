"""
Tests for the SCEP program, with an authority in memory.
"""

from __future__ import annotations

import contextlib
import io
import socket
import stat
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from twisted.trial.unittest import SynchronousTestCase

from scepd.simulator.scep import main
from tests.simulator.scep_case import SleptClock, serving
from tests.simulator.server import BASE
from tests.support.authority_double import AuthorityDouble
from tests.support.pki import party
from tests.support.scep_answers import next_ca_answer, pem_of

_CHALLENGE = "challenge-of-the-device"


class ProgramTests(SynchronousTestCase):
    """
    Tests for main.
    """

    def setUp(self) -> None:
        """
        Make an authority, and a folder.
        """
        self.clock, self.authority = SleptClock(), AuthorityDouble()
        self.server = serving(self.authority)
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.challenge = self.folder / "challenge"
        self.challenge.write_text(f"{_CHALLENGE}\n")
        self.out = self.folder / "identity"

    def run_program(self, *arguments: str, url: str = f"{BASE}/scep") -> int:
        """
        Run the program in the usual folder; what it prints is kept.
        """
        stdout, stderr = io.StringIO(), io.StringIO()
        command, *options = arguments
        options = ["--url", url, "--out", str(self.out), *options]
        with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
            status = main([command, *options], connect=self.server.http, waiting=self.clock.waiting)
        self.stdout, self.stderr = stdout.getvalue(), stderr.getvalue()
        self.assertNotIn(_CHALLENGE, self.stdout + self.stderr)
        return status

    def enroll(self, *options: str) -> int:
        """
        Enroll with small keys.
        """
        challenge = ("--challenge-file", str(self.challenge))
        subject = ("--subject", "CN=device,O=Example")
        return self.run_program("enroll", *subject, *challenge, "--key-bits", "1024", *options)

    def renew(self, *options: str) -> int:
        """
        Renew with small keys.
        """
        return self.run_program("renew", "--key-bits", "1024", *options)

    def certificate(self, name: str = "certificate.pem") -> x509.Certificate:
        """
        The certificate of a file.
        """
        return x509.load_pem_x509_certificate((self.out / name).read_bytes())

    def names(self) -> set[str]:
        """
        The files that were written.
        """
        return {each.name for each in self.out.iterdir()} if self.out.exists() else set()

    # -- enrollment --------------------------------------------------------------------------------

    def test_enroll(self) -> None:
        """
        0: key, certificate and the authority's certificate are there; the key is for its owner.
        """
        self.assertEqual(self.enroll(), 0)
        self.assertEqual(self.names(), {"key.pem", "certificate.pem", "ca.pem"})
        certificate = self.certificate()
        key = load_pem_private_key((self.out / "key.pem").read_bytes(), None)
        self.assertEqual(certificate.public_key(), key.public_key())
        certificate.verify_directly_issued_by(self.certificate("ca.pem"))
        self.assertEqual(stat.S_IMODE((self.out / "key.pem").stat().st_mode), 0o600)
        self.assertIn("CN=device,O=Example, serial ", self.stdout)
        csr = x509.load_der_x509_csr(self.authority.received[0].content)
        self.assertEqual([each.value for each in csr.attributes], [_CHALLENGE.encode()])

    def test_refused(self) -> None:
        """
        1: the failInfo's word is printed, the authority's own words apart, and nothing is written.
        """
        self.authority.refusal = ("2", "wrong \x1b[31mchallenge")
        self.assertEqual(self.enroll(), 1)
        self.assertEqual(self.stdout, "badRequest\n")
        self.assertIn("wrong [31mchallenge", self.stderr)
        self.assertEqual(self.names(), set())

    def test_forms(self) -> None:
        """
        The HTTP method can be chosen.
        """
        for form in ("get", "post"):
            self.server.requests.clear()
            self.assertEqual(self.enroll("--form", form), 0)
            self.assertIn(f"{form.upper()} PKIOperation", self.server.paths())

    def test_roots_of_its_own(self) -> None:
        """
        With roots in a file the connection is another one, which trusts them alone.
        """
        roots = self.folder / "roots.pem"
        roots.write_bytes(pem_of(party("CN=roots", 7, ca=True).certificate))
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        url = f"https://127.0.0.1:{port}/scep"
        status = self.run_program("enroll", "--subject", "CN=x", "--ca-file", str(roots), url=url)
        self.assertEqual((status, self.stderr), (2, "GET: no answer: Connection refused\n"))
        self.assertEqual(self.server.requests, [])

    def test_usage(self) -> None:
        """
        2: options that are missing or make no sense; nothing is sent.
        """
        empty = self.folder / "empty"
        empty.write_bytes(b"\n")
        cases: list[tuple[str, ...]] = [
            ("enroll",),
            ("enroll", "--subject", "nonsense"),
            ("enroll", "--subject", "CN=x", "--challenge-file", "/nowhere"),
            ("enroll", "--subject", "CN=x", "--challenge-file", str(empty)),
            ("enroll", "--subject", "CN=x", "--ca-file", str(empty)),
            ("enroll", "--subject", "CN=x", "--poll-interval", "0"),
            ("enroll", "--subject", "CN=x", "--poll-timeout", "nan"),
            ("enroll", "--subject", "CN=x", "--form", "put"),
            ("cert", "--serial", "xyz"),
            ("nonsense",),
            ("poll", "--nonsense"),
        ]
        for case in cases:
            self.assertEqual(self.run_program(*case), 2, case)
            self.assertIn("Error", self.stderr)
        self.assertEqual(self.run_program("enroll", "--subject", "CN=x", "--key-bits", "7"), 2)
        self.assertEqual(self.server.requests, [])
        self.assertEqual(self.run_program("enroll", "--help"), 0)
        self.assertIn("--challenge-file", self.stdout)

    def test_no_answer(self) -> None:
        """
        2: an authority that answers with an error, or with something else.
        """
        for body in ((500, b"broken"), (200, b"<html>")):
            self.server.replies["PKIOperation"] = body
            self.assertEqual(self.enroll(), 2)
            self.assertEqual((self.stdout, self.names()), ("", set()))

    # -- pending requests --------------------------------------------------------------------------

    def test_pending(self) -> None:
        """
        3 while it is pending; a poll later on brings the certificate, and clears the traces.
        """
        self.authority.pending = 2
        self.assertEqual(self.enroll(), 3)
        self.assertEqual(self.stdout, "PENDING\n")
        kept = {"pending-key.pem", "pending-signer-key.pem", "pending-signer.pem"}
        self.assertEqual(self.names(), kept)
        self.assertEqual(self.run_program("poll"), 3)
        self.assertEqual(self.run_program("poll"), 0)
        self.assertEqual(self.names(), {"key.pem", "certificate.pem", "ca.pem"})
        self.assertEqual(
            [each.message_type for each in self.authority.received], ["19", "20", "20"]
        )
        self.assertEqual(len({each.signer for each in self.authority.received}), 1)
        self.assertEqual(self.run_program("poll"), 2)
        self.assertIn("no pending request", self.stderr)

    def test_polls_at_once(self) -> None:
        """
        With a timeout the program waits itself: one poll per interval, until the timeout.
        """
        self.authority.pending = 3
        self.assertEqual(self.enroll("--poll-interval", "5", "--poll-timeout", "15"), 0)
        self.assertEqual(self.clock.sleeps, [5, 5, 5])
        self.authority.pending = 99
        self.clock.sleeps.clear()
        self.assertEqual(self.enroll("--poll-interval", "5", "--poll-timeout", "15"), 3)
        self.assertEqual(self.clock.sleeps, [5, 5, 5])
        self.assertIn("pending-key.pem", self.names())

    def test_pending_renewal(self) -> None:
        """
        A renewal that is pending leaves the old identity in place until it is decided.
        """
        self.enroll()
        old = self.certificate()
        self.authority.pending = 1
        self.assertEqual(self.renew(), 3)
        self.assertEqual(self.certificate(), old)
        self.assertEqual(self.run_program("poll"), 0)
        self.assertNotEqual(self.certificate(), old)

    # -- renewal and queries -----------------------------------------------------------------------

    def test_renew(self) -> None:
        """
        In place, or from another folder; with the message that is offered, or that is chosen.
        """
        self.enroll()
        old = self.certificate()
        self.assertEqual(self.renew(), 0)
        self.assertNotEqual(self.certificate().public_key(), old.public_key())
        self.assertEqual(self.certificate().subject, old.subject)
        source, self.out = self.out, self.folder / "renewed"
        self.assertEqual(self.renew("--renew-from", str(source), "--message", "PKCSReq"), 0)
        self.assertEqual(
            [each.message_type for each in self.authority.received], ["19", "17", "19"]
        )
        self.assertEqual(self.names(), {"key.pem", "certificate.pem", "ca.pem"})

    def test_no_identity(self) -> None:
        """
        2: there is nothing to renew, or something else in its place; the file is named.
        """
        self.assertEqual(self.renew(), 2)
        self.assertIn("key.pem", self.stderr)
        self.enroll()
        for name, content in (("certificate.pem", b"junk"), ("key.pem", b"junk")):
            (self.out / name).write_bytes(content)
            self.assertEqual(self.renew(), 2)
            self.assertIn(name, self.stderr)

    def test_queries(self) -> None:
        """
        crl.pem and asked.pem are what the authority sent.
        """
        self.enroll()
        serial = self.certificate().serial_number
        self.authority.revoked = [serial]
        self.assertEqual(self.run_program("crl"), 0)
        self.assertIn("1 revoked", self.stdout)
        crl = x509.load_pem_x509_crl((self.out / "crl.pem").read_bytes())
        self.assertEqual([each.serial_number for each in crl], [serial])
        self.assertEqual(self.run_program("cert", "--serial", f"{serial:X}"), 0)
        self.assertEqual(self.certificate("asked.pem"), self.certificate())
        self.assertEqual(self.run_program("cert", "--serial", "77"), 1)
        self.assertEqual(self.stdout, "badCertId\n")

    def test_next_ca(self) -> None:
        """
        next-ca.pem is written, once the ca.pem that is there vouches for it.
        """
        following = party("CN=ca,O=Double", 95, ca=True)
        answer = next_ca_answer(self.authority.ca, [following.certificate])
        self.server.replies["GetNextCACert"] = (200, answer)
        self.assertEqual(self.run_program("next-ca"), 0)
        self.assertEqual((self.out / "next-ca.pem").read_bytes(), following.certificate_pem)
        (self.out / "next-ca.pem").unlink()
        (self.out / "ca.pem").write_bytes(pem_of(following.certificate))
        self.assertEqual(self.run_program("next-ca"), 2)
        self.assertEqual(self.names(), {"ca.pem"})
