"""
Tests for the way of an answer to the device.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import UpstreamError, UpstreamFault
from scepd.scep.observer import BoundedCopy
from scepd.services.answer_relay import AnswerRelay
from scepd.services.proxying import Operation
from tests.support.proxy_fakes import FakeDevice
from tests.support.scep_messages import authority, cert_rep

# openssl crl2pkcs7 and Go's encoders may choose BER; this begins like theirs.
_BER = b"\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02\xa0\x80" + bytes(40)


class AnswerRelayTests(SynchronousTestCase):
    """
    Tests for answers, part by part.
    """

    def begin(
        self, operation: Operation = Operation.PKI_OPERATION, length: int | None = None
    ) -> AnswerRelay:
        """
        A relay that has seen the head of an answer.
        """
        self.device = FakeDevice()
        self.copy = BoundedCopy()
        relay = AnswerRelay(self.device, operation, "ca.example", self.copy)
        relay.start(200, length)
        return relay

    def complaint_about(self, operation: Operation, *parts: bytes) -> str:
        """
        What is said of a wrong answer, of which the device gets nothing.
        """
        relay = self.begin(operation)
        with self.assertRaises(UpstreamError) as caught:
            for part in parts:
                relay.pass_on(part)
            relay.check_complete()
        self.assertIs(caught.exception.fault, UpstreamFault.BODY)
        self.assertEqual((self.device.heard, self.device.body), ([], b""))
        return str(caught.exception)

    @settings(max_examples=60, deadline=None)
    @given(st.lists(st.integers(1, 400), max_size=10))
    def test_all_but_the_last_byte(self, cuts: list[int]) -> None:
        """
        However the answer arrives, the device gets all of it, and its last byte at the end only.
        """
        answer, relay = cert_rep(), self.begin(length=len(cert_rep()))
        rest = answer
        for cut in cuts:
            if rest[:cut]:
                relay.pass_on(rest[:cut])
                rest = rest[cut:]
                self.assertTrue(answer[:-1].startswith(self.device.body))
        if rest:
            relay.pass_on(rest)
        relay.check_complete()
        # What was complete before any of it had gone goes in one piece.
        self.assertIn(self.device.body, (b"", answer[:-1]))
        relay.end()
        self.assertEqual((self.device.body, self.copy.getvalue()), (answer, answer))
        self.assertEqual((self.device.heard, self.device.length), (["begin", "end"], len(answer)))
        self.assertEqual(relay.passed_on, len(answer))

    def test_nothing_before_it_is_recognized(self) -> None:
        """
        As long as the first octets could be anything the device gets nothing.
        """
        relay = self.begin()
        relay.pass_on(cert_rep()[:5])
        self.assertFalse(relay.begun)
        relay.pass_on(cert_rep()[5:20])
        self.assertTrue(relay.begun)
        self.assertEqual(self.device.body, cert_rep()[:19])

    def test_content_types(self) -> None:
        """
        Each kind of answer is told by its octets (RFC 8894 section 4).
        """
        for operation, body, expected in (
            (Operation.GET_CA_CAPS, b"\r\nAES\n", "text/plain"),
            (Operation.GET_CA_CERT, authority().certificate, "application/x-x509-ca-cert"),
            (Operation.GET_CA_CERT, _BER, "application/x-x509-ca-ra-cert"),
            (Operation.GET_NEXT_CA_CERT, _BER, "application/x-x509-next-ca-cert"),
            (Operation.PKI_OPERATION, _BER, "application/x-pki-message"),
        ):
            self.begin(operation).pass_on(body)
            self.assertEqual(self.device.content_type, expected)

    def test_no_capabilities(self) -> None:
        """
        An empty GetCACaps is an answer: of a CA that has no capabilities (section 3.5.2).
        """
        relay = self.begin(Operation.GET_CA_CAPS)
        relay.check_complete()
        relay.end()
        self.assertEqual((self.device.heard, self.device.body), (["begin", "end"], b""))

    def test_wrong_bodies(self) -> None:
        """
        What is no answer to the operation is not passed on: HTML, another kind, or nothing.
        """
        for operation in Operation:
            text = self.complaint_about(operation, b" ", b"\n", b"<html>", b" " * 40)
            self.assertEqual(
                text, f"ca.example answered {operation.wire_name} with a body that is none"
            )
        for operation in (Operation.GET_CA_CERT, Operation.PKI_OPERATION):
            text = self.complaint_about(operation)
            self.assertIn("an empty body", text)
            self.complaint_about(operation, b"\x30")
            self.complaint_about(operation, b"SHA-256\n" * 5)
        self.complaint_about(Operation.PKI_OPERATION, authority().certificate)

    def test_error_status(self) -> None:
        """
        Another status than 200 is an error, 3xx too.
        """
        for status in (201, 302, 404, 500):
            relay = AnswerRelay(FakeDevice(), Operation.GET_CA_CERT, "ca.example", None)
            with self.assertRaises(UpstreamError) as caught:
                relay.start(status, None)
            self.assertIs(caught.exception.fault, UpstreamFault.STATUS)
            more = "; redirects are not followed" if status == 302 else ""
            self.assertEqual(
                str(caught.exception),
                f"ca.example answered GetCACert with HTTP status {status}{more}",
            )
