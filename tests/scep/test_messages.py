"""
Tests of ``scepd.scep.messages``, ``scepd.scep.replies`` and ``scepd.scep.requesting``.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace

from cryptography import x509
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import (
    DecryptionFailed,
    EncodingError,
    LimitExceeded,
    MessageError,
    SignatureInvalid,
    UnsupportedAlgorithm,
)
from scepd.pki.certificates_only import parse_certificates_only
from scepd.pki.enveloped_data import parse_envelope
from scepd.pki.requests import build_request, parse_request
from scepd.pki.signed_data import parse_signed_data
from scepd.pki.signing import build_certificates_only
from scepd.scep.attributes import FailInfo, MessageType, PKIStatus
from scepd.scep.messages import (
    OpenedRequest,
    PKIMessage,
    open_request,
    parse_pki_message,
    read_envelope,
    read_header,
)
from scepd.scep.queries import (
    IssuerAndSerial,
    IssuerAndSubject,
    parse_issuer_and_serial,
    parse_issuer_and_subject,
)
from scepd.scep.replies import (
    build_cert_rep_crls,
    build_cert_rep_failure,
    build_cert_rep_pending,
    build_cert_rep_success,
)
from scepd.scep.requesting import (
    build_pkcs_req,
    build_pki_request,
    check_answer,
    open_cert_rep,
    transaction_id_for,
)
from tests.support.hostile_messages import Message
from tests.support.pki import (
    SCEP_OIDS,
    oid,
    openssl,
    openssl_decrypt,
    openssl_encrypt,
    openssl_sign,
    openssl_verify,
    party,
    pkcs_req,
    printable,
    scep_attributes,
    scep_message,
    tlv,
)

FEW = settings(max_examples=150, deadline=None, derandomize=True, database=None)
CA = party("CN=authority", ca=True, usage="sign encipher")
CLIENT = party("CN=client", 1)
CSR = build_request(CLIENT.key, x509.Name.from_rfc4514_string("CN=client"), "open sesame")
ENVELOPE = openssl_encrypt(CA, CSR, "-aes-256-cbc")
REQUEST = pkcs_req(CLIENT, ENVELOPE)


def opened(message: PKIMessage, **options: bool) -> OpenedRequest:
    """
    Open a request as the authority.
    """
    return open_request(message, CA.key, CA.certificate, os.urandom, **options)


class ParsePKIMessageTests(SynchronousTestCase):
    """
    Tests of ``parse_pki_message``.
    """

    def test_request(self) -> None:
        """
        A request signed by hand is read and verified.
        """
        message = parse_pki_message(REQUEST)
        self.assertIs(message.message_type, MessageType.PKCS_REQ)
        self.assertEqual(message.transaction_id, "0123456789ABCDEF")
        self.assertEqual(message.sender_nonce, b"n" * 16)
        self.assertEqual(message.signer_certificate, CLIENT.certificate)
        self.assertEqual((message.content, message.raw), (ENVELOPE, REQUEST))
        digest = openssl("dgst", "-sha256", "-r", stdin=CLIENT.public_key_info).split()[0]
        self.assertEqual(message.signer_key_sha256, digest.decode("ascii"))

    def test_ber(self) -> None:
        """
        The same with an indefinite length around all, as Apple's client sends it, verifies.
        """
        message = parse_pki_message(b"\x30\x80" + REQUEST[4:] + b"\x00\x00")
        self.assertIs(message.message_type, MessageType.PKCS_REQ)

    def test_type_18(self) -> None:
        """
        messageType 18 is refused before the signature is looked at.
        """
        message = pkcs_req(CLIENT, ENVELOPE, message_type=printable("18"))
        for data in (message, message[:-1] + b"\x00"):
            error = self.assertRaises(EncodingError, parse_pki_message, data)
            self.assertIn("messageType", str(error))

    def test_no_scep_attributes(self) -> None:
        """
        A SignedData without SCEP attributes is no pkiMessage.
        """
        self.assertRaises(EncodingError, parse_pki_message, scep_message(CLIENT, [], b"x"))

    def test_wrong_digest(self) -> None:
        """
        Changed content is refused.
        """
        broken = REQUEST.replace(ENVELOPE, ENVELOPE[:-1] + bytes([ENVELOPE[-1] ^ 1]))
        self.assertRaises(SignatureInvalid, parse_pki_message, broken)

    def test_changed_attribute(self) -> None:
        """
        A changed attribute is refused.
        """
        broken = REQUEST.replace(b"0123456789ABCDEF", b"0123456789ABCDEE")
        self.assertRaises(SignatureInvalid, parse_pki_message, broken)

    def test_doubled_attribute(self) -> None:
        """
        A doubled attribute is refused, though it is signed.
        """
        twice = scep_attributes(transaction_id=printable("a")) + scep_attributes(
            transaction_id=printable("b"),
            message_type=printable("19"),
            sender_nonce=tlv(0x04, b"n"),
        )
        self.assertRaises(EncodingError, parse_pki_message, scep_message(CLIENT, twice, b"x"))

    def test_size(self) -> None:
        """
        A message above the limit is refused.
        """
        self.assertRaises(LimitExceeded, parse_pki_message, REQUEST, max_size=len(REQUEST) - 1)
        self.assertRaises(LimitExceeded, parse_pki_message, b"\x30" * 262_145)

    def test_header(self) -> None:
        """
        A message that is refused still gives what its refusal needs.
        """
        header = read_header(pkcs_req(CLIENT, ENVELOPE, message_type=printable("18")))
        self.assertEqual(header.transaction_id, "0123456789ABCDEF")
        self.assertEqual(header.sender_nonce, b"n" * 16)

    def test_header_of_two_signers(self) -> None:
        """
        Of several signers the first one's attributes serve.
        """
        first = Message(ENVELOPE, (CLIENT, party("CN=another", 2)), "0123456789ABCDEF")
        header = read_header(first.encode())
        self.assertEqual(header.transaction_id, "0123456789ABCDEF")
        self.assertEqual(header.sender_nonce, b"n" * 16)
        for none in (replace(first, signers=()), replace(first, signed_attributes=False)):
            self.assertRaises(SignatureInvalid, read_header, none.encode())

    @FEW
    @given(st.data())
    def test_broken(self, data: st.DataObject) -> None:
        """
        Truncated or changed messages give a message or an error of ours.
        """
        message = bytearray(REQUEST)
        at = data.draw(st.integers(0, len(message) - 1))
        message[at] = data.draw(st.integers(0, 255))
        for broken in (bytes(message), bytes(message[:at]), data.draw(st.binary(max_size=64))):
            for reader in (parse_pki_message, read_header):
                try:
                    reader(broken)
                except MessageError:
                    continue


class CutTests(SynchronousTestCase):
    """
    Tests of messages, and of what is in them, that end early: at each octet.
    """

    def check(self, whole: bytes, *readers: Callable[[bytes], object]) -> None:
        """
        Each reader takes the whole, and no part of it.
        """
        for reader in readers:
            reader(whole)
            for end in range(len(whole)):
                self.assertRaises(MessageError, reader, whole[:end])

    def test_message(self) -> None:
        """
        A message in DER, or with indefinite lengths.
        """
        self.check(REQUEST, parse_pki_message, read_header)
        self.check(b"\x30\x80" + REQUEST[4:] + b"\x00\x00", parse_pki_message, read_header)
        streamed = openssl_sign(CLIENT, b"x" * 2000, "-nodetach", "-stream", "-indef")
        self.assertEqual(streamed[:2], b"\x30\x80")
        self.check(streamed, parse_signed_data)

    def test_contents(self) -> None:
        """
        An envelope, and a certification request.
        """
        self.check(ENVELOPE, parse_envelope)
        self.check(openssl_encrypt(CA, CSR, "-aes-128-gcm"), parse_envelope)
        self.check(openssl_encrypt(CA, CSR, "-aes128", "-stream", "-indef"), parse_envelope)
        self.check(CSR, parse_request)

    def test_answer(self) -> None:
        """
        The certificates in an answer.
        """
        self.check(build_certificates_only([CA.certificate]), parse_certificates_only)


class BadMessageCheckTests(SynchronousTestCase):
    """
    Tests of messages whose signature does not hold.
    """

    def refused(self, data: bytes) -> str:
        """
        Fail unless a message is refused with badMessageCheck; return the reason.
        """
        error = self.assertRaises(SignatureInvalid, parse_pki_message, data)
        self.assertIs(FailInfo(error.fail_info), FailInfo.BAD_MESSAGE_CHECK)
        return str(error)

    def test_no_signed_attributes(self) -> None:
        """
        Without signedAttrs there is nothing that makes it a SCEP message.
        """
        message = openssl_sign(CLIENT, ENVELOPE, "-nodetach", "-noattr")
        self.assertEqual(self.refused(message), "the message has no signed attributes")

    def test_number_of_signers(self) -> None:
        """
        A second signer is refused, though both signatures are right; and so is none.
        """
        second = party("CN=second", 2)
        both = openssl(
            *("cms", "-resign", "-inform", "DER", "-outform", "DER", "-in", "first.der"),
            *("-signer", "cert.pem", "-inkey", "key.pem"),
            files={
                "first.der": REQUEST,
                "cert.pem": second.certificate_pem,
                "key.pem": second.key_pem,
            },
        )
        expected = "the message does not have exactly one signer"
        self.assertEqual(self.refused(both), expected)
        self.assertEqual(self.refused(build_certificates_only([CLIENT.certificate])), expected)

    def test_no_certificate(self) -> None:
        """
        The certificate that the signer names must be in the message.
        """
        other = party("CN=clienT", 2).certificate
        self.assertEqual(len(other), len(CLIENT.certificate))
        message = REQUEST.replace(CLIENT.certificate, other)
        self.assertEqual(self.refused(message), "the signer's certificate is not in the message")

    def test_digest(self) -> None:
        """
        The signed digest must be that of the content.
        """
        message = REQUEST.replace(ENVELOPE, ENVELOPE[:-1] + bytes([ENVELOPE[-1] ^ 1]))
        self.assertEqual(self.refused(message), "the signed digest does not fit the content")

    def test_doubled_digest(self) -> None:
        """
        A second messageDigest is refused, though it is signed and the first one fits.
        """
        values = {
            "message_type": printable("19"),
            "transaction_id": printable("a"),
            "sender_nonce": tlv(0x04, b"n"),
        }
        digest = tlv(0x30, oid("1.2.840.113549.1.9.4"), tlv(0x31, tlv(0x04, b"d" * 32)))
        message = scep_message(CLIENT, [*scep_attributes(**values), digest], b"x")
        self.assertRaises(EncodingError, parse_pki_message, message)

    def test_key_sizes(self) -> None:
        """
        A key below the size that is asked for signs nothing.
        """
        message = pkcs_req(party("CN=small", 1, bits=1024), b"x")
        self.assertEqual(parse_pki_message(message).digest, "sha256")
        self.assertRaises(UnsupportedAlgorithm, parse_pki_message, message, minimum_key_bits=2048)


class OpenRequestTests(SynchronousTestCase):
    """
    Tests of ``open_request``.
    """

    def test_opens(self) -> None:
        """
        The certification request in an envelope of openssl comes out, and the cipher's name.
        """
        found = opened(parse_pki_message(REQUEST))
        self.assertEqual(found.cipher, "aes-256-cbc")
        self.assertEqual(found.request.der, CSR)
        self.assertEqual(found.request.challenge_password, "open sesame")

    def test_one_error(self) -> None:
        """
        A broken RSA block, a broken padding and an unreadable request can't be told apart.
        """
        encrypted_key = parse_envelope(ENVELOPE).recipients[0].encrypted_key
        seen = set()
        for envelope in (
            ENVELOPE.replace(encrypted_key, b"\x01" * len(encrypted_key)),
            ENVELOPE[:-1] + bytes([ENVELOPE[-1] ^ 1]),
            openssl_encrypt(CA, b"no request at all", "-aes-256-cbc"),
            openssl_encrypt(CA, b"\x30\x80" * 50, "-aes-256-cbc"),
            openssl_encrypt(CA, CSR[:-1], "-aes-256-cbc"),
            openssl_encrypt(CLIENT, CSR, "-aes-256-cbc"),
        ):
            message = parse_pki_message(pkcs_req(CLIENT, envelope))
            error = self.assertRaises(DecryptionFailed, opened, message)
            seen.add((type(error), str(error), error.fail_info))
        self.assertEqual(len(seen), 1)

    def test_other_messages(self) -> None:
        """
        A message of another type, or without an envelope, is not opened.
        """
        poll = parse_pki_message(pkcs_req(CLIENT, ENVELOPE, message_type=printable("20")))
        self.assertRaises(EncodingError, opened, poll)
        empty = parse_pki_message(pkcs_req(CLIENT, b""))
        self.assertRaises(EncodingError, opened, empty)
        junk = parse_pki_message(pkcs_req(CLIENT, b"junk"))
        self.assertRaises(EncodingError, opened, junk)

    def test_weak_ciphers(self) -> None:
        """
        Triple DES can be forbidden.
        """
        message = parse_pki_message(pkcs_req(CLIENT, openssl_encrypt(CA, CSR, "-des3")))
        self.assertEqual(opened(message).cipher, "des-ede3-cbc")
        self.assertRaises(UnsupportedAlgorithm, opened, message, allow_3des=False)


class RequestingTests(SynchronousTestCase):
    """
    Tests of the client's side.
    """

    def test_openssl_reads_it(self) -> None:
        """
        openssl verifies and decrypts a request of ours, and finds its attributes.
        """
        sent = build_pkcs_req(CSR, CLIENT.key, CLIENT.certificate, CA.certificate, os.urandom)
        self.assertEqual(openssl_decrypt(CA, openssl_verify(sent.message)), CSR)
        printed = openssl("cms", "-cmsout", "-print", "-inform", "DER", stdin=sent.message)
        for expected in (SCEP_OIDS["transaction_id"], sent.transaction_id, "PRINTABLESTRING:19"):
            self.assertIn(expected.encode("ascii"), printed)

    def test_transaction_id(self) -> None:
        """
        A transaction is named by the SHA-1 of the key.
        """
        digest = openssl("dgst", "-sha1", "-r", stdin=CLIENT.public_key_info).split()[0]
        self.assertEqual(transaction_id_for(CLIENT.key).lower(), digest.decode("ascii"))

    def test_queries(self) -> None:
        """
        CertPoll and GetCert carry names and numbers there and back.
        """
        name = x509.load_der_x509_certificate(CA.certificate).subject.public_bytes()
        subject = IssuerAndSubject(name, name)
        serial = IssuerAndSerial(name, 2**127 + 1)
        self.assertEqual(subject.encode(), tlv(0x30, name, name))
        for kind, content in (
            (MessageType.CERT_POLL, subject.encode()),
            (MessageType.GET_CERT, serial.encode()),
        ):
            arguments = (CLIENT.key, CLIENT.certificate, CA.certificate, os.urandom)
            sent = build_pki_request(kind, content, *arguments, transaction_id="t")
            message = parse_pki_message(sent.message)
            self.assertIs(message.message_type, kind)
            found = read_envelope(message, CA.key, CA.certificate, os.urandom)
            self.assertEqual(found.content, content)
        self.assertEqual(parse_issuer_and_subject(subject.encode()), subject)
        self.assertEqual(parse_issuer_and_serial(serial.encode()), serial)
        for junk in (b"", b"\x30\x00", b"\x30\x80", tlv(0x30, name, name, name)):
            self.assertRaises(DecryptionFailed, parse_issuer_and_subject, junk)
            self.assertRaises(DecryptionFailed, parse_issuer_and_serial, junk)


class RepliesTests(SynchronousTestCase):
    """
    Tests of the authority's side.
    """

    def setUp(self) -> None:
        """
        Receive a request.
        """
        self.request = parse_pki_message(REQUEST)

    def test_success(self) -> None:
        """
        openssl finds the issued certificate alone, encrypted to the signer of the request.
        """
        issued = party("CN=issued", 1).certificate
        body = build_cert_rep_success(
            self.request,
            issued,
            CA.key,
            CA.certificate,
            os.urandom,
            request_cipher="aes-256-cbc",
        )
        envelope = openssl_verify(body)
        printed = openssl("cms", "-cmsout", "-print", "-inform", "DER", stdin=envelope)
        self.assertIn(b"aes-256-cbc", printed)
        inner = openssl_decrypt(CLIENT, envelope)
        pem = openssl("pkcs7", "-inform", "DER", "-print_certs", stdin=inner)
        self.assertEqual(pem.count(b"BEGIN CERTIFICATE"), 1)
        answer = parse_pki_message(body)
        self.assertIs(answer.pki_status, PKIStatus.SUCCESS)
        self.assertEqual(answer.transaction_id, self.request.transaction_id)
        self.assertEqual(answer.recipient_nonce, self.request.sender_nonce)
        self.assertEqual(len(answer.sender_nonce or b""), 16)
        self.assertEqual(answer.signer_certificate, CA.certificate)
        certificates = open_cert_rep(answer, CLIENT.key, CLIENT.certificate, os.urandom)
        self.assertEqual(certificates, (issued,))

    def test_failure(self) -> None:
        """
        A refusal has no envelope but an empty content, without which certmonger can't verify it
        (nor openssl, which it uses); it carries failInfo and a cut text.
        """
        header = read_header(pkcs_req(CLIENT, ENVELOPE, message_type=printable("18")))
        for request in (self.request, header):
            body = build_cert_rep_failure(
                request, FailInfo.BAD_TIME, CA.key, CA.certificate, os.urandom, text="ö" * 600
            )
            self.assertEqual(openssl_verify(body), b"")
            self.assertNotIn(b"ABSENT", openssl_content_of(body))
            answer = parse_pki_message(body)
            self.assertIs(answer.fail_info, FailInfo.BAD_TIME)
            self.assertEqual(answer.fail_info_text, "ö" * 512)
            self.assertEqual(answer.recipient_nonce, b"n" * 16)
            arguments = (CLIENT.key, CLIENT.certificate, os.urandom)
            self.assertRaises(EncodingError, open_cert_rep, answer, *arguments)

    def test_pending(self) -> None:
        """
        A PENDING has no envelope, and verifies with openssl like a refusal.
        """
        body = build_cert_rep_pending(self.request, CA.key, CA.certificate, os.urandom)
        self.assertEqual(openssl_verify(body), b"")
        answer = parse_pki_message(body)
        self.assertIs(answer.pki_status, PKIStatus.PENDING)
        self.assertIsNone(answer.content)

    def test_crls(self) -> None:
        """
        A GetCRL is answered with revocation lists only.
        """
        lists = [tlv(0x30, tlv(0x30))]
        body = build_cert_rep_crls(self.request, lists, CA.key, CA.certificate, os.urandom)
        inner = openssl_decrypt(CLIENT, openssl_verify(body))
        self.assertIn(tlv(0xA1, *lists), inner)

    def test_answer_to_another_request(self) -> None:
        """
        A client refuses an answer to another request.
        """
        sent = build_pkcs_req(CSR, CLIENT.key, CLIENT.certificate, CA.certificate, os.urandom)
        body = build_cert_rep_pending(self.request, CA.key, CA.certificate, os.urandom)
        self.assertRaises(SignatureInvalid, check_answer, parse_pki_message(body), sent)
        self.assertRaises(EncodingError, check_answer, self.request, sent)


def openssl_content_of(message: bytes) -> bytes:
    """
    Return the line about the eContent that openssl prints.
    """
    printed = openssl("cms", "-cmsout", "-print", "-inform", "DER", stdin=message)
    return next(line.strip() for line in printed.splitlines() if b"eContent:" in line)
