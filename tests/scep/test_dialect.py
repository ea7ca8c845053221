"""
Tests of ``scepd.scep.dialect``.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import MessageError
from scepd.pki.ciphers import cipher_by_name
from scepd.pki.digests import digest_oid
from scepd.scep.attributes import MessageType
from scepd.scep.capabilities import Capabilities
from scepd.scep.dialect import Dialect, choose_dialect

_MANY = settings(max_examples=200, deadline=None, derandomize=True, database=None)
_WORDS = st.sampled_from(
    [b"AES", b"aes", b"DES3", b"SHA-1", b"SHA-512", b"Renewal", b"SCEPStandard", b"\xff", b"Junk"]
)


def chosen(words: bytes, *, allow_des: bool = False) -> Dialect:
    """
    Choose by the text of a GetCACaps answer.
    """
    return choose_dialect(Capabilities.parse(words), allow_des=allow_des)


class DialectTests(SynchronousTestCase):
    """
    Tests of ``choose_dialect``.
    """

    def test_today(self) -> None:
        """
        An authority of today gets AES, SHA-256, POST and RenewalReq.
        """
        for words in (b"SCEPStandard\nRenewal", b"AES\r\nSHA-256\r\nPOSTPKIOperation\r\nRENEWAL"):
            self.assertEqual(chosen(words), Dialect())

    def test_nothing_said(self) -> None:
        """
        One that says nothing gets triple DES, SHA-1 and GET, and single DES by opt-in only.
        """
        expected = Dialect("des-ede3-cbc", "sha1", "get", MessageType.PKCS_REQ)
        self.assertEqual(chosen(b""), expected)
        allowed = Dialect("des-cbc", "sha1", "get", MessageType.PKCS_REQ, allow_des=True)
        self.assertEqual(chosen(b"", allow_des=True), allowed)

    def test_des_is_the_last_resort(self) -> None:
        """
        Where anything better is offered, the opt-in does not weaken a request.
        """
        self.assertEqual(chosen(b"DES3", allow_des=True).cipher, "des-ede3-cbc")
        self.assertEqual(chosen(b"AES\nDES3", allow_des=True).cipher, "aes-128-cbc")

    def test_form(self) -> None:
        """
        The HTTP method can be forced.
        """
        capabilities = Capabilities.parse(b"SCEPStandard")
        self.assertEqual(choose_dialect(capabilities, form="get").form, "get")
        self.assertEqual(choose_dialect(Capabilities(), form="post").form, "post")

    @_MANY
    @given(st.one_of(st.binary(max_size=200), st.lists(_WORDS).map(b"\n".join)), st.booleans())
    def test_hostile(self, body: bytes, allow_des: bool) -> None:
        """
        Whatever an authority says, the choice is one that requests can be made with.
        """
        try:
            found = chosen(body, allow_des=allow_des)
        except MessageError:
            return
        cipher_by_name(found.cipher, allow_des=allow_des)
        self.assertNotEqual(digest_oid(found.digest), "")
