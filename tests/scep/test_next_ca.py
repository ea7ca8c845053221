"""
Tests of ``scepd.scep.next_ca``.
"""

from __future__ import annotations

from hypothesis import given, settings
from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import EncodingError, LimitExceeded, MessageError, SignatureInvalid
from scepd.scep.next_ca import read_next_ca_certificates
from tests.support.mutations import mutated
from tests.support.pki import openssl_sign, party, require, scep_message, tlv
from tests.support.scep_answers import certificates_only, next_ca_answer

_MANY = settings(max_examples=200, deadline=None, derandomize=True, database=None)
_CURRENT = party("CN=ca", 99, usage="sign encipher", ca=True)
_NEXT = party("CN=ca", 95, usage="sign encipher", ca=True)
_TRUSTED = [_CURRENT.certificate]
_BY_HAND = scep_message(_CURRENT, [], certificates_only([_NEXT.certificate]))


class NextCATests(SynchronousTestCase):
    """
    Tests of ``read_next_ca_certificates``.
    """

    def test_openssl(self) -> None:
        """
        What openssl signs is read, in DER and BER, with any digest, the signer in the bag or not.
        """
        require("openssl")
        for options in (
            [],
            ["-md", "sha512"],
            ["-md", "sha1"],
            ["-nocerts"],
            ["-keyid"],
            ["-stream", "-indef"],
        ):
            body = next_ca_answer(_CURRENT, [_NEXT.certificate], *options)
            found = read_next_ca_certificates(body, _TRUSTED)
            self.assertEqual(found, (_NEXT.certificate,), options)

    def test_chain(self) -> None:
        """
        All certificates are told, and one of several trusted ones is enough.
        """
        other = party("CN=root", 94, ca=True).certificate
        body = next_ca_answer(_CURRENT, [_NEXT.certificate, other])
        found = read_next_ca_certificates(body, [other, _CURRENT.certificate])
        self.assertEqual(found, (_NEXT.certificate, other))

    def test_another_signer(self) -> None:
        """
        The certificate in the answer's bag is not trusted for being there.
        """
        for signer in (_NEXT, party("CN=ca", 93, ca=True)):
            body = next_ca_answer(signer, [_NEXT.certificate])
            self.assertRaises(SignatureInvalid, read_next_ca_certificates, body, _TRUSTED)
        self.assertRaises(SignatureInvalid, read_next_ca_certificates, _BY_HAND, [])

    def test_borrowed_name(self) -> None:
        """
        Who names the current certificate without having its key is refused.
        """
        impostor = type(_CURRENT)(_NEXT.key, _CURRENT.certificate)
        body = scep_message(impostor, [], certificates_only([_NEXT.certificate]))
        error = self.assertRaises(SignatureInvalid, read_next_ca_certificates, body, _TRUSTED)
        self.assertIn("the signature is wrong", str(error))

    def test_refused(self) -> None:
        """
        No signature, two of them, no signed attributes, and other content.
        """
        content = certificates_only([_NEXT.certificate])
        sign = openssl_sign
        cases: list[tuple[type[MessageError], bytes]] = [
            (SignatureInvalid, content),
            (SignatureInvalid, sign(_CURRENT, content, "-nodetach", "-noattr")),
            (SignatureInvalid, sign(_CURRENT, content)),
            (EncodingError, next_ca_answer(_CURRENT, [])),
            (EncodingError, next_ca_answer(_CURRENT, [tlv(0x30)])),
            (EncodingError, sign(_CURRENT, _NEXT.certificate, "-nodetach")),
            (EncodingError, scep_message(_CURRENT, [], None)),
            (EncodingError, _NEXT.certificate),
            (EncodingError, b""),
        ]
        for error, body in cases:
            self.assertRaises(error, read_next_ca_certificates, body, _TRUSTED)
        size = len(_BY_HAND)
        read_next_ca_certificates(_BY_HAND, _TRUSTED, max_size=size)
        self.assertRaises(
            LimitExceeded, read_next_ca_certificates, _BY_HAND, _TRUSTED, max_size=size - 1
        )

    @_MANY
    @given(mutated(_BY_HAND))
    def test_hostile(self, body: bytes) -> None:
        """
        Whatever comes, only what the current key signed is believed.
        """
        try:
            found = read_next_ca_certificates(body, _TRUSTED)
        except MessageError:
            return
        self.assertEqual(found, (_NEXT.certificate,))

    @_MANY
    @given(mutated(certificates_only([_NEXT.certificate])))
    def test_hostile_content(self, content: bytes) -> None:
        """
        Whatever the current key signed, it is read or refused.
        """
        body = scep_message(_CURRENT, [], content)
        try:
            found = read_next_ca_certificates(body, _TRUSTED)
        except MessageError:
            return
        self.assertNotEqual(found, ())
