"""
Adding a CA that is no good: a clear error, and nothing stored.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from tests.support.processes import free_port
from tests.support.scepserver import CHALLENGE
from tests.support.stage import stage
from tests.support.wire import WireCA


def _ca_certificate(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, days: int) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Odd CA")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1)
    builder = builder.not_valid_before(now - timedelta(days=30))
    builder = builder.not_valid_after(now + timedelta(days=days))
    builder = builder.add_extension(x509.BasicConstraints(True, None), critical=True)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


class AddingTests(TestCase):
    """
    ``scepctl ca add`` against CAs of all kinds.
    """

    timeout = 120

    def setUp(self) -> None:
        """
        A daemon.
        """
        self.stage = stage()
        self.daemon = self.stage.daemon

    async def _refused(self, name: str, url: str) -> str:
        said = await deferToThread(self.daemon.scepctl_ca_add, name, url, CHALLENGE, expect=1)
        listed = await deferToThread(self.daemon.ctl, "ca", "list", "--json")
        self.assertNotIn(name, listed.stdout)
        self.assertNotIn(CHALLENGE, said)
        return said

    async def _refused_certificate(self, name: str, body: bytes) -> str:
        ca = WireCA(body)
        await ca.start()
        self.addCleanup(ca.stop)
        return await self._refused(name, ca.url)

    async def test_unreachable(self) -> None:
        """
        Nobody listens there.
        """
        said = await self._refused("DOWN", f"http://127.0.0.1:{free_port()}/scep")
        self.assertIn("127.0.0.1 refused the connection", said)

    async def test_no_such_host(self) -> None:
        """
        The name does not exist.
        """
        said = await self._refused("NOWHERE", "http://ca.invalid/scep")
        self.assertIn("the host name ca.invalid has no address", said)

    async def test_metadata_address(self) -> None:
        """
        A link-local address is never connected to.
        """
        said = await self._refused("METADATA", "http://169.254.169.254/scep")
        self.assertIn("may not be connected to", said)

    async def test_not_scep(self) -> None:
        """
        A web page is no certificate.
        """
        said = await self._refused_certificate("PAGE", b"<html><body>It works!</body></html>")
        self.assertIn("certificate", said)

    async def test_expired(self) -> None:
        """
        An expired CA certificate; the day is named.
        """
        key = rsa.generate_private_key(65537, 2048)
        said = await self._refused_certificate("EXPIRED", _ca_certificate(key, -1))
        self.assertIn("expired", said)

    async def test_ecdsa_only(self) -> None:
        """
        A CA that can't decrypt: SCEP needs RSA.
        """
        said = await self._refused_certificate(
            "ECDSA", _ca_certificate(ec.generate_private_key(ec.SECP256R1()), 365)
        )
        self.assertIn("RSA", said)

    async def test_all_field_faults(self) -> None:
        """
        All faults of the fields are told together, and the challenge is not echoed.
        """
        with self.daemon.api() as api:
            answer = await deferToThread(
                api.post,
                "/certificate_authorities",
                json={"name": "bad name!", "url": "ftp://x", "challenge": ""},
            )
        self.assertEqual(answer.status_code, 400)
        self.assertEqual(answer.headers["content-type"], "application/problem+json")
        fields = [error["field"] for error in answer.json()["errors"]]
        self.assertEqual(fields, ["name", "url", "challenge"])

    async def test_in_use(self) -> None:
        """
        A CA that a profile uses is not deleted, and its name can't be given twice.
        """
        said = await deferToThread(self.daemon.ctl, "ca", "delete", "Test_SCEP", expect=1)
        self.assertIn("Fleet.custom.SCEP", said.stderr)
        again = await deferToThread(
            self.daemon.scepctl_ca_add, "Test_SCEP", self.stage.ca.url, CHALLENGE, expect=1
        )
        self.assertIn("name", again)
        shown = await deferToThread(self.daemon.ctl, "ca", "show", "Test_SCEP", "--json")
        self.assertEqual(json.loads(shown.stdout)["challenge"], "********")

    async def test_check(self) -> None:
        """
        ``ca check`` asks the CA again.
        """
        done = await deferToThread(self.daemon.ctl, "ca", "check", "Test_SCEP")
        fingerprint = self.stage.ca.certificate.fingerprint(hashes.SHA256()).hex()
        self.assertIn(fingerprint, done.stdout)
