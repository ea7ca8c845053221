"""
Tests for the simulated device's SCEP.
"""

from __future__ import annotations

import os

import httpx
from cryptography import x509
from twisted.trial.unittest import SynchronousTestCase

from scepd.scep.attributes import FailInfo
from scepd.scep.replies import build_cert_rep_failure, build_cert_rep_pending
from scepd.simulator.failures import DeviceError
from scepd.simulator.identity import Identity
from scepd.simulator.patience import NO_PATIENCE
from scepd.simulator.scep_client import SCEPClient
from tests.simulator.server import BASE, Server, authority, pki_message
from tests.support.pki import openssl_decrypt, party, rsa_key
from tests.support.scep_messages import cert_rep

_SUBJECT = x509.Name.from_rfc4514_string("CN=device,O=Example")
_CHALLENGE = "challenge-of-the-device"


class SCEPClientTests(SynchronousTestCase):
    """
    Tests for SCEPClient; the authority is in memory.
    """

    def setUp(self) -> None:
        """
        Make the server.
        """
        self.server = Server()
        self.url = f"{BASE}/scep"

    def _enroll(self, challenge: str = _CHALLENGE) -> Identity:
        client = SCEPClient(self.url, self.server.http(), patience=NO_PATIENCE)
        return client.enroll_key(rsa_key(7), _SUBJECT, challenge)

    def _error(self) -> DeviceError:
        error: DeviceError = self.assertRaises(DeviceError, self._enroll)
        self.assertNotIn(_CHALLENGE, str(error))
        return error

    def test_enroll(self) -> None:
        """
        The certificate is the authority's, for the key and the subject that were asked for; the
        three operations come in order, and the repr holds neither key nor certificate.
        """
        identity = self._enroll()
        certificate = identity.summary
        ca = x509.load_der_x509_certificate(authority().certificate)
        certificate.verify_directly_issued_by(ca)
        self.assertEqual(certificate.public_key(), rsa_key(7).public_key())
        self.assertEqual(certificate.subject, _SUBJECT)
        self.assertEqual(
            self.server.paths(), ["GET GetCACaps", "GET GetCACert", "POST PKIOperation"]
        )
        content_type = self.server.requests[-1].headers["Content-Type"]
        self.assertEqual(content_type, "application/x-pki-message")
        self.assertEqual(repr(identity), "Identity()")

    def test_challenge(self) -> None:
        """
        The challenge stands in the request, and an empty one is left out.
        """
        self._enroll()
        self._enroll("")
        self.assertEqual(self.server.challenges, [_CHALLENGE.encode()])

    def test_request_opens(self) -> None:
        """
        OpenSSL decrypts the request with the authority's key.
        """
        self._enroll()
        content = pki_message(self.server.requests[-1]).content
        self.assertIsNotNone(content)
        csr = x509.load_der_x509_csr(openssl_decrypt(authority(), content or b""))
        self.assertEqual((csr.subject, csr.is_signature_valid), (_SUBJECT, True))

    def test_get(self) -> None:
        """
        An authority that does not offer POST is asked by GET.
        """
        self.server.capabilities = b"AES\nSHA-256\n"
        self._enroll()
        self.assertEqual(self.server.paths()[-1], "GET PKIOperation")

    def test_weak(self) -> None:
        """
        Without a word of AES the request is in triple DES; SHA-1 only when nothing else is offered.
        """
        for words, cipher, digest in (
            (b"POSTPKIOperation\nDES3\n", b"\x2a\x86\x48\x86\xf7\x0d\x03\x07", "sha1"),
            (b"SCEPStandard\n", b"\x60\x86\x48\x01\x65\x03\x04\x01\x02", "sha256"),
        ):
            self.server.capabilities = words
            self._enroll()
            message = pki_message(self.server.requests[-1])
            self.assertIn(cipher, message.content or b"")
            self.assertEqual(message.digest, digest)

    def test_url_with_query(self) -> None:
        """
        What the URL has of a query stays in it.
        """
        self.url += "?ca=1"
        self._enroll()
        queries = [str(each.url.query, "ascii") for each in self.server.requests]
        self.assertEqual(
            queries,
            ["ca=1&operation=GetCACaps", "ca=1&operation=GetCACert", "ca=1&operation=PKIOperation"],
        )

    def test_failure(self) -> None:
        """
        FAILURE: the error names the failInfo, with the number and domain of Apple's.
        """

        def refuse(request: httpx.Request) -> bytes:
            message, ca = pki_message(request), authority()
            why = FailInfo.BAD_REQUEST
            return build_cert_rep_failure(message, why, ca.key, ca.certificate, os.urandom)

        self.server.replies["PKIOperation"] = refuse
        error = self._error()
        self.assertEqual(str(error), "SCEP: the CA refused: badRequest")
        self.assertEqual((error.domain, error.number), ("MCSCEPErrorDomain", 22013))

    def test_pending(self) -> None:
        """
        PENDING: an error, when the device has no patience.
        """

        def delay(request: httpx.Request) -> bytes:
            ca = authority()
            message = pki_message(request)
            return build_cert_rep_pending(message, ca.key, ca.certificate, os.urandom)

        self.server.replies["PKIOperation"] = delay
        self.assertIn("PENDING", str(self._error()))

    def test_wrong_signer(self) -> None:
        """
        An answer that somebody else signed is refused.
        """
        other = party("CN=ca", 98, usage="sign encipher", ca=True)
        self.server.replies["PKIOperation"] = lambda request: self.server.certify(request, other)
        self.assertIn("signed by somebody else", str(self._error()))

    def test_another_request(self) -> None:
        """
        The authority's answer to another request is refused.
        """
        self.server.replies["PKIOperation"] = (200, cert_rep())
        self.assertIn("to another request", str(self._error()))

    def test_another_key(self) -> None:
        """
        A certificate for another key is refused.
        """
        other = party("CN=device", 8)
        self.server.replies["PKIOperation"] = lambda request: self.server.certify(
            request, subject=other
        )
        self.assertIn("no certificate for the key", str(self._error()))

    def test_hostile(self) -> None:
        """
        Whatever comes in place of an answer is a DeviceError.
        """
        good = cert_rep()
        bodies = (b"", b"\x30", b"<html>", bytes(1000), good[:-1], good[:200], b"A " * 5000)
        for operation in ("GetCACaps", "GetCACert", "PKIOperation"):
            for body in bodies:
                if operation == "GetCACaps" and body != bodies[-1]:
                    continue
                self.server.replies = {operation: (200, body)}
                self.assertTrue(str(self._error()).startswith("SCEP: "))

    def test_key_sizes(self) -> None:
        """
        Only Apple's key sizes are to be had, and none that takes for ever.
        """
        client = SCEPClient(self.url, self.server.http())
        self.assertEqual(client.make_key(1024).key_size, 1024)
        for bits in (-1, 0, 1, 512, 2047, 16384, 10**9):
            error = self.assertRaises(DeviceError, client.make_key, bits)
            self.assertIn(str(bits), str(error))
