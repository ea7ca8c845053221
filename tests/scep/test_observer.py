"""
Tests of ``scepd.scep.observer``.
"""

from __future__ import annotations

import os
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from scepd.pki.identity import identify
from scepd.scep.attributes import FailInfo
from scepd.scep.messages import parse_pki_message
from scepd.scep.observer import (
    AnswerReport,
    BoundedCopy,
    ProvenSigners,
    observe_answer,
    observe_request,
)
from scepd.scep.replies import build_cert_rep_failure
from tests.support.asn1_trees import tree_of
from tests.support.pki import (
    openssl_sign,
    party,
    pkcs_req,
    printable,
    scep_attributes,
    scep_message,
    tlv,
)

FEW = settings(max_examples=150, deadline=None, derandomize=True, database=None)
CA = party("CN=authority")
CLIENT = party("CN=client", 1)
REQUEST = pkcs_req(CLIENT, b"envelope")
ANSWER_ATTRIBUTES = scep_attributes(
    message_type=printable("3"),
    transaction_id=printable("0123456789ABCDEF"),
    pki_status=printable("2"),
    fail_info=printable("2"),
    fail_info_text=tlv(0x0C, b"no such challenge"),
)
ANSWER = scep_message(CA, ANSWER_ATTRIBUTES)


def answer(**changes: bytes) -> bytes:
    """
    Sign a FAILURE by hand; ``changes`` replace or add attributes.
    """
    values = {
        "message_type": printable("3"),
        "transaction_id": printable("T"),
        "pki_status": printable("2"),
        "fail_info": printable("2"),
    }
    return scep_message(CA, scep_attributes(**(values | changes)))


class BoundedCopyTests(SynchronousTestCase):
    """
    Tests of ``BoundedCopy``.
    """

    def test_bound(self) -> None:
        """
        It keeps what fits and counts the rest.
        """
        copy = BoundedCopy(5)
        copy.feed(b"abc")
        self.assertEqual((copy.getvalue(), copy.total, copy.truncated), (b"abc", 3, False))
        copy.feed(b"de")
        self.assertFalse(copy.truncated)
        copy.feed(b"fg" * 1000)
        copy.feed(b"")
        self.assertEqual((copy.getvalue(), copy.total, copy.truncated), (b"abcde", 2005, True))

    @FEW
    @given(st.lists(st.integers(0, 9000), max_size=8), st.integers(0, 20_000))
    def test_pieces(self, sizes: list[int], limit: int) -> None:
        """
        However the octets come, and whenever they are asked for, they are the first ones in order.
        """
        copy, fed = BoundedCopy(limit), b""
        for number, size in enumerate(sizes):
            copy.feed(bytes([number]) * size)
            fed += bytes([number]) * size
            self.assertEqual(copy.getvalue(), fed[:limit])
        self.assertEqual((copy.total, copy.truncated), (len(fed), len(fed) > limit))


class ObserveRequestTests(SynchronousTestCase):
    """
    Tests of ``observe_request``.
    """

    def test_request(self) -> None:
        """
        A request gives its type, transaction and signer.
        """
        report = observe_request(REQUEST)
        self.assertEqual(report.message_type, "PKCSReq")
        self.assertEqual(report.transaction_id, "0123456789ABCDEF")
        self.assertEqual(report.signer_key_sha256, identify(CLIENT.certificate).public_key_sha256)
        self.assertIsNone(report.fault)

    def test_wrong_signature(self) -> None:
        """
        A wrong signature gives no signer, but still type and transaction.
        """
        report = observe_request(REQUEST.replace(b"envelope", b"ENVELOPE"))
        self.assertEqual(report.message_type, "PKCSReq")
        self.assertIsNone(report.signer_key_sha256)
        self.assertEqual(report.fault, "The signed digest does not fit the content.")

    def test_type_18(self) -> None:
        """
        An unknown messageType is a fault, and the transaction is named all the same.
        """
        report = observe_request(pkcs_req(CLIENT, b"x", message_type=printable("18")))
        self.assertIsNone(report.message_type)
        self.assertEqual(report.transaction_id, "0123456789ABCDEF")
        self.assertIn("messageType", report.fault or "")

    def test_no_signed_attributes(self) -> None:
        """
        A request without signedAttrs says nothing but its fault.
        """
        report = observe_request(openssl_sign(CLIENT, b"content", "-nodetach", "-noattr"))
        self.assertEqual(report.fault, "The message has no signed attributes.")
        self.assertIsNone(report.signer_key_sha256)

    @FEW
    @given(st.randoms(use_true_random=False))
    def test_ber(self, chance: Random) -> None:
        """
        Whatever in it is in BER, as deep as may be, the report is the same.
        """
        self.assertEqual(observe_request(tree_of(REQUEST).ber(chance)), observe_request(REQUEST))

    def test_answer_instead(self) -> None:
        """
        An answer in the place of a request is a fault.
        """
        report = observe_request(ANSWER)
        self.assertIsNone(report.signer_key_sha256)
        self.assertIn("answer", report.fault or "")

    @FEW
    @given(st.data())
    def test_any_bytes(self, data: st.DataObject) -> None:
        """
        Whatever the bytes, there is a report, and a fault where no key is named.
        """
        message = bytearray(REQUEST)
        at = data.draw(st.integers(0, len(message) - 1))
        message[at] = data.draw(st.integers(0, 255))
        for broken in (bytes(message), bytes(message[:at]), data.draw(st.binary(max_size=64))):
            report = observe_request(broken)
            self.assertNotEqual(report.signer_key_sha256 is None, report.fault is None)


