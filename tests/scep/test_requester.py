"""
Tests of ``scepd.scep.requester``: what it makes is read by asn1crypto and openssl.
"""

from __future__ import annotations

import os

from asn1crypto import core
from cryptography import x509
from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import EncodingError, MessageError, UnsupportedAlgorithm
from scepd.pki.requests import build_request
from scepd.scep.attributes import MessageType
from scepd.scep.dialect import Dialect
from scepd.scep.queries import IssuerAndSerial, IssuerAndSubject
from scepd.scep.requester import Requester
from tests.support.pki import openssl, openssl_verify, party, require
from tests.support.scep_answers import receive

_CA = party("CN=ca", 99, usage="sign encipher", ca=True)
_CLIENT = party("CN=client", 1)
_NAME = x509.Name.from_rfc4514_string("CN=ca").public_bytes()
_SUBJECT = x509.Name.from_rfc4514_string("CN=client")


def requester(dialect: Dialect | None = None, recipient: bytes = _CA.certificate) -> Requester:
    """
    Make the client's requester.
    """
    random = os.urandom
    return Requester(_CLIENT.key, _CLIENT.certificate, recipient, dialect or Dialect(), random)


class RequesterTests(SynchronousTestCase):
    """
    Tests of ``Requester``.
    """

    def test_certification(self) -> None:
        """
        PKCSReq and RenewalReq hold the certification request.
        """
        request = build_request(_CLIENT.key, _SUBJECT, "secret")
        for kind, number in ((MessageType.PKCS_REQ, "19"), (MessageType.RENEWAL_REQ, "17")):
            sent = requester().certification(request, "AB", kind)
            received = receive(sent.message, _CA)
            self.assertEqual((received.message_type, received.content), (number, request))
            self.assertEqual(received.transaction_id, "AB")
            self.assertEqual(received.sender_nonce, sent.sender_nonce)
            self.assertEqual((len(sent.sender_nonce), received.signer), (16, _CLIENT.certificate))

    def test_cert_poll(self) -> None:
        """
        CertPoll holds both names.
        """
        subject = _SUBJECT.public_bytes()
        sent = requester().cert_poll(IssuerAndSubject(_NAME, subject), "AB")
        received = receive(sent.message, _CA)
        self.assertEqual((received.message_type, received.transaction_id), ("20", "AB"))
        parts = core.SequenceOf(spec=core.Any).load(received.content, strict=True)
        self.assertEqual([each.dump() for each in parts], [_NAME, subject])

    def test_queries(self) -> None:
        """
        GetCert and GetCRL hold name and serial number.
        """
        asked = IssuerAndSerial(_NAME, 2**127 + 9)
        for sent, number in (
            (requester().get_cert(asked, "AB"), "21"),
            (requester().get_crl(asked, "AB"), "22"),
        ):
            received = receive(sent.message, _CA)
            self.assertEqual(received.message_type, number)
            name, serial = core.SequenceOf(spec=core.Any).load(received.content, strict=True)
            self.assertEqual(name.dump(), _NAME)
            self.assertEqual(core.Integer.load(serial.dump()).native, 2**127 + 9)

    def test_openssl(self) -> None:
        """
        openssl verifies the signature, and finds the cipher and digest of the dialect.
        """
        require("openssl")
        asked = IssuerAndSerial(_NAME, 7)
        for cipher, digest in (("aes-256-cbc", "sha512"), ("des-ede3-cbc", "sha1")):
            sent = requester(Dialect(cipher, digest)).get_crl(asked, "AB")
            envelope = openssl_verify(sent.message)
            printed = openssl("cms", "-cmsout", "-print", "-inform", "DER", stdin=envelope)
            self.assertIn(cipher.encode(), printed)
            printed = openssl("cms", "-cmsout", "-print", "-inform", "DER", stdin=sent.message)
            self.assertIn(digest.encode(), printed)

    def test_single_des(self) -> None:
        """
        Single DES goes out by opt-in only.
        """
        asked = IssuerAndSerial(_NAME, 7)
        refused = requester(Dialect("des-cbc"))
        self.assertRaises(UnsupportedAlgorithm, refused.get_crl, asked, "AB")
        allowed = requester(Dialect("des-cbc", allow_des=True))
        # 1.3.14.3.2.7
        self.assertIn(b"\x2b\x0e\x03\x02\x07", allowed.get_crl(asked, "AB").message)

    def test_recipient(self) -> None:
        """
        A recipient that can't be read is refused.
        """
        wrong = requester(recipient=b"\x30\x00")
        error = self.assertRaises(MessageError, wrong.get_crl, IssuerAndSerial(_NAME, 7), "AB")
        self.assertIsInstance(error, EncodingError)

    def test_repr(self) -> None:
        """
        The repr holds neither key nor message.
        """
        sent = requester().get_crl(IssuerAndSerial(_NAME, 7), "AB")
        self.assertNotIn("key", repr(requester()))
        self.assertNotIn("message", repr(sent))
