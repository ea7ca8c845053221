"""
A real SCEP client gets a certificate from the embedded certificate authority, over a real socket.
"""

from __future__ import annotations

import os
import plistlib
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase
from twisted.web.resource import Resource

from scepd.pki.keyring import Keyring
from scepd.ports import Workers
from scepd.scep.messages import MAX_MESSAGE_SIZE
from scepd.services.ca_keys import CAKeys
from scepd.services.enrolling import Enrolling, NewEnrollmentToken
from scepd.services.issuing_settings import IssuingSettings
from scepd.web.scep_ca import SCEPCAResource
from scepd.web.streaming import StreamingSite
from tests.support.fake_issuing import FakeIssuing
from tests.support.issuing_parts import issuing_parts
from tests.support.processes import program, run_aside
from tests.support.scepserver import CHALLENGE, scepclient_command


class EmbeddedCATests(TestCase):
    """
    ``scepclient``, which sends single DES and SHA-1 whatever it is offered.
    """

    timeout = 60

    def setUp(self) -> None:
        """
        Make the authority in memory, and listen.
        """
        from twisted.internet import reactor

        self.reactor: Any = reactor
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.store = FakeIssuing()
        self.keyring = Keyring({"k1": os.urandom(32)})
        workers: Workers = deferToThread
        self.keys = CAKeys(
            self.store, lambda: self.keyring, self.reactor, os.urandom, workers, 2048
        )
        self.workers = workers

    def listen(self, settings: IssuingSettings) -> str:
        """
        Listen on loopback, and return the URL.
        """
        parts = issuing_parts(
            self.keys,
            self.store,
            self.reactor,
            self.workers,
            lambda: self.keyring,
            settings,
            CHALLENGE,
        )
        root, mdm, scep = Resource(), Resource(), Resource()
        root.putChild(b"mdm", mdm)
        mdm.putChild(b"scep", scep)
        scep.putChild(b"ca", SCEPCAResource(parts.ca))
        site = StreamingSite(
            root, reactor=self.reactor, body_limit=MAX_MESSAGE_SIZE, request_timeout=30
        )
        port = self.reactor.listenTCP(0, site, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        return f"http://127.0.0.1:{port.getHost().port}/mdm/scep/ca"

    async def enroll(self, url: str, **options: str) -> int:
        """
        Run scepclient and return its exit code.
        """
        done = await run_aside(scepclient_command(url, **options), self.folder)
        return done.returncode

    async def assert_issued(self, common_name: str) -> None:
        """
        The client holds a certificate for its key, and openssl verifies its chain.
        """
        pem = (self.folder / "cert.pem").read_bytes()
        certificate = x509.load_pem_x509_certificate(pem)
        key = load_pem_private_key((self.folder / "key.pem").read_bytes(), None)
        self.assertEqual(certificate.public_key(), key.public_key())
        self.assertEqual(certificate.subject.rfc4514_string(), f"CN={common_name}")
        authority = x509.load_der_x509_certificate((await self.keys.issuer()).certificate)
        (self.folder / "authority.pem").write_bytes(authority.public_bytes(Encoding.PEM))
        argv = [program("openssl"), "verify", "-x509_strict", "-purpose", "sslclient"]
        verified = await run_aside([*argv, "-CAfile", "authority.pem", "cert.pem"], self.folder)
        self.assertEqual(verified.stdout, "cert.pem: OK\n", verified.stderr)

    async def test_static_challenge(self) -> None:
        """
        The right static challenge gets a certificate, which is no MDM identity.
        """
        url = self.listen(IssuingSettings(allow_single_des=True))
        self.assertEqual(await self.enroll(url, common_name="client.example"), 0)
        await self.assert_issued("client.example")
        self.assertEqual([record.purpose for record in self.store.certificates], ["profile"])

    async def test_enrollment_challenge(self) -> None:
        """
        What an enrollment profile holds gets an MDM identity.
        """
        url = self.listen(IssuingSettings(allow_single_des=True))
        service = Enrolling(self.store, self.reactor, os.urandom, "https://mdm", lambda: "topic")
        created = await service.create(NewEnrollmentToken("laptop", uses=1), "alice")
        profile = plistlib.loads(await service.profile(created.text))
        payload = profile["PayloadContent"][0]["PayloadContent"]
        [[[_, name]]] = payload["Subject"]
        challenge = payload["Challenge"]
        self.assertEqual(await self.enroll(url, challenge=challenge, common_name=name), 0)
        await self.assert_issued(name)
        self.assertEqual([record.purpose for record in self.store.certificates], ["enroll"])
        [token] = self.store.tokens.values()
        self.assertEqual(token.uses_left, 0)

    async def test_wrong_challenge(self) -> None:
        """
        A wrong challenge gets nothing.
        """
        url = self.listen(IssuingSettings(allow_single_des=True))
        self.assertNotEqual(await self.enroll(url, challenge="wrong"), 0)
        self.assertFalse((self.folder / "cert.pem").exists())
        self.assertEqual(self.store.certificates, [])

    async def test_single_des(self) -> None:
        """
        As it is configured by default, single DES gets nothing.
        """
        url = self.listen(IssuingSettings())
        self.assertNotEqual(await self.enroll(url), 0)
        self.assertEqual(self.store.certificates, [])