class ObserveAnswerTests(SynchronousTestCase):
    """
    Tests of ``observe_answer``.
    """

    def test_failure(self) -> None:
        """
        A FAILURE gives its reason.
        """
        expected = AnswerReport(
            "FAILURE", "badRequest", "no such challenge", "0123456789ABCDEF", None
        )
        self.assertEqual(observe_answer(ANSWER), expected)

    def test_our_own(self) -> None:
        """
        An answer of our own authority is understood too.
        """
        request = parse_pki_message(REQUEST)
        arguments = (FailInfo.BAD_ALG, CA.key, CA.certificate, os.urandom)
        report = observe_answer(build_cert_rep_failure(request, *arguments))
        self.assertEqual((report.pki_status, report.fail_info), ("FAILURE", "badAlg"))

    def test_wrong_signature(self) -> None:
        """
        The status is reported beside the fault, as the device may go by it.
        """
        report = observe_answer(ANSWER[:-1] + bytes([ANSWER[-1] ^ 1]))
        self.assertEqual(report.pki_status, "FAILURE")
        self.assertEqual(report.fault, "The signature is wrong.")

    def test_proven(self) -> None:
        """
        With a key that was found to sign right, signatures are not computed; digests are compared.
        """
        proven, forged = ProvenSigners(), ANSWER[:-1] + bytes([ANSWER[-1] ^ 1])
        for _ in range(2):
            self.assertEqual(observe_answer(forged, proven).fault, "The signature is wrong.")
        self.assertIsNone(observe_answer(ANSWER, proven).fault)
        self.assertIsNone(observe_answer(forged, proven).fault)
        signed = scep_message(CA, ANSWER_ATTRIBUTES, b"content")
        changed = observe_answer(signed.replace(b"content", b"CONTENT"), proven)
        self.assertEqual(changed.fault, "The signed digest does not fit the content.")
        other = scep_message(CLIENT, ANSWER_ATTRIBUTES)
        wrong = observe_answer(other[:-1] + bytes([other[-1] ^ 1]), proven)
        self.assertEqual(wrong.fault, "The signature is wrong.")

    def test_few_proven(self) -> None:
        """
        Not more are remembered than the limit says.
        """
        proven = ProvenSigners(1)
        observe_answer(ANSWER, proven)
        observe_answer(scep_message(CLIENT, ANSWER_ATTRIBUTES), proven)
        forged = ANSWER[:-1] + bytes([ANSWER[-1] ^ 1])
        self.assertEqual(observe_answer(forged, proven).fault, "The signature is wrong.")

    def test_other_bodies(self) -> None:
        """
        A page, nothing and a request are faults that hold nothing of the body.
        """
        for body in (b"<html>secret</html>", b"", REQUEST):
            report = observe_answer(body)
            self.assertIsNone(report.pki_status)
            self.assertTrue(report.fault)
            self.assertNotIn("secret", report.fault or "")

    @FEW
    @given(st.data())
    def test_any_bytes(self, data: st.DataObject) -> None:
        """
        Whatever the bytes, there is a report.
        """
        message = bytearray(ANSWER)
        at = data.draw(st.integers(0, len(message) - 1))
        message[at] = data.draw(st.integers(0, 255))
        for broken in (bytes(message), bytes(message[:at]), data.draw(st.binary(max_size=64))):
            self.assertIsInstance(observe_answer(broken), AnswerReport)


