"""
Tests for client certificates in headers.
"""

from __future__ import annotations

import base64
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import EncodingError, LimitExceeded, MessageError
from scepd.mdm.client_certificate import LONGEST_HEADER, client_certificate, rfc9440_header
from tests.support.pki import party

_DER = party("CN=device-1").certificate
_PEM = x509.load_der_x509_certificate(_DER).public_bytes(Encoding.PEM)


class ClientCertificateTests(SynchronousTestCase):
    """
    Tests for client_certificate.
    """

    def test_rfc9440(self) -> None:
        """
        Base64 of DER between colons, with white space around it.
        """
        value = b":" + base64.b64encode(_DER) + b":"
        for text in (value, b" " + value + b"\t"):
            self.assertEqual(client_certificate(text), _DER)
        self.assertEqual(rfc9440_header(_DER), value)

    def test_nginx(self) -> None:
        """
        Escaped PEM, with as many escapes as a proxy thinks right; a plus sign is no space.
        """
        for safe in ("", "+/=", "+"):
            self.assertEqual(client_certificate(quote(_PEM, safe).encode()), _DER)
        self.assertEqual(client_certificate(quote(_PEM.strip()).encode()), _DER)

    def test_refused(self) -> None:
        """
        Anything else is refused, with what is allowed: two certificates, a key, other forms.
        """
        packed = base64.b64encode(_DER)
        for value in (
            b"",
            b"::",
            b":",
            packed,
            b":" + packed,
            b":" + packed[:-8] + b":",
            b":" + packed + b":;a=1",
            b":" + packed + b":, :" + packed + b":",
            b":" + base64.b64encode(_DER + b"\x00") + b":",
            b":" + base64.b64encode(b"no certificate") + b":",
            b":*" + packed + b":",
            quote(_PEM * 2).encode(),
            quote(_PEM.replace(b"CERTIFICATE", b"PRIVATE KEY")).encode(),
            quote(b"x" + _PEM).encode(),
            quote(_PEM[:-40]).encode(),
            _PEM.replace(b"\n", b" ").replace(b" ", b"_"),
            b"\xff\xfe",
            b"%",
        ):
            with self.assertRaises(EncodingError, msg=repr(value[:40])):
                client_certificate(value)

    def test_too_long(self) -> None:
        """
        Nothing is decoded that is too long.
        """
        with self.assertRaises(LimitExceeded):
            client_certificate(b":" + b"A" * LONGEST_HEADER + b":")

    @given(
        st.one_of(
            st.binary(max_size=200),
            st.binary(max_size=200).map(rfc9440_header),
            st.tuples(st.integers(0, len(_DER) - 1), st.integers(1, 255)).map(
                lambda at: rfc9440_header(
                    _DER[: at[0]] + bytes([_DER[at[0]] ^ at[1]]) + _DER[at[0] + 1 :]
                )
            ),
        )
    )
    def test_hostile(self, value: bytes) -> None:
        """
        Whatever comes, it is a certificate or refused.
        """
        try:
            found = client_certificate(value)
        except MessageError:
            return
        self.assertTrue(x509.load_der_x509_certificate(found).public_bytes(Encoding.DER))
