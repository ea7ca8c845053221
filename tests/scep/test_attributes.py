"""
Tests of ``scepd.scep.attributes``.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import EncodingError, LimitExceeded
from scepd.pki.signed_data import Attribute
from scepd.scep.attributes import (
    FailInfo,
    MessageType,
    PKIStatus,
    encode_scep_attributes,
    read_scep_attributes,
)
from tests.support.pki import SCEP_OIDS, printable, tlv

NONCE = tlv(0x04, b"n" * 16)


def request(**changes: bytes) -> tuple[Attribute, ...]:
    """
    The attributes of a PKCSReq, with some replaced or added.
    """
    values = {
        "message_type": printable("19"),
        "transaction_id": printable("id"),
        "sender_nonce": NONCE,
    }
    return _attributes(**(values | changes))


def answer(**changes: bytes) -> tuple[Attribute, ...]:
    """
    The attributes of a CertRep FAILURE, with some replaced or added.
    """
    values = {
        "message_type": printable("3"),
        "transaction_id": printable("id"),
        "pki_status": printable("2"),
        "fail_info": printable("4"),
    }
    return _attributes(**(values | changes))


class ReadTests(SynchronousTestCase):
    """
    Tests of ``read_scep_attributes``.
    """

    def test_message_types(self) -> None:
        """
        The types of the RFC are read, and every other value is refused.
        """
        words = []
        for number in ("17", "19", "20", "21", "22"):
            found = read_scep_attributes(request(message_type=printable(number)))
            words.append(found.message_type.word)
        self.assertEqual(words, ["RenewalReq", "PKCSReq", "CertPoll", "GetCert", "GetCRL"])
        for text in ("18", "0", "4", "", "019", "+19", " 19", "99"):
            broken = request(message_type=printable(text))
            self.assertRaises(EncodingError, read_scep_attributes, broken)

    def test_message_type_comes_first(self) -> None:
        """
        A bad messageType is what is complained about, whatever else is wrong.
        """
        broken = request(message_type=printable("18"), transaction_id=b"\x04\x00")
        error = self.assertRaises(EncodingError, read_scep_attributes, broken)
        self.assertIn("messageType", str(error))

    def test_failure(self) -> None:
        """
        pkiStatus, failInfo and failInfoText of an answer are read.
        """
        found = read_scep_attributes(
            answer(fail_info_text=tlv(0x0C, "nö".encode()), recipient_nonce=NONCE)
        )
        self.assertIs(found.pki_status, PKIStatus.FAILURE)
        self.assertIs(found.fail_info, FailInfo.BAD_CERT_ID)
        self.assertEqual(found.fail_info_text, "nö")
        self.assertEqual(found.recipient_nonce, b"n" * 16)

    def test_nonce_lengths(self) -> None:
        """
        A nonce of 1 to 64 octets is read as it is.
        """
        for size in (1, 8, 64):
            found = read_scep_attributes(request(sender_nonce=tlv(0x04, b"n" * size)))
            self.assertEqual(found.sender_nonce, b"n" * size)
        empty, long = tlv(0x04), tlv(0x04, b"n" * 65)
        self.assertRaises(EncodingError, read_scep_attributes, request(sender_nonce=empty))
        self.assertRaises(LimitExceeded, read_scep_attributes, request(sender_nonce=long))

    def test_transaction_ids(self) -> None:
        """
        A transactionID is any text of 1 to 256 visible characters.
        """
        for text in ("a", "9" * 77, "ab+/cd==", "A" * 256):
            found = read_scep_attributes(request(transaction_id=printable(text)))
            self.assertEqual(found.transaction_id, text)
        for value in (printable(""), tlv(0x13, b"\x00"), tlv(0x13, b"a\n"), tlv(0x13, b"\xff")):
            self.assertRaises(EncodingError, read_scep_attributes, request(transaction_id=value))
        long = request(transaction_id=printable("A" * 257))
        self.assertRaises(LimitExceeded, read_scep_attributes, long)

    def test_wrong_types(self) -> None:
        """
        An attribute of another ASN.1 type is refused, never ignored.
        """
        for broken in (
            request(transaction_id=tlv(0x0C, b"id")),
            request(message_type=tlv(0x02, b"\x13")),
            request(sender_nonce=printable("nonce")),
            answer(pki_status=tlv(0x02, b"\x02")),
            answer(fail_info_text=printable("text")),
            answer(fail_info_text=tlv(0x0C, b"\xff")),
            answer(pki_status=printable("1")),
            answer(fail_info=printable("5")),
        ):
            self.assertRaises(EncodingError, read_scep_attributes, broken)

    def test_missing(self) -> None:
        """
        A request needs a senderNonce, an answer a pkiStatus, both a transactionID.
        """
        for name, attributes in (
            ("sender_nonce", request()),
            ("transaction_id", request()),
            ("message_type", request()),
            ("pki_status", answer()),
        ):
            rest = tuple(each for each in attributes if each.oid != SCEP_OIDS[name])
            self.assertRaises(EncodingError, read_scep_attributes, rest)

    def test_doubled(self) -> None:
        """
        An attribute that comes twice, with two values or with none is refused.
        """
        for each in request():
            others = tuple(other for other in request() if other.oid != each.oid)
            for doubled in (
                (*others, each, each),
                (*others, Attribute(each.oid, each.values * 2)),
                (*others, Attribute(each.oid, ())),
            ):
                self.assertRaises(EncodingError, read_scep_attributes, doubled)

    def test_clean_text(self) -> None:
        """
        What is no character that can be shown, or stored, becomes a space in the words of a
        certificate authority.
        """
        told = "\x00no:\r\n wrong\tchallenge\x1b[2J \u202ex\x00".encode()
        found = read_scep_attributes(answer(fail_info_text=tlv(0x0C, told), recipient_nonce=NONCE))
        self.assertEqual(found.fail_info_text, "no: wrong challenge [2J x")

    def test_long_text(self) -> None:
        """
        A failInfoText above 1 kB is refused.
        """
        long = answer(fail_info_text=tlv(0x0C, b"x" * 1025))
        self.assertRaises(LimitExceeded, read_scep_attributes, long)


class EncodeTests(SynchronousTestCase):
    """
    Tests of ``encode_scep_attributes``.
    """

    def test_encodings(self) -> None:
        """
        Numbers are PrintableStrings, nonces OCTET STRINGs, the text is a UTF8String.
        """
        attributes = answer(
            sender_nonce=NONCE, recipient_nonce=NONCE, fail_info_text=tlv(0x0C, b"text")
        )
        encoded = encode_scep_attributes(read_scep_attributes(attributes))
        expected = {each.oid: each.values[0] for each in attributes}
        self.assertEqual(dict(encoded), expected)
        self.assertEqual(MessageType.CERT_REP.word, "CertRep")
        self.assertEqual(FailInfo.BAD_ALG.word, "badAlg")


def _attributes(**values: bytes) -> tuple[Attribute, ...]:
    return tuple(Attribute(SCEP_OIDS[name], (value,)) for name, value in values.items())