class LenientAnswerTests(SynchronousTestCase):
    """
    Tests for answers that devices understand, and that we would refuse.
    """

    def assert_read(
        self,
        body: bytes,
        status: str = "FAILURE",
        fail_info: str | None = "badRequest",
        text: str | None = None,
        transaction_id: str | None = "T",
    ) -> None:
        """
        What the report says; there is a fault, too.
        """
        report = observe_answer(body)
        self.assertEqual(
            (report.pki_status, report.fail_info, report.fail_info_text, report.transaction_id),
            (status, fail_info, text, transaction_id),
        )
        self.assertTrue(report.fault)

    def test_long_text(self) -> None:
        """
        A failInfoText above 1 kB is cut off, a character that is cut in two is replaced.
        """
        self.assert_read(answer(fail_info_text=tlv(0x0C, b"x" * 2000)), text="x" * 1024)
        odd = tlv(0x0C, b"x" * 1023 + "\u00e4".encode() + b"x" * 1000)
        self.assert_read(answer(fail_info_text=odd), text="x" * 1023 + "\ufffd")
        self.assert_read(answer(fail_info_text=tlv(0x0C, b"\xff")), text="\ufffd")

    def test_nonces(self) -> None:
        """
        Nonces of any length or type.
        """
        for nonce in (tlv(0x04), tlv(0x04, bytes(65)), tlv(0x02, b"\x01")):
            self.assert_read(answer(recipient_nonce=nonce))
            self.assert_read(answer(sender_nonce=nonce))
            pending = answer(sender_nonce=nonce, pki_status=printable("3"))
            self.assert_read(pending, "PENDING")

    def test_values(self) -> None:
        """
        A failInfo that nobody knows, a transactionID that can't be, and other kinds of strings.
        """
        self.assert_read(answer(fail_info=printable("15")), fail_info=None)
        self.assert_read(answer(transaction_id=printable("x" * 257)), transaction_id=None)
        self.assert_read(answer(transaction_id=printable("a\nb")), transaction_id=None)
        self.assert_read(answer(transaction_id=tlv(0x0C, b"T")))
        self.assert_read(answer(pki_status=tlv(0x0C, b"0")), "SUCCESS")

    def test_certificates(self) -> None:
        """
        More certificates than we take apart.
        """
        body = scep_message(CA, ANSWER_ATTRIBUTES, None, [CLIENT.certificate] * 16)
        text = "no such challenge"
        self.assert_read(body, text=text, transaction_id="0123456789ABCDEF")

    def test_trailing_octets(self) -> None:
        """
        What is behind the message.
        """
        self.assert_read(answer() + b"\r\n")

    @FEW
    @given(st.randoms(use_true_random=False))
    def test_ber(self, chance: Random) -> None:
        """
        In BER it is the same.
        """
        self.assert_read(tree_of(answer(sender_nonce=tlv(0x04, bytes(65)))).ber(chance))

    def test_doubt(self) -> None:
        """
        What is no CertRep, or tells two things or none, has no status; nor has one that is cut off.
        """
        long = answer(fail_info_text=tlv(0x0C, b"x" * 2000))
        nonce = scep_attributes(sender_nonce=tlv(0x04))
        twice = scep_attributes(message_type=printable("3"), pki_status=printable("0"))
        for body in (
            answer(pki_status=printable("1")),
            answer(pki_status=tlv(0x04, b"2")),
            answer(pki_status=tlv(0x13)),
            answer(message_type=printable("19"), sender_nonce=tlv(0x04)),
            answer(message_type=printable("18")),
            scep_message(CA, [*ANSWER_ATTRIBUTES, *twice]),
            scep_message(CA, nonce),
            scep_message(CA, [*ANSWER_ATTRIBUTES, *nonce, *nonce * 300]),
            long[:-1],
            long[: len(long) // 2],
        ):
            report = observe_answer(body)
            self.assertIsNone(report.pki_status)
            self.assertTrue(report.fault)

    def test_unprintable_text(self) -> None:
        """
        Line ends and NUL in the authority's words become spaces.
        """
        for size in (1, 2000):
            text = tlv(0x0C, b"no\x00such\nthing" + b"x" * size)
            found = observe_answer(answer(fail_info_text=text)).fail_info_text
            self.assertEqual((found or "")[:14], "no such thingx")

    @FEW
    @given(st.data())
    def test_any_bytes(self, data: st.DataObject) -> None:
        """
        Whatever the bytes, there is a report.
        """
        message = bytearray(answer(sender_nonce=tlv(0x04)))
        at = data.draw(st.integers(0, len(message) - 1))
        message[at] = data.draw(st.integers(0, 255))
        for broken in (bytes(message), bytes(message[:at])):
            self.assertIsInstance(observe_answer(broken), AnswerReport)
