"""
Tests of ``scepd.scep.attributes``.
"""

from __future__ import annotations

import contextlib
from random import Random

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import EncodingError, LimitExceeded, MessageError
from scepd.pki.decoding import reading
from scepd.pki.signed_data import Attribute, read_attributes
from scepd.scep.attributes import (
    SENDER_NONCE,
    FailInfo,
    MessageType,
    PKIStatus,
    SCEPAttributes,
    encode_scep_attributes,
    read_message_type,
    read_nonce,
    read_scep_attributes,
    read_transaction_id,
)
from tests.support.asn1_trees import changed
from tests.support.pki import SCEP_OIDS, printable, scep_attributes, tlv

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


_OIDS = [*SCEP_OIDS.values(), "1.2.840.113549.1.9.3", "1.2.3"]
_TAGS = [0x13, 0x04, 0x0C, 0x02, 0x30, 0x24]
_ELEMENTS = st.builds(tlv, st.sampled_from(_TAGS), st.binary(max_size=40))
_NUMBERS = st.sampled_from(["0", "2", "3", "17", "18", "19", "22", "019", "-3"]).map(printable)
_VALUES = st.lists(st.one_of(_NUMBERS, _ELEMENTS), max_size=2).map(tuple)
_ATTRIBUTES = st.lists(st.builds(Attribute, st.sampled_from(_OIDS), _VALUES), max_size=9).map(tuple)
# Of a text only these come through as they are, beside single spaces.
_SHOWN = st.characters(exclude_categories=["C", "Z"])
_VISIBLE = st.characters(min_codepoint=0x20, max_codepoint=0x7E)
_NONCES = st.none() | st.binary(min_size=1, max_size=64)


class HostileTests(SynchronousTestCase):
    """
    Tests with anything.
    """

    def check(self, attributes: tuple[Attribute, ...]) -> None:
        """
        They are read as something within the bounds, or refused with an error of ours.
        """
        with contextlib.suppress(MessageError):
            read_message_type(attributes)
        with contextlib.suppress(MessageError):
            self.assertTrue(1 <= len(read_transaction_id(attributes)) <= 256)
        with contextlib.suppress(MessageError):
            nonce = read_nonce(attributes, SENDER_NONCE)
            self.assertTrue(nonce is None or 1 <= len(nonce) <= 64)
        with contextlib.suppress(MessageError):
            found = read_scep_attributes(attributes)
            self.assertTrue(found.transaction_id.isascii() and found.transaction_id.isprintable())
            self.assertTrue(found.sender_nonce or found.pki_status is not None)
            self.assertLessEqual(len(found.fail_info_text or ""), 1024)

    @given(_ATTRIBUTES)
    def test_any(self, attributes: tuple[Attribute, ...]) -> None:
        """
        Doubled, empty and several values, and values of other types.
        """
        self.check(attributes)

    @given(st.randoms(use_true_random=False), st.integers(1, 6))
    def test_changed(self, chance: Random, times: int) -> None:
        """
        The encoded attributes of a message with something changed.
        """
        encoded = tlv(
            0x31,
            *scep_attributes(
                message_type=printable("3"),
                transaction_id=printable("id"),
                sender_nonce=NONCE,
                recipient_nonce=NONCE,
                pki_status=printable("2"),
                fail_info=printable("4"),
                fail_info_text=tlv(0x0C, "größer".encode()),
            ),
        )
        for _ in range(times):
            encoded = changed(chance, encoded)
            try:
                with reading("the attributes"):
                    attributes = read_attributes(encoded)
            except MessageError:
                return
            self.check(attributes)

    @given(
        st.builds(
            SCEPAttributes,
            st.sampled_from([each for each in MessageType if each is not MessageType.CERT_REP]),
            st.text(_VISIBLE, min_size=1, max_size=256),
            st.binary(min_size=1, max_size=64),
            _NONCES,
        )
        | st.builds(
            SCEPAttributes,
            st.just(MessageType.CERT_REP),
            st.text(_VISIBLE, min_size=1, max_size=256),
            _NONCES,
            _NONCES,
            st.sampled_from(PKIStatus),
            st.none() | st.sampled_from(FailInfo),
            st.none() | st.text(_SHOWN, max_size=256),
        )
    )
    def test_there_and_back(self, attributes: SCEPAttributes) -> None:
        """
        What is within the bounds is read as it was written.
        """
        encoded = encode_scep_attributes(attributes)
        found = tuple(Attribute(oid, (value,)) for oid, value in encoded)
        self.assertEqual(read_scep_attributes(found), attributes)
