"""
Tests for GetCert, GetCRL and the revocation lists of the embedded certificate authority.
"""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import timedelta

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from twisted.internet.defer import Deferred

from scepd.errors import Conflict, InvalidInput, NotFound, StorageUnavailable
from scepd.model import REVOCATION_REASONS
from scepd.scep.attributes import FailInfo, MessageType
from scepd.scep.requesting import SentRequest
from tests.services.issuing_case import IssuingCase, Sender
from tests.support.pki import NOW, openssl, openssl_decrypt, openssl_verify, party, tlv

DEVICE = Sender()
OTHER = Sender(party("CN=other", 2))
DAY = 86_400
UNKNOWN = "this authority issued no such certificate, or the envelope could not be opened"


class QueryCase(IssuingCase):
    """
    An authority that has issued a certificate.
    """

    def setUp(self) -> None:
        """
        Enroll a device.
        """
        super().setUp()
        self.issued = self.enroll(DEVICE)

    def ask(
        self, kind: MessageType, number: int | None = None, issuer: x509.Name | None = None
    ) -> SentRequest:
        """
        A GetCert or GetCRL by somebody else, of an IssuerAndSerialNumber.
        """
        wanted = self.issued.serial_number if number is None else number
        octets = wanted.to_bytes(wanted.bit_length() // 8 + 1, "big", signed=True)
        name = (issuer or self.authority.subject).public_bytes()
        return OTHER.ask(kind, tlv(0x30, name, tlv(0x02, octets)), self.certificate, "query")

    def answered(self, sent: SentRequest) -> bytes:
        """
        The degenerate SignedData that OpenSSL finds in the answer.
        """
        answer = self.successResultOf(self.begin(sent.message))
        return openssl_decrypt(OTHER.identity, openssl_verify(answer))

    def current_list(self) -> x509.CertificateRevocationList:
        """
        The list as it is given out by HTTP.
        """
        found = x509.load_der_x509_crl(self.done(self.parts.lists.with_serial(None)))
        self.assertTrue(found.is_signature_valid(self.authority.public_key()))  # type: ignore[arg-type]
        return found


class GetCertTests(QueryCase):
    """
    Tests for GetCert.
    """

    def test_found(self) -> None:
        """
        The certificate of a serial number is given to whoever knows it.
        """
        content = self.answered(self.ask(MessageType.GET_CERT))
        pem = openssl("pkcs7", "-inform", "DER", "-print_certs", stdin=content)
        self.assertEqual(x509.load_pem_x509_certificates(pem), [self.issued])

    def test_own(self) -> None:
        """
        The authority's own certificate has a serial number, too.
        """
        sent = self.ask(MessageType.GET_CERT, self.authority.serial_number)
        self.assertIn(self.certificate, self.answered(sent))

    def test_unknown(self) -> None:
        """
        What is not there is badCertId: another number, a negative one, another issuer.
        """
        for number in (self.issued.serial_number + 1, -self.issued.serial_number, 0):
            sent = self.ask(MessageType.GET_CERT, number)
            self.assert_failure(sent, UNKNOWN, FailInfo.BAD_CERT_ID)
        name = x509.Name.from_rfc4514_string("CN=another")
        sent = self.ask(MessageType.GET_CERT, issuer=name)
        self.assert_failure(sent, UNKNOWN, FailInfo.BAD_CERT_ID)

    def test_junk(self) -> None:
        """
        A query that holds something else is like one for what is not there.
        """
        for kind in (MessageType.GET_CERT, MessageType.GET_CRL):
            for junk in (b"\x30\x00", os.urandom(30)):
                sent = OTHER.ask(kind, junk, self.certificate, "query")
                self.assert_failure(sent, UNKNOWN, FailInfo.BAD_CERT_ID)

    def test_storage_unavailable(self) -> None:
        """
        Without a database there is no answer, rather than a wrong one.
        """
        self.store.broken = True
        answer = self.begin(self.ask(MessageType.GET_CERT).message)
        self.failureResultOf(answer, StorageUnavailable)


class GetCRLTests(QueryCase):
    """
    Tests for GetCRL.
    """

    def test_found(self) -> None:
        """
        The list of the issuer is in the answer, alone.
        """
        self.revoke(self.issued)
        content = self.answered(self.ask(MessageType.GET_CRL))
        self.assertIn(self.done(self.parts.lists.with_serial(None)), content)
        text = openssl("pkcs7", "-inform", "DER", "-print_certs", stdin=content)
        self.assertNotIn(b"BEGIN CERTIFICATE", text)

    def test_unknown(self) -> None:
        """
        Another issuer, or a certificate that it did not issue: badCertId.
        """
        name = x509.Name.from_rfc4514_string("CN=another")
        sent = self.ask(MessageType.GET_CRL, issuer=name)
        self.assert_failure(sent, UNKNOWN, FailInfo.BAD_CERT_ID)
        self.assert_failure(self.ask(MessageType.GET_CRL, 7), UNKNOWN, FailInfo.BAD_CERT_ID)


class RevocationTests(QueryCase):
    """
    Tests for revoking, and for the lists.
    """

    def test_empty(self) -> None:
        """
        A list says who made it and until when it holds, also when there is nothing on it.
        """
        found = self.current_list()
        self.assertEqual((len(found), found.issuer), (0, self.authority.subject))
        self.assertEqual(found.last_update_utc, NOW - timedelta(minutes=5))
        self.assertEqual(found.next_update_utc, NOW + timedelta(days=7))

    def test_revoked(self) -> None:
        """
        OpenSSL refuses a revoked certificate by the list, and takes the others.
        """
        other = self.enroll(Sender(party("CN=third", 3), "CN=third", "the-static-challenge"))
        self.revoke(self.issued)
        revocations = self.done(self.parts.lists.with_serial(None))
        files = {
            "crl.pem": openssl("crl", "-inform", "DER", stdin=revocations),
            "ca.pem": self.authority.public_bytes(Encoding.PEM),
            "revoked.pem": self.issued.public_bytes(Encoding.PEM),
            "good.pem": other.public_bytes(Encoding.PEM),
        }
        at = str(int(NOW.timestamp()))
        check = ("verify", "-crl_check", "-CRLfile", "crl.pem", "-CAfile", "ca.pem", "-attime", at)
        self.assertEqual(openssl(*check, "good.pem", files=files), b"good.pem: OK\n")
        error = self.assertRaises(RuntimeError, openssl, *check, "revoked.pem", files=files)
        self.assertIn("certificate revoked", str(error))

    def test_reasons(self) -> None:
        """
        Each reason is in the list, but for unspecified (RFC 5280 section 5.3.1).
        """
        for number, reason in enumerate(REVOCATION_REASONS):
            sender = Sender(
                party("CN=third", 3), f"CN=r{number}", "the-static-challenge", transaction_id=reason
            )
            self.revoke(self.enroll(sender), reason)
            entry = list(self.current_list())[number]
            found = [each.value for each in entry.extensions]
            expected = [] if reason == "unspecified" else [x509.CRLReason(x509.ReasonFlags(reason))]
            self.assertEqual(found, expected)

    def test_cached(self) -> None:
        """
        A list is made anew when something was revoked, or half of its time is over; its number
        grows.
        """
        lists = self.parts.lists
        first = self.done(lists.with_serial(None))
        self.clock.advance(3 * DAY)
        self.assertIs(self.done(lists.with_serial(None)), first)
        self.clock.advance(DAY)
        second = self.done(lists.with_serial(None))
        self.assertIsNot(second, first)
        self.revoke(self.issued)
        third = self.done(lists.with_serial(None))
        self.clock.advance(1)
        self.assertIs(self.done(lists.with_serial(None)), third)
        numbers = [
            x509.load_der_x509_crl(each).extensions.get_extension_for_class(x509.CRLNumber).value
            for each in (first, second)
        ]
        self.assertLess(numbers[0].crl_number, numbers[1].crl_number)

    def test_expired(self) -> None:
        """
        What has expired leaves the list.
        """
        self.revoke(self.issued)
        self.assertEqual(len(self.current_list()), 1)
        self.clock.advance(5 * 365 * DAY)
        self.assertEqual(len(self.current_list()), 0)

    def test_unknown_issuer(self) -> None:
        """
        There is no list of certificates that the authority never had.
        """
        wanted = Deferred.fromCoroutine(self.parts.lists.with_serial("00AA"))
        self.failureResultOf(wanted, NotFound)

    def test_faults(self) -> None:
        """
        A reason that cannot be, junk for a serial number, one that is not there, and twice.
        """
        revoke = self.parts.certificates.revoke
        serial = self.store.certificates[0].serial
        for number, reason, error in (
            (serial, "because", InvalidInput),
            (serial, "removeFromCRL", InvalidInput),
            ("xyz", "unspecified", InvalidInput),
            ("A" * 41, "unspecified", InvalidInput),
            ("AA", "unspecified", NotFound),
        ):
            done = Deferred.fromCoroutine(revoke(number, reason, "alice"))
            self.failureResultOf(done, error)
        self.assertEqual(self.store.activities.records, [])
        spelled = ":".join(serial[at : at + 2] for at in range(0, len(serial), 2)).lower()
        self.done(revoke(spelled, "superseded", "alice"))
        again = Deferred.fromCoroutine(revoke(serial, "superseded", "alice"))
        self.failureResultOf(again, Conflict)
        [activity] = self.store.activities.records
        self.assertEqual((activity.actor, activity.subject), ("alice", serial))

    def test_first_zero(self) -> None:
        """
        A serial number may be written without the zero that it begins with, or with more of them.
        """
        first = self.store.certificates[0]
        for spelled in ("a0b", "0A0B", "00:0a:0b"):
            self.store.certificates[0] = replace(first, serial="0A0B")
            self.done(self.parts.certificates.revoke(spelled, "superseded", "alice"))
            self.assertEqual(self.store.activities.records[-1].subject, "0A0B")
