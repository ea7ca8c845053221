"""
Tests of ``scepd.scep.transport``.
"""

from __future__ import annotations

import base64
from urllib.parse import quote

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import EncodingError, LimitExceeded, MessageError
from scepd.scep.transport import (
    CA_CERTIFICATE,
    CA_CERTIFICATES,
    classify_ca_body,
    decode_message,
    looks_like_pki_message,
    operation_of,
)
from tests.support.pki import openssl, openssl_sign, party

FEW = settings(max_examples=300, deadline=None, derandomize=True, database=None)
# Encodes to base64 with "+", "/" and "=".
MESSAGE = bytes(range(256)) + b"\xfb\xef\xbe\xff" * 20 + b"!"
ENCODED = base64.b64encode(MESSAGE).decode("ascii")


class OperationTests(SynchronousTestCase):
    """
    Tests of ``operation_of``.
    """

    def test_found(self) -> None:
        """
        The operation is found in any place.
        """
        for query in (
            b"operation=GetCACaps",
            b"operation=GetCACaps&message=My%20CA",
            b"message=a=b+c&operation=GetCACaps",
            b"operation=Get%43ACaps&",
        ):
            self.assertEqual(operation_of(query), "GetCACaps")

    def test_none(self) -> None:
        """
        A missing or impossible operation is None.
        """
        for query in (
            b"",
            b"operation",
            b"operation=",
            b"Xoperation=GetCACaps",
            b"operation=%FF",
            b"operation=Get%0ACaps",
            b"operation=" + b"x" * 65,
        ):
            self.assertIsNone(operation_of(query))


class DecodeMessageTests(SynchronousTestCase):
    """
    Tests of ``decode_message``.
    """

    def test_forms(self) -> None:
        """
        Every form that a client sends gives the same message.
        """
        self.assertTrue("+" in ENCODED and "/" in ENCODED and ENCODED.endswith("="))
        wrapped = base64.encodebytes(MESSAGE).decode("ascii")
        for form in (
            quote(ENCODED, safe=""),
            quote(wrapped, safe=""),
            quote(wrapped.replace("\n", "\r\n"), safe=""),
            quote(ENCODED, safe="/"),
            ENCODED,
            ENCODED.replace("=", "%3D"),
            ENCODED.replace("+", "%20"),
            ENCODED.rstrip("="),
            base64.urlsafe_b64encode(MESSAGE).decode("ascii"),
            base64.urlsafe_b64encode(MESSAGE).decode("ascii").rstrip("="),
        ):
            query = f"operation=PKIOperation&message={form}".encode("ascii")
            self.assertEqual(decode_message(query), MESSAGE)
            query = f"message={form}&operation=PKIOperation".encode("ascii")
            self.assertEqual(decode_message(query), MESSAGE)

    def test_refused(self) -> None:
        """
        Without a message, or with one that is no base64, there is an error.
        """
        for query in (
            b"",
            b"message=",
            b"message=%FF",
            b"message=A",
            b"message=AA=A",
            b"message=*",
        ):
            self.assertRaises(EncodingError, decode_message, query)

    def test_limit(self) -> None:
        """
        Too large a message is refused, whether it is escaped or not.
        """
        self.assertEqual(len(decode_message(b"message=AAAA", max_size=3)), 3)
        self.assertRaises(LimitExceeded, decode_message, b"message=AAAAAA", max_size=3)
        self.assertRaises(LimitExceeded, decode_message, b"message=" + b"%41" * 9000, max_size=300)

    @FEW
    @given(st.binary(max_size=80))
    def test_any_bytes(self, data: bytes) -> None:
        """
        Whatever the query, only errors of ours come out.
        """
        operation_of(b"operation=" + data)
        try:
            decode_message(b"message=" + data)
        except MessageError:
            return


class SniffingTests(SynchronousTestCase):
    """
    Tests of ``classify_ca_body`` and ``looks_like_pki_message``.
    """

    def test_ca_bodies(self) -> None:
        """
        Certificates and PKCS #7 are told apart by 32 octets; others are neither.
        """
        signed = openssl_sign(party(), b"x", "-nodetach")
        ber = openssl_sign(party(), b"x", "-nodetach", "-stream", "-indef")
        certs = openssl("crl2pkcs7", "-nocrl", "-outform", "DER")
        self.assertEqual(classify_ca_body(party().certificate[:32]), CA_CERTIFICATE)
        for body in (signed, ber, certs):
            self.assertEqual(classify_ca_body(body[:32]), CA_CERTIFICATES)
        for body in (b"", b"<!DOCTYPE html>", b"\x30", b"\x30\x80", b"\x30\x03\x02\x01\x00"):
            self.assertIsNone(classify_ca_body(body))

    def test_pki_messages(self) -> None:
        """
        The answer is undecided until the object identifier is there, and then stays.
        """
        for options in ((), ("-stream", "-indef")):
            message = openssl_sign(party(), b"x" * 9000, "-nodetach", *options)
            found = [looks_like_pki_message(message[:size]) for size in range(33)]
            turn = found.index(True)
            self.assertEqual(found, [None] * turn + [True] * (33 - turn))
            self.assertLessEqual(turn, 17)

    def test_other_bodies(self) -> None:
        """
        A page, a certificate and impossible lengths are no pkiMessages.
        """
        certificate = party().certificate
        for body in (b"<", certificate[:8], b"\x30\xff", b"\x30\x85", b"\x30\x82\x01\x01\x02"):
            self.assertIs(looks_like_pki_message(body), False)

    @FEW
    @given(st.binary(max_size=40))
    def test_any_bytes(self, data: bytes) -> None:
        """
        Whatever the bytes, there is an answer, and 32 octets are enough for one.
        """
        classify_ca_body(data)
        if looks_like_pki_message(data) is None:
            self.assertLess(len(data), 32)
