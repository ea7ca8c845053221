"""
Tests of our client against a real scepserver.
"""

from __future__ import annotations

import base64
import os
import socket
import subprocess
import tempfile
import time
import urllib.parse
import urllib.request
from datetime import UTC, datetime

from cryptography import x509
from twisted.trial.unittest import SynchronousTestCase

from scepd.pki.certificates import choose_recipient, parse_ca_certificates, summarize
from scepd.pki.requests import build_request
from scepd.pki.self_signed import build_self_signed
from scepd.scep.attributes import FailInfo, PKIStatus
from scepd.scep.capabilities import Capabilities
from scepd.scep.messages import PKIMessage, parse_pki_message
from scepd.scep.observer import observe_answer, observe_request
from scepd.scep.requesting import SentRequest, build_pkcs_req, check_answer, open_cert_rep
from scepd.scep.transport import PKI_MESSAGE, classify_ca_body, looks_like_pki_message
from tests.support.pki import Party, require, rsa_key

_START_DEADLINE = 10.0
# The server signs and encrypts its answers with what it has always used.
_SERVER_USES_DES = True


def free_port() -> int:
    """
    Return a port that nobody listens on at this moment.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class SCEPServerTests(SynchronousTestCase):
    """
    Tests of a whole enrollment with scepserver.
    """

    def setUp(self) -> None:
        """
        Start a scepserver with a depot of its own.
        """
        program = require("scepserver")
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        depot = ["-depot", f"{folder.name}/depot"]
        init = [program, "ca", "-init", *depot, "-keySize", "2048"]
        subprocess.run(init, check=True, capture_output=True, timeout=20)
        port = free_port()
        self.url = f"http://127.0.0.1:{port}/scep"
        options = ["-port", str(port), "-challenge", "open sesame", "-allowrenew", "0"]
        with open(os.devnull, "wb") as nowhere:
            server = subprocess.Popen([program, *depot, *options], stdout=nowhere, stderr=nowhere)
        self.addCleanup(server.wait, 10)
        self.addCleanup(server.kill)
        self.wait_for(server, port)

    def wait_for(self, server: subprocess.Popen[bytes], port: int) -> None:
        """
        Wait until the server listens; fail when it ends or takes too long.
        """
        deadline = time.monotonic() + _START_DEADLINE
        while time.monotonic() < deadline and server.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
            except OSError:
                time.sleep(0.02)
            else:
                return
        self.fail("scepserver did not start")

    def get(self, **query: str) -> bytes:
        """
        Send a GET and return the answer's body.
        """
        url = f"{self.url}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(url, timeout=10) as answer:
            return bytes(answer.read())

    def post(self, message: bytes) -> bytes:
        """
        Send a PKIOperation by POST and return the answer's body.
        """
        request = urllib.request.Request(
            f"{self.url}?operation=PKIOperation", message, {"Content-Type": PKI_MESSAGE}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return bytes(answer.read())

    def request(self, name: str, challenge: str) -> tuple[Party, SentRequest]:
        """
        Make a PKCSReq for this server, and the client that sends it.
        """
        key = rsa_key(7)
        subject = x509.Name.from_rfc4514_string(name)
        client = Party(key, build_self_signed(key, subject, datetime.now(UTC), os.urandom))
        recipient = choose_recipient(parse_ca_certificates(self.get(operation="GetCACert")))
        request = build_request(key, subject, challenge)
        sent = build_pkcs_req(request, key, client.certificate, recipient, os.urandom)
        return client, sent

    def enroll(self, client: Party, sent: SentRequest, body: bytes) -> str:
        """
        Check and open an answer, and return the subject of its certificate.
        """
        answer = parse_pki_message(body)
        check_answer(answer, sent)
        self.assertIs(answer.pki_status, PKIStatus.SUCCESS)
        found = open_cert_rep(
            answer, client.key, client.certificate, os.urandom, allow_des=_SERVER_USES_DES
        )
        self.assertEqual(len(found), 1)
        return summarize(found[0]).subject

    def test_capabilities(self) -> None:
        """
        Its capabilities are understood.
        """
        capabilities = Capabilities.parse(self.get(operation="GetCACaps"))
        self.assertTrue(capabilities.post)
        self.assertIn("aes-128-cbc", capabilities.ciphers)
        self.assertEqual(capabilities.preferred_digest, "sha256")

    def test_ca_certificate(self) -> None:
        """
        Its GetCACert is one certificate, that of a CA.
        """
        body = self.get(operation="GetCACert")
        self.assertEqual(classify_ca_body(body[:32]), "application/x-x509-ca-cert")
        self.assertTrue(summarize(parse_ca_certificates(body)[0]).is_ca)

    def test_enroll_by_post(self) -> None:
        """
        A PKCSReq of ours gets a certificate, and the observer sees both messages for what they
        are.
        """
        client, sent = self.request("CN=post.example,O=scepd tests", "open sesame")
        body = self.post(sent.message)
        self.assertEqual(self.enroll(client, sent, body), "CN=post.example,O=scepd tests")
        self.assertEqual(looks_like_pki_message(body[:32]), True)
        request, answer = observe_request(sent.message), observe_answer(body)
        self.assertEqual((request.message_type, request.fault), ("PKCSReq", None))
        self.assertEqual((answer.pki_status, answer.fault), ("SUCCESS", None))
        self.assertEqual(answer.transaction_id, request.transaction_id)

    def test_enroll_by_get(self) -> None:
        """
        The same by GET.
        """
        client, sent = self.request("CN=get.example,O=scepd tests", "open sesame")
        message = base64.b64encode(sent.message).decode("ascii")
        body = self.get(operation="PKIOperation", message=message)
        self.assertEqual(self.enroll(client, sent, body), "CN=get.example,O=scepd tests")

    def test_wrong_challenge(self) -> None:
        """
        A wrong challenge is a CertRep FAILURE, whose failInfo is read.
        """
        _, sent = self.request("CN=wrong.example,O=scepd tests", "open barley")
        body = self.post(sent.message)
        answer: PKIMessage = parse_pki_message(body)
        check_answer(answer, sent)
        self.assertIs(answer.pki_status, PKIStatus.FAILURE)
        self.assertIs(answer.fail_info, FailInfo.BAD_REQUEST)
        self.assertEqual(observe_answer(body).fail_info, "badRequest")
