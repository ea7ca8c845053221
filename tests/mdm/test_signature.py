"""
Tests for the ``Mdm-Signature`` header.
"""

from __future__ import annotations

import base64
import contextlib

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import EncodingError, LimitExceeded, MessageError, SignatureInvalid
from scepd.mdm.signature import named_certificate, sign_mdm_message, verify_mdm_signature
from tests.support.pki import Party, openssl, openssl_sign, party, require

_BODY = b'<?xml version="1.0"?>\r\n<plist version="1.0"><dict/></plist>\n'
_HOSTILE = settings(max_examples=100, deadline=None, derandomize=True, database=None)


def device_header(signer: Party, body: bytes, *options: str) -> bytes:
    """
    Sign a body as real devices do: BER with indefinite lengths, and no signedAttrs.
    """
    flags = ("-noattr", "-stream", "-indef", *options)
    return base64.b64encode(openssl_sign(signer, body, *flags))


class VerifyTests(SynchronousTestCase):
    """
    Tests for verify_mdm_signature.
    """

    def setUp(self) -> None:
        """
        Sign like a device that is not of the newest.
        """
        require("openssl")
        self.signer = party("CN=device", 1)
        self.header = device_header(self.signer, _BODY, "-md", "sha1")

    def test_device(self) -> None:
        """
        What a device sends gives the signer's certificate: SHA-1 or SHA-256, BER, no signedAttrs.
        """
        self.assertEqual(base64.b64decode(self.header)[:2], b"\x30\x80")
        sha256 = device_header(self.signer, _BODY, "-md", "sha256")
        for header in (self.header, sha256, self.header.decode()):
            self.assertEqual(verify_mdm_signature(header, _BODY), self.signer.certificate)

    def test_signed_attributes(self) -> None:
        """
        A signature with signedAttrs is as good.
        """
        header = base64.b64encode(openssl_sign(self.signer, _BODY, "-md", "sha256"))
        self.assertEqual(verify_mdm_signature(header, _BODY), self.signer.certificate)

    def test_white_space(self) -> None:
        """
        Folded lines and lost padding do no harm.
        """
        folded = b" \r\n\t".join(
            self.header[start : start + 64] for start in range(0, len(self.header), 64)
        )
        for header in (folded, b" " + self.header + b"\n", self.header.rstrip(b"=")):
            self.assertEqual(verify_mdm_signature(header, _BODY), self.signer.certificate)

    def test_other_body(self) -> None:
        """
        A body that differs by one octet, be it a line's end, is refused.
        """
        for body in (_BODY + b"\n", _BODY.replace(b"\r\n", b"\n"), b""):
            with self.assertRaises(SignatureInvalid):
                verify_mdm_signature(self.header, body)

    def test_no_base64(self) -> None:
        """
        What is not base64, or not a SignedData inside, is refused.
        """
        for header in (b"\xff\xfe", "h\u00e9", "!!!!", "A", "", base64.b64encode(b"x"), "AAAA"):
            with self.assertRaises(EncodingError):
                verify_mdm_signature(header, _BODY)

    def test_too_long(self) -> None:
        """
        A header that is too long is refused before it is decoded, and so is one whose content is.
        """
        for length in (90_001, 89_996):
            with self.assertRaises(LimitExceeded):
                verify_mdm_signature(b"A" * length, _BODY)

    def test_two_signers(self) -> None:
        """
        A second signer is refused, though both signatures are right.
        """
        other = party("CN=other", 2)
        signed = openssl(
            *("cms", "-resign", "-binary", "-inform", "DER", "-outform", "DER", "-noattr"),
            *("-signer", "cert.pem", "-inkey", "key.pem"),
            stdin=openssl_sign(self.signer, _BODY, "-nodetach", "-noattr"),
            files={"cert.pem": other.certificate_pem, "key.pem": other.key_pem},
        )
        with self.assertRaises(SignatureInvalid):
            verify_mdm_signature(base64.b64encode(signed), _BODY)

    @_HOSTILE
    @given(st.binary(max_size=300) | st.text(max_size=300))
    def test_any_header(self, header: bytes | str) -> None:
        """
        Whatever the header is, only our own errors come out, and never a certificate.
        """
        with self.assertRaises(MessageError):
            verify_mdm_signature(header, _BODY)

    def test_named(self) -> None:
        """
        Who is said to have signed can be told without the body.
        """
        self.assertEqual(named_certificate(self.header), self.signer.certificate)
        for other in (b"", b"MAA=", b"no base64!", b"A" * 100_000):
            self.assertRaises(MessageError, named_certificate, other)

    def test_mutations(self) -> None:
        """
        A header with one octet changed is refused with our own errors, or names the same signer.
        """
        signature = base64.b64decode(self.header)

        @_HOSTILE
        @given(st.integers(0, len(signature) - 1), st.integers(1, 255))
        def mutate(place: int, change: int) -> None:
            """
            Change one octet.
            """
            changed = bytearray(signature)
            changed[place] ^= change
            with contextlib.suppress(MessageError):
                der = verify_mdm_signature(base64.b64encode(changed), _BODY)
                # The certificate's own signature is not looked at here.
                self.assertEqual(len(der), len(self.signer.certificate))

        mutate()


class SignTests(SynchronousTestCase):
    """
    Tests for sign_mdm_message.
    """

    def test_openssl(self) -> None:
        """
        openssl verifies the header over the exact body; the body is not in it, nor signedAttrs.
        """
        require("openssl")
        signer = party("CN=device", 1)
        signature = base64.b64decode(sign_mdm_message(_BODY, signer.key, signer.certificate))
        verified = openssl(
            *("cms", "-verify", "-noverify", "-binary", "-inform", "DER", "-content", "body"),
            stdin=signature,
            files={"body": _BODY},
        )
        self.assertEqual(verified, _BODY)
        printed = openssl("cms", "-cmsout", "-print", "-inform", "DER", stdin=signature)
        self.assertIn(b"eContent: <ABSENT>", printed)
        self.assertRegex(printed, rb"signedAttrs:\s+<ABSENT>")

    def test_own(self) -> None:
        """
        The daemon takes what the simulated device signs.
        """
        signer = party("CN=device", 1)
        header = sign_mdm_message(_BODY, signer.key, signer.certificate)
        self.assertNotIn(b"\n", header)
        self.assertEqual(verify_mdm_signature(header, _BODY), signer.certificate)
