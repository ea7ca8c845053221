"""
Tests of ``scepd.scep.capabilities``.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import LimitExceeded
from scepd.scep.capabilities import Capabilities


class CapabilitiesTests(SynchronousTestCase):
    """
    Tests of ``Capabilities``.
    """

    def test_modern(self) -> None:
        """
        SCEPStandard alone promises AES, SHA-256 and POST (RFC 8894 section 3.5.2).
        """
        found = Capabilities.parse(b"SCEPStandard\n")
        self.assertTrue(found.post)
        self.assertEqual(found.ciphers, ("aes-128-cbc",))
        self.assertEqual(found.preferred_digest, "sha256")
        self.assertEqual(found.weaknesses(), ())

    def test_spellings(self) -> None:
        """
        Line ends, case, blanks and a byte order mark do not matter; unknown words are kept.
        """
        found = Capabilities.parse(
            b"\xef\xbb\xbfaes \r\npostPKIoperation\r\nSHA-512\r\nX\xff\r\n\r\n"
        )
        self.assertEqual(found.words, ("aes", "postPKIoperation", "SHA-512", "X\ufffd"))
        self.assertTrue(found.post and found.has("AES"))
        self.assertEqual(found.digests, ("sha512",))
        self.assertFalse(found.renewal or found.next_ca)

    def test_sense(self) -> None:
        """
        A word that is known makes sense, in whatever company.
        """
        for word in (b"AES", b"des3", b"Renewal", b"GetNextCACert", b"SHA-1", b"SCEPStandard"):
            self.assertTrue(Capabilities.parse(b"Hello\n" + word).make_sense)
        for body in (b"", b"Hello", b"AES256"):
            self.assertFalse(Capabilities.parse(body).make_sense)

    def test_weak(self) -> None:
        """
        An authority that says nothing, or too little, has weaknesses.
        """
        self.assertEqual(len(Capabilities.parse(b"").weaknesses()), 3)
        self.assertEqual(Capabilities.parse(b"").ciphers, ("des-cbc",))
        old = Capabilities.parse(b"DES3\nPOSTPKIOperation\nSHA-1\nSHA-256\n")
        self.assertEqual(old.weaknesses(), ("The CA offers triple DES but not AES.",))

    def test_limits(self) -> None:
        """
        Too large an answer, or too many words, are refused.
        """
        self.assertRaises(LimitExceeded, Capabilities.parse, b"x" * 8193)
        self.assertRaises(LimitExceeded, Capabilities.parse, b"x\n" * 101)

    def test_render(self) -> None:
        """
        Words are written one to a line.
        """
        self.assertEqual(Capabilities(("AES", "Renewal")).render(), b"AES\nRenewal\n")
