"""
An operator of the embedded certificate authority, and a running daemon.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import httpx
from cryptography import x509
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from scepd.pki.requests import build_request
from scepd.scep.attributes import PKIStatus
from scepd.scep.messages import PKIMessage, parse_pki_message
from scepd.scep.requesting import build_pkcs_req, open_cert_rep
from tests.support.daemon import Daemon
from tests.support.pki import party

STATIC = "the-static-challenge"


class OperatorTests(TestCase):
    """
    Approval, revocation, roll-over and a restart.
    """

    timeout = 120

    def setUp(self) -> None:
        """
        Make a daemon whose operator approves requests.
        """
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        settings = {"ca.challenge_file": '"ca.challenge"', "ca.approval": '"manual"'}
        settings["ca.key_bits"] = "2048"
        self.daemon = Daemon(Path(folder.name) / "etc", settings)
        (self.daemon.folder / "ca.challenge").write_text(STATIC)
        os.chmod(self.daemon.folder / "ca.challenge", 0o600)
        self.url = f"http://127.0.0.1:{self.daemon.device_port}/mdm/scep/ca"
        self.addCleanup(self.daemon.stop)

    def listed(self, path: str) -> list[dict[str, str]]:
        """
        What a list of the API holds.
        """
        with self.daemon.api() as api:
            found: list[dict[str, str]] = api.get(path).raise_for_status().json()["items"]
        return found

    def post(self, path: str, body: dict[str, str] | None = None) -> None:
        """
        What an operator does by the API.
        """
        with self.daemon.api() as api:
            api.post(path, json=body).raise_for_status()

    def get(self, operation: str) -> bytes:
        """
        The answer to a question.
        """
        return httpx.get(f"{self.url}?operation={operation}").raise_for_status().content

    def request(self, number: int) -> PKIMessage:
        """
        The answer to a request by the certificate of the moment.
        """
        client, name = party("CN=client", number), x509.Name.from_rfc4514_string(f"CN=c{number}")
        csr = build_request(client.key, name, STATIC)
        recipient = self.get("GetCACert")
        sent = build_pkcs_req(csr, client.key, client.certificate, recipient, os.urandom)
        answer = httpx.post(f"{self.url}?operation=PKIOperation", content=sent.message)
        return parse_pki_message(answer.raise_for_status().content)

    def enroll(self, number: int) -> x509.Certificate:
        """
        Ask, let an operator approve, and ask again.
        """
        assert self.request(number).pki_status is PKIStatus.PENDING
        [waiting] = self.listed("requests?waiting=1")
        self.post(f"requests/{waiting['id']}/approve")
        client, answer = party("CN=client", number), self.request(number)
        [der] = open_cert_rep(answer, client.key, client.certificate, os.urandom)
        return x509.load_der_x509_certificate(der)

    def story(self) -> None:
        """
        All of it, in a thread.
        """
        self.daemon.start()
        old = self.enroll(1)
        [serial] = [one["serial"] for one in self.listed("certificates")]
        self.assertEqual(int(serial, 16), old.serial_number)
        self.post(f"certificates/{serial}/revoke", {"reason": "superseded"})
        first = x509.load_der_x509_certificate(self.get("GetCACert"))
        revoked = x509.load_der_x509_crl(httpx.get(f"{self.url}.crl").content)
        self.assertEqual([entry.serial_number for entry in revoked], [old.serial_number])
        self.assertEqual(httpx.get(f"{self.url}?operation=GetNextCACert").status_code, 404)
        self.daemon.ctl("ca", "rollover", "--plan")
        self.get("GetNextCACert")
        self.post("embedded_ca/rollover", {"step": "commit"})
        self.assertEqual(self.daemon.stop(), -15)
        self.daemon.start()
        second = x509.load_der_x509_certificate(self.get("GetCACert"))
        self.assertNotEqual(first, second)
        self.enroll(2).verify_directly_issued_by(second)
        roles = [one["role"] for one in self.listed("embedded_ca/rollover")]
        self.assertEqual(roles, ["current", "previous"])
        self.assertNotIn(STATIC, "".join(self.daemon.outputs))

    async def test_story(self) -> None:
        """
        A request waits and is approved; its certificate is revoked and on the list; the authority
        rolls over, is restarted, and goes on with the new certificate.
        """
        await deferToThread(self.story)
