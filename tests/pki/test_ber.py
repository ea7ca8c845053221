"""
Tests of ``scepd.pki.ber``.
"""

from __future__ import annotations

import time

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import EncodingError, LimitExceeded, MessageError
from scepd.pki.ber import implicit_octets, to_der
from tests.support.pki import openssl_sign, party, tlv

FEW = settings(max_examples=300, deadline=None, derandomize=True, database=None)


def _written(tree: object, levels: int) -> bytes:
    """
    A tree of octets, with indefinite lengths at the outermost levels.
    """
    if isinstance(tree, bytes):
        return tlv(0x04, tree)
    assert isinstance(tree, list)
    inner = b"".join(_written(each, levels - 1) for each in tree)
    return b"\x30\x80" + inner + b"\x00\x00" if levels > 0 else tlv(0x30, inner)


class ToDERTests(SynchronousTestCase):
    """
    Tests of ``to_der``.
    """

    def test_der_is_unchanged(self) -> None:
        """
        DER made by others comes back as it is.
        """
        for der in (party().certificate, openssl_sign(party(), b"content", "-nodetach")):
            self.assertEqual(to_der(der), der)

    def test_indefinite_length(self) -> None:
        """
        Indefinite lengths become definite ones, nested ones too.
        """
        ber = bytes.fromhex("30 80 30 80 02 01 05 00 00 02 01 06 00 00")
        self.assertEqual(to_der(ber), bytes.fromhex("30 08 30 03 02 01 05 02 01 06"))

    def test_segments_are_joined(self) -> None:
        """
        The segments of a constructed OCTET STRING become one string, nested segments too.
        """
        ber = bytes.fromhex("24 80 04 01 61 24 80 04 01 62 04 01 63 00 00 04 00 00 00")
        self.assertEqual(to_der(ber), bytes.fromhex("04 03 61 62 63"))

    def test_long_length_of_short_element(self) -> None:
        """
        A length with more octets than it needs becomes a minimal one.
        """
        self.assertEqual(to_der(bytes.fromhex("04 83 00 00 01 61")), bytes.fromhex("04 01 61"))

    def test_refused(self) -> None:
        """
        Bytes that are not exactly one element are refused.
        """
        for text in (
            "",
            "30",
            "30 01",
            "30 80",
            "30 80 00",
            "04 02 61",
            "04 80 61 00 00",
            "04 01 61 00",
            "04 85 00 00 00 00 01 61",
            "04 84 ff ff ff ff 61",
            "00 00",
            "30 02 00 00",
            "24 03 02 01 05",
            "23 04 03 02 00 61",
            "22 03 02 01 05",
            "1f ff ff ff 7f 00",
            "1f",
        ):
            self.assertRaises(EncodingError, to_der, bytes.fromhex(text))

    def test_depth(self) -> None:
        """
        Elements may be nested 32 deep and no deeper, however their lengths are written.
        """
        deep = b"\x30\x80" * 32 + b"\x00\x00" * 32
        self.assertEqual(to_der(deep)[0], 0x30)
        self.assertRaises(LimitExceeded, to_der, b"\x30\x80" * 33 + b"\x00\x00" * 33)
        self.assertRaises(LimitExceeded, to_der, b"\x30\x80" * 100_000)

    def test_number_of_elements(self) -> None:
        """
        A message of nothing but tiny elements is refused before it costs much: 10,000 there may be.
        """
        for around in (b"\x30\x82\x4e\x1e%b", b"\x30\x80%b\x00\x00"):
            self.assertEqual(to_der(around % (b"\x05\x00" * 9_999))[-2:], b"\x05\x00")
        for around in (b"\x30\x82\x4e\x20%b", b"\x30\x80%b\x00\x00"):
            self.assertRaises(LimitExceeded, to_der, around % (b"\x05\x00" * 10_000))
        body = b"\x05\x00" * 125_000
        started = time.process_time()
        self.assertRaises(LimitExceeded, to_der, b"\x30\x83" + len(body).to_bytes(3, "big") + body)
        self.assertLess(time.process_time() - started, 2.0)

    def test_der_inside(self) -> None:
        """
        What is DER within an indefinite length stays as it is, and is counted and measured like
        all else.
        """
        inner = tlv(0x30, *[b"\x05\x00"] * 9)
        ber = b"\x30\x80" + inner * 4 + b"\x00\x00"
        self.assertEqual(to_der(ber), tlv(0x30, inner * 4))
        self.assertEqual(to_der(ber, max_elements=41, max_depth=3), tlv(0x30, inner * 4))
        self.assertRaises(LimitExceeded, to_der, ber, max_elements=40)
        self.assertRaises(LimitExceeded, to_der, ber, max_depth=2)

    def test_nearly_der_inside(self) -> None:
        """
        What is not DER to the bottom is transcoded, wherever it is.
        """
        odd = bytes.fromhex("30 08 30 06 04 83 00 00 01 61")
        for around in (b"\x30\x80%b\x00\x00", b"\x30\x80\x30\x80%b\x00\x00\x00\x00"):
            self.assertIn(bytes.fromhex("30 05 30 03 04 01 61"), to_der(around % odd))
        self.assertRaises(EncodingError, to_der, b"\x30\x80\x30\x03\x04\x05a\x00\x00")

    @FEW
    @given(st.recursive(st.binary(max_size=4), lambda inner: st.lists(inner, max_size=4)))
    def test_any_tree(self, tree: object) -> None:
        """
        A tree written with indefinite lengths at some levels is the same in DER as one written with
        none.
        """
        for levels in range(4):
            self.assertEqual(to_der(_written(tree, levels)), _written(tree, 0))

    def test_long_object_identifier(self) -> None:
        """
        An object identifier whose arcs would be slow to compute is refused.
        """
        self.assertRaises(LimitExceeded, to_der, tlv(0x06, b"\xff" * 100 + b"\x01"))

    @FEW
    @given(st.binary(max_size=200))
    def test_any_bytes(self, data: bytes) -> None:
        """
        Whatever the bytes, the result is stable or the error is ours.
        """
        try:
            der = to_der(data)
        except MessageError:
            return
        self.assertEqual(to_der(der), der)


class ImplicitOctetsTests(SynchronousTestCase):
    """
    Tests of ``implicit_octets``.
    """

    def test_both_forms(self) -> None:
        """
        The primitive and the constructed form give the same octets.
        """
        self.assertEqual(implicit_octets(bytes.fromhex("80 02 61 62"), 0x80), b"ab")
        self.assertEqual(implicit_octets(bytes.fromhex("a0 06 04 01 61 04 01 62"), 0x80), b"ab")

    def test_refused(self) -> None:
        """
        Another tag, or segments of another type, are refused.
        """
        for text in ("81 01 61", "a0 03 02 01 61", "a0 02 04 05", ""):
            self.assertRaises(EncodingError, implicit_octets, bytes.fromhex(text), 0x80)
