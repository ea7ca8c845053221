"""
Tests of ``scepd.pki.der_reader`` and ``scepd.pki.der``, against asn1crypto.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from random import Random

from asn1crypto import core
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import EncodingError, MessageError
from scepd.pki import der
from scepd.pki.ber import to_der
from scepd.pki.decoding import reading
from scepd.pki.der_reader import (
    INTEGER,
    OBJECT_IDENTIFIER,
    OCTET_STRING,
    SEQUENCE,
    DERReader,
    dotted,
    identifier_of,
    is_der,
    split,
)
from scepd.pki.enveloped_data import parse_envelope
from scepd.pki.identity import identify
from scepd.pki.requests import load_request
from scepd.pki.signed_data import parse_signed_data
from tests.support.asn1_trees import Node, trees
from tests.support.pki import openssl_sign, party, tlv
from tests.support.second_reader import is_plain_der

FEW = settings(max_examples=80, deadline=None, derandomize=True, database=None)
READERS: tuple[Callable[[bytes], object], ...] = (
    parse_signed_data,
    parse_envelope,
    identify,
    load_request,
)
MESSAGE = openssl_sign(party(), b"content", "-nodetach")


class IsDERTests(SynchronousTestCase):
    """
    Tests of ``is_der``.
    """

    def test_real_messages(self) -> None:
        """
        What openssl and cryptography write is DER; with anything behind it, or cut off, it is not.
        """
        for whole in (MESSAGE, party().certificate, b"\x05\x00", b"\x30\x00"):
            self.assertTrue(is_der(whole))
            self.assertFalse(is_der(whole + b"\x05\x00"))
            for end in range(len(whole)):
                self.assertFalse(is_der(whole[:end]))

    def test_other_forms(self) -> None:
        """
        Indefinite and too long lengths, strings in segments and impossible tags are not DER.
        """
        for text in (
            "30 80 00 00",
            "04 81 01 61",
            "04 82 00 80" + "61" * 128,
            "04 83 00 01 00" + "61" * 256,
            "04 84 00 00 00 01 61",
            "04 85 00 00 00 00 01 61",
            "04 ff 61",
            "24 03 04 01 61",
            "2c 00",
            "3f 20 00",
            "00 00",
            "20 00",
            "30 02 00 00",
            "1f 1e 00",
            "1f 80 1f 00",
            "1f ff ff ff 7f 00",
        ):
            self.assertFalse(is_der(bytes.fromhex(text)), text)

    def test_long_tags(self) -> None:
        """
        A tag of up to four octets is left to ``to_der``, and then passed over.
        """
        for text in ("1f 1f 00", "9f 81 00 01 61", "bf ff ff 7f 02 05 00"):
            element = bytes.fromhex(text)
            self.assertFalse(is_der(element), text)
            self.assertEqual(to_der(element), element)
            around = tlv(0x30, element, b"\x05\x00")
            self.assertEqual(DERReader(around).enter(SEQUENCE).encoded(), element)
            self.assertEqual(split(around, SEQUENCE), [element, b"\x05\x00"])

    def test_limits(self) -> None:
        """
        Depth and number of elements are bounded, and so is the length of an object identifier.
        """
        deep = b"\x30\x00"
        for _ in range(31):
            deep = tlv(0x30, deep)
        self.assertTrue(is_der(deep))
        self.assertFalse(is_der(tlv(0x30, deep)))
        self.assertFalse(is_der(tlv(0x30, deep[:-2] + b"\x05\x00")))
        self.assertTrue(is_der(tlv(0x30, b"\x05\x00" * 9), max_elements=10))
        self.assertFalse(is_der(tlv(0x30, b"\x05\x00" * 9), max_elements=9))
        self.assertTrue(is_der(tlv(0x06, b"\x01" * 64)))
        self.assertFalse(is_der(tlv(0x06, b"\x01" * 65)))

    @FEW
    @given(trees(), st.data())
    def test_second_opinion(self, tree: Node, data: st.DataObject) -> None:
        """
        asn1crypto says the same of any element, changed or not, and of any bytes.
        """
        encoded = bytearray(tree.der())
        self.assertTrue(is_der(bytes(encoded)))
        at = data.draw(st.integers(0, len(encoded) - 1))
        encoded[at] = data.draw(st.integers(0, 255))
        for octets in (bytes(encoded), bytes(encoded[:at]), data.draw(st.binary(max_size=40))):
            self.assertEqual(is_der(octets), is_plain_der(octets), octets.hex())

    @FEW
    @given(trees(), st.integers(0, 2**32))
    def test_transcoding(self, tree: Node, seed: int) -> None:
        """
        Whatever form of BER an element came in, it becomes the same DER.
        """
        self.assertEqual(to_der(tree.ber(Random(seed))), tree.der())


class DERReaderTests(SynchronousTestCase):
    """
    Tests of ``DERReader`` and ``split``.
    """

    @FEW
    @given(trees())
    def test_any_tree(self, tree: Node) -> None:
        """
        Every element comes out as it went in.
        """
        self.check(tree, DERReader(tree.der()))

    def check(self, tree: Node, reader: DERReader) -> None:
        """
        Fail unless the reader finds the tree as its next element.
        """
        self.assertEqual(reader.tag, tree.tag)
        if not tree.tag & 0x20:
            self.assertEqual(reader.octets(tree.tag), tree.octets)
            return
        self.assertEqual(split(tree.der(), tree.tag), [child.der() for child in tree.children])
        inner = reader.enter(tree.tag)
        for child in tree.children:
            self.check(child, inner)
        inner.finish()
        self.assertEqual(inner.tag, 0)

    def test_faults(self) -> None:
        """
        What is not there, has another tag or reaches too far is an error; nothing is passed over.
        """
        reader = DERReader(tlv(0x30, b"\x02\x01\x05", b"\x04\x01\x61")).enter(SEQUENCE)
        for read in (
            reader.octets,
            reader.identifier,
            lambda: reader.enter(SEQUENCE),
            lambda: reader.skip(INTEGER, INTEGER),
        ):
            fresh = DERReader(tlv(0x30, b"\x02\x01\x05", b"\x04\x01\x61")).enter(SEQUENCE)
            self.assertEqual(fresh.integer(), 5)
            self.assertRaises(ValueError, read)
        reader = DERReader(b"\x02\x01\x05\x04\x01\x61")
        self.assertRaises(ValueError, reader.finish)
        self.assertEqual((reader.integer(), reader.octets()), (5, b"a"))
        reader.finish()
        self.assertRaises(ValueError, reader.octets)
        for text in ("04 02 61", "04 80 61", "04 81 01 61", "04", "30 03 04 02 61", ""):
            with self.assertRaises(EncodingError), reading("it"):
                octets = bytes.fromhex(text)
                DERReader(octets).enter(SEQUENCE).octets() if octets[:1] == b"0" else DERReader(
                    octets
                ).octets(OCTET_STRING)

    @FEW
    @given(st.integers(-(2**200), 2**200), st.binary(min_size=1, max_size=20))
    def test_integers(self, number: int, contents: bytes) -> None:
        """
        INTEGERs are written and read as asn1crypto does, however many octets they have.
        """
        self.assertEqual(der.integer(number), core.Integer(number).dump())
        self.assertEqual(DERReader(der.integer(number)).integer(), number)
        found = DERReader(tlv(0x02, contents)).integer()
        self.assertEqual(found, core.Integer.load(tlv(0x02, contents)).native)

    def test_empty_integer(self) -> None:
        """
        An INTEGER without contents is none.
        """
        self.assertRaises(ValueError, DERReader(b"\x02\x00").integer)

    @FEW
    @given(
        st.integers(0, 2),
        st.integers(0, 39),
        st.lists(st.integers(0, 2**70), max_size=5),
        st.binary(max_size=8),
    )
    def test_identifiers(self, first: int, second: int, more: list[int], octets: bytes) -> None:
        """
        OBJECT IDENTIFIERs are written and read as asn1crypto does; what it would not write is none.
        """
        text = ".".join(str(arc) for arc in (first, second, *more))
        encoded = core.ObjectIdentifier(text).dump()
        self.assertEqual(der.object_identifier(text), encoded)
        self.assertEqual((identifier_of(encoded), dotted(encoded[2:])), (text, text))
        theirs = core.ObjectIdentifier.load(tlv(0x06, octets)).dotted
        if theirs and core.ObjectIdentifier(theirs).contents == octets:
            self.assertEqual(DERReader(tlv(OBJECT_IDENTIFIER, octets)).identifier(), theirs)
        else:
            self.assertRaises(ValueError, dotted, octets)

    def test_bad_identifiers(self) -> None:
        """
        A second spelling of an OBJECT IDENTIFIER, and texts that are none, are refused.
        """
        for octets in (b"", b"\x80\x55", b"\x55\x80\x04", b"\x55\x84", b"\x01" * 65):
            self.assertRaises(ValueError, dotted, octets)
        for text in ("", "1", "3.1", "0.40", "1.2.x", "1.2.-3"):
            self.assertRaises(ValueError, der.object_identifier, text)


class HostileTests(SynchronousTestCase):
    """
    Tests of all that reads foreign bytes, with bytes that mean harm.
    """

    def test_bounded_time(self) -> None:
        """
        256 kB of nesting, of tiny elements or of lies about lengths are refused soon.
        """
        nested = b""
        for _ in range(60_000):
            if len(nested) > 200_000:
                break
            nested = b"\x30\x83" + len(nested).to_bytes(3, "big") + nested
        tiny = b"\x30\x83\x03\xd0\x90" + b"\x05\x00" * 125_000
        for octets in (
            nested,
            tiny,
            b"\x30\x80" * 131_072,
            b"\x24\x80" * 131_072,
            b"\x30\x84\xff\xff\xff\xff" * 43_690,
            b"\xff" * 262_144,
            tlv(0x30, b"\x06\x82\x3f\xff" + b"\xff" * 0x3FFF),
        ):
            started = time.process_time()
            for read in READERS:
                self.assertRaises(MessageError, read, octets)
            self.assertLess(time.process_time() - started, 4.0)

    def test_cut_off(self) -> None:
        """
        A message that is cut off anywhere is an error of ours.
        """
        for end in range(len(MESSAGE)):
            self.assertRaises(MessageError, parse_signed_data, MESSAGE[:end])

    @FEW
    @given(trees(), st.binary(max_size=100))
    def test_any_bytes(self, tree: Node, octets: bytes) -> None:
        """
        Well-formed ASN.1 of another kind, and any bytes, are an error of ours.
        """
        for read in READERS:
            for data in (tree.der(), octets):
                self.assertRaises(MessageError, read, data)
