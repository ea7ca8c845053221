"""
Tests of ``scepd.scep.queries`` with anything that may come out of an envelope.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from cryptography import x509
from hypothesis import example, given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import DecryptionFailed
from scepd.scep.queries import (
    IssuerAndSerial,
    IssuerAndSubject,
    parse_issuer_and_serial,
    parse_issuer_and_subject,
)
from tests.support.asn1_trees import Node, changed, tree_of, trees
from tests.support.pki import tlv

NAME = x509.Name.from_rfc4514_string("CN=authority,O=Example").public_bytes()
POLL = tlv(0x30, NAME, NAME)
QUERY = tlv(0x30, NAME, tlv(0x02, b"\x11" * 16))
CHANCES = st.randoms(use_true_random=False)
Parser = Callable[[bytes], IssuerAndSerial | IssuerAndSubject]
PARSERS: tuple[Parser, ...] = (parse_issuer_and_serial, parse_issuer_and_subject)


class QueryTests(SynchronousTestCase):
    """
    Tests of ``parse_issuer_and_subject`` and ``parse_issuer_and_serial``.
    """

    def check(self, content: bytes) -> None:
        """
        Each parser reads it, or raises the one error that says nothing.
        """
        for parser in PARSERS:
            try:
                found = parser(content)
            except DecryptionFailed as error:
                self.assertEqual(str(error), "the envelope could not be opened")
                continue
            self.assertEqual(parser(found.encode()), found)

    @given(st.binary(max_size=200))
    @example(b"\x30\x80" * 100)
    @example(b"\x30\x84\xff\xff\xff\xff")
    @example(tlv(0x30, NAME, tlv(0x02)))
    @example(tlv(0x30, NAME, tlv(0x02, b"\0" * 9)))
    @example(tlv(0x30, NAME, tlv(0x22, tlv(0x02, b"1"))))
    @example(tlv(0x30, b"\x1f\x81\x01\x00", b"\x05\x00"))
    def test_any(self, content: bytes) -> None:
        """
        Any octets.
        """
        self.check(content)

    @given(trees(), CHANCES)
    def test_trees(self, tree: Node, chance: Random) -> None:
        """
        Any DER or BER.
        """
        self.check(tree.der())
        self.check(tree.ber(chance))

    @given(st.sampled_from([POLL, QUERY]), CHANCES)
    def test_changed(self, content: bytes, chance: Random) -> None:
        """
        A query with something changed, or in BER.
        """
        self.check(changed(chance, content))
        self.check(tree_of(content).ber(chance))

    def test_cut_anywhere(self) -> None:
        """
        A query that ends early, or goes on, is none.
        """
        for content in (POLL, QUERY):
            for end in range(len(content)):
                for parser in PARSERS:
                    self.assertRaises(DecryptionFailed, parser, content[:end])
                    self.assertRaises(DecryptionFailed, parser, content + content[:end] + b"\0")
