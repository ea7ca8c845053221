"""
Tests of our authority's messages against a real scepclient.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from cryptography import x509
from twisted.trial.unittest import SynchronousTestCase

from scepd.scep.attributes import FailInfo
from scepd.scep.capabilities import Capabilities
from scepd.scep.messages import OpenedRequest, PKIMessage, open_request, parse_pki_message
from scepd.scep.observer import observe_answer, observe_request
from scepd.scep.replies import build_cert_rep_failure, build_cert_rep_success
from scepd.scep.transport import CA_CERTIFICATE, PKI_MESSAGE, decode_message, operation_of
from tests.support.pki import issue, party, require

CA = party("CN=authority for scepclient", 3, ca=True, usage="sign encipher")


class Authority(BaseHTTPRequestHandler):
    """
    The smallest SCEP server: one right challenge, one connection at a time.
    """

    capabilities = Capabilities(("AES", "SHA-256", "SCEPStandard"))
    messages: list[PKIMessage]
    requests: list[OpenedRequest]
    answers: list[bytes]

    def do_GET(self) -> None:
        """
        Answer GetCACaps, GetCACert and PKIOperation.
        """
        query = self.path.partition("?")[2].encode("ascii")
        match operation_of(query):
            case "GetCACaps":
                self.answer("text/plain", self.capabilities.render())
            case "GetCACert":
                self.answer(CA_CERTIFICATE, CA.certificate)
            case _:
                self.answer(PKI_MESSAGE, self.operate(decode_message(query)))

    def do_POST(self) -> None:
        """
        Answer a PKIOperation.
        """
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(PKI_MESSAGE, self.operate(body))

    def operate(self, data: bytes) -> bytes:
        """
        Issue a certificate, or refuse a wrong challenge.
        """
        message = parse_pki_message(data)
        opened = open_request(message, CA.key, CA.certificate, os.urandom, allow_des=True)
        self.messages.append(message)
        self.requests.append(opened)
        self.answers.append(self.decide(message, opened))
        return self.answers[-1]

    def decide(self, message: PKIMessage, opened: OpenedRequest) -> bytes:
        """
        Make the CertRep.
        """
        if opened.request.challenge_password != "open sesame":
            return build_cert_rep_failure(
                message, FailInfo.BAD_REQUEST, CA.key, CA.certificate, os.urandom, text="no"
            )
        request = x509.load_der_x509_csr(opened.request.der)
        issuer = x509.load_der_x509_certificate(CA.certificate).subject
        certificate = issue(request.public_key(), request.subject, CA.key, issuer)
        return build_cert_rep_success(
            message,
            certificate,
            CA.key,
            CA.certificate,
            os.urandom,
            request_cipher=opened.cipher,
        )

    def answer(self, content_type: str, body: bytes) -> None:
        """
        Write an answer.
        """
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """
        Say nothing.
        """


class SCEPClientTests(SynchronousTestCase):
    """
    Tests of whole enrollments by scepclient.
    """

    def setUp(self) -> None:
        """
        Start the authority in a thread, and make a folder for the client.
        """
        self.program = require("scepclient")
        Authority.messages, Authority.requests, Authority.answers = [], [], []
        self.server = HTTPServer(("127.0.0.1", 0), Authority)
        thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        thread.start()
        self.addCleanup(self.server.server_close)
        self.addCleanup(thread.join, 10)
        self.addCleanup(self.server.shutdown)
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def enroll(self, challenge: str) -> int:
        """
        Run scepclient and return its exit code.
        """
        url = f"http://127.0.0.1:{self.server.server_port}/scep"
        names = ["-cn", "client.example", "-organization", "scepd tests", "-country", ""]
        files = ["-private-key", "client.key", "-certificate", "client.pem"]
        command = [self.program, "-server-url", url, "-challenge", challenge, *names, *files]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, timeout=30)
        return done.returncode

    def test_enroll(self) -> None:
        """
        It gets its certificate, and says DES and SHA-1 whatever it was offered.
        """
        self.assertEqual(self.enroll("open sesame"), 0)
        pem = (self.folder / "client.pem").read_bytes()
        certificate = x509.load_pem_x509_certificate(pem)
        self.assertIn("CN=client.example", certificate.subject.rfc4514_string())
        self.assertEqual(Authority.requests[0].cipher, "des-cbc")
        self.assertEqual(Authority.messages[0].digest, "sha1")
        report = observe_request(Authority.messages[0].raw)
        self.assertEqual((report.message_type, report.fault), ("PKCSReq", None))
        self.assertEqual(report.signer_key_sha256, Authority.messages[0].signer_key_sha256)

    def test_wrong_challenge(self) -> None:
        """
        It fails on a CertRep FAILURE.
        """
        self.assertNotEqual(self.enroll("open barley"), 0)
        self.assertEqual(observe_answer(Authority.answers[0]).fail_info, "badRequest")


class GETAuthority(Authority):
    """
    The same for clients that may not POST.
    """

    capabilities = Capabilities(("AES", "SHA-256"))


class SCEPClientGETTests(SCEPClientTests):
    """
    The same tests by GET, where scepclient sends base64url.
    """

    def setUp(self) -> None:
        """
        Offer no POST.
        """
        super().setUp()
        self.server.RequestHandlerClass = GETAuthority
