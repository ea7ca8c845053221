"""
Tests of signed configuration profiles as bytes.
"""

from __future__ import annotations

import contextlib
import plistlib

from asn1crypto import cms, core
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import EncodingError, LimitExceeded, MessageError
from scepd.plist.reading import read_plist
from scepd.profiles.mobileconfig import is_signed, signed_content
from tests.profiles.builders import SAMPLE, profile, scep_payload

_HOSTILE = settings(max_examples=150, deadline=None, derandomize=True, database=None)


def signed(content: bytes | None, kind: str = "data") -> bytes:
    """
    Wrap content in a SignedData without signers.

    :param content: the content, or None for a detached one.
    :param kind: its type.
    :returns: the ContentInfo in DER.
    """
    inner = {"content_type": kind}
    if content is not None:
        inner["content"] = core.OctetString(content)
    data = {
        "version": "v1",
        "digest_algorithms": [],
        "encap_content_info": inner,
        "signer_infos": [],
    }
    info = cms.ContentInfo({"content_type": "signed_data", "content": cms.SignedData(data)})
    encoded: bytes = info.dump()
    return encoded


class SignedContentTests(SynchronousTestCase):
    """
    Tests for is_signed and signed_content.
    """

    def test_detection(self) -> None:
        """
        SignedData is told from property lists and other CMS, in DER and in BER.
        """
        self.assertTrue(is_signed(signed(SAMPLE)))
        self.assertTrue(is_signed(signed(b"")))
        self.assertTrue(is_signed(bytes.fromhex("3080 06092a864886f70d010702 a080")))
        self.assertFalse(is_signed(bytes.fromhex("3080 06092a864886f70d010703 a080")))
        self.assertFalse(is_signed(SAMPLE))
        self.assertFalse(is_signed(b""))

    def test_content(self) -> None:
        """
        The signed bytes come out whole.
        """
        self.assertEqual(signed_content(signed(SAMPLE)), SAMPLE)

    def test_indefinite_lengths(self) -> None:
        """
        BER with indefinite lengths and content in segments, as openssl streams it, is read.
        """
        ber = bytes.fromhex(
            "3080 06092a864886f70d010702 a080 3080 020101 3100"
            "3080 06092a864886f70d010701 a080 2480 04026162 040163 0000 0000 0000"
            "3100 0000 0000 0000"
        )
        self.assertEqual(signed_content(ber), b"abc")

    def test_refused(self) -> None:
        """
        Detached, of another type, too large, too deep or cut off: our errors.
        """
        good = signed(SAMPLE)
        self.assertRaises(EncodingError, signed_content, signed(None))
        self.assertRaises(EncodingError, signed_content, signed(b"x", "1.2.3.4"))
        self.assertRaises(EncodingError, signed_content, good[:-1])
        self.assertRaises(LimitExceeded, signed_content, good, max_size=100)
        deep = bytes.fromhex("3080 06092a864886f70d010702") + b"\xa0\x80" * 5000
        self.assertRaises(MessageError, signed_content, deep)

    @_HOSTILE
    @given(st.data())
    def test_mutations(self, data: st.DataObject) -> None:
        """
        Mutated CMS raises our errors only.
        """
        mutated = bytearray(signed(b"abcdef"))
        for _ in range(data.draw(st.integers(1, 4))):
            mutated[data.draw(st.integers(0, len(mutated) - 1))] = data.draw(st.integers(0, 255))
        with contextlib.suppress(MessageError):
            signed_content(bytes(mutated))

    def test_profile_builder_is_plain(self) -> None:
        """
        A profile as a dictionary is what a signed one holds.
        """
        content = plistlib.dumps(profile(scep_payload()))
        self.assertEqual(read_plist(signed_content(signed(content))), plistlib.loads(content))
