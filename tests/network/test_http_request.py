"""
Tests for :mod:`scepd.network.http_request` and :mod:`scepd.network.destination`.
"""

from __future__ import annotations

import base64
from urllib.parse import unquote_to_bytes

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from scepd.network.destination import Destination, host_of
from scepd.network.http_request import RequestEncoder
from scepd.ports import UpstreamRequest

CA = Destination.of("http://ca.example/scep")


def wire(request: UpstreamRequest, *pieces: bytes) -> bytes:
    """
    All bytes of a request whose body comes in these pieces.
    """
    encoder = RequestEncoder(request)
    body = b"".join(encoder.encode(piece) for piece in pieces)
    encoder.check_complete()
    return encoder.head(CA) + body + encoder.end(CA)


class DestinationTests(SynchronousTestCase):
    """
    Tests for Destination.
    """

    def test_parts(self) -> None:
        """
        Scheme, host and port come from the URL; the Host header names no usual port.
        """
        for url, secure, host, port, authority, path in (
            ("http://ca.example/scep", False, "ca.example", 80, b"ca.example", b"/scep"),
            ("https://ca.example:443/scep", True, "ca.example", 443, b"ca.example", b"/scep"),
            ("https://ca.example:80", True, "ca.example", 80, b"ca.example:80", b"/"),
            ("http://[::1]:80/", False, "::1", 80, b"[::1]", b"/"),
            (
                "http://[2001:DB8::1]:8080/x",
                False,
                "2001:db8::1",
                8080,
                b"[2001:db8::1]:8080",
                b"/x",
            ),
            ("HTTP://u:p@CA.Example/x?y=1#z", False, "ca.example", 80, b"ca.example", b"/x"),
        ):
            with self.subTest(url):
                expected = Destination(secure, host, port, authority, path)
                self.assertEqual(Destination.of(url), expected)

    def test_path(self) -> None:
        """
        Escapes stay as they are, and nothing in a path can end the request line.
        """
        for path, expected in (
            ("/certsrv/mscep/mscep.dll", b"/certsrv/mscep/mscep.dll"),
            ("/a%2Cb,c/%c3%a4/", b"/a%2Cb,c/%c3%a4/"),
            ("/a b\x00\r\nX: y", b"/a%20b%00X:%20y"),
            ("/\u00e4", b"/%C3%A4"),
            ("//a//", b"//a//"),
        ):
            self.assertEqual(Destination.of("http://h" + path).path, expected)

    def test_international_host(self) -> None:
        """
        A host name that is not ASCII is dialled and named in its ASCII form.
        """
        destination = Destination.of("http://B\u00fccher.example:81/")
        self.assertEqual(destination.host, "xn--bcher-kva.example")
        self.assertEqual(destination.authority, b"xn--bcher-kva.example:81")

    def test_unusable(self) -> None:
        """
        What is no http or https URL with a host is a ValueError, and still has a name in sentences.
        """
        for url in ("", "ca.example", "ftp://h/", "http:///x", "http://h:99999/", "http://[::1/"):
            self.assertRaises(ValueError, Destination.of, url)
            self.assertIsInstance(host_of(url), str)
        self.assertRaises(ValueError, Destination.of, "http://\u00fc..b/")
        self.assertEqual(host_of("https://ca.example:1/x"), "ca.example")


class RequestEncoderTests(SynchronousTestCase):
    """
    Tests for RequestEncoder.
    """

    def test_get(self) -> None:
        """
        A GET is a head.
        """
        self.assertEqual(
            wire(UpstreamRequest("GET", b"operation=GetCACaps")),
            b"GET /scep?operation=GetCACaps HTTP/1.1\r\n"
            b"Host: ca.example\r\nUser-Agent: scepd\r\nAccept: */*\r\n\r\n",
        )

    def test_post(self) -> None:
        """
        A POST of known length has its body as it is.
        """
        self.assertEqual(
            wire(UpstreamRequest("POST", b"operation=PKIOperation", 5), b"ab", b"", b"cde"),
            b"POST /scep?operation=PKIOperation HTTP/1.1\r\n"
            b"Host: ca.example\r\nUser-Agent: scepd\r\nAccept: */*\r\n"
            b"Content-Type: application/x-pki-message\r\nContent-Length: 5\r\n\r\nabcde",
        )

    def test_chunked(self) -> None:
        """
        A POST of unknown length goes in chunks, none of them empty but the last.
        """
        self.assertEqual(
            wire(UpstreamRequest("POST", b"operation=PKIOperation"), b"ab", b"", b"c" * 17),
            b"POST /scep?operation=PKIOperation HTTP/1.1\r\n"
            b"Host: ca.example\r\nUser-Agent: scepd\r\nAccept: */*\r\n"
            b"Content-Type: application/x-pki-message\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"2\r\nab\r\n11\r\nccccccccccccccccc\r\n0\r\n\r\n",
        )

    def test_body_in_query(self) -> None:
        """
        A GET PKIOperation holds its message as escaped base64, with the head's end behind it.
        """
        request = UpstreamRequest("GET", b"operation=PKIOperation&message=", body_in_query=True)
        self.assertEqual(
            wire(request, b"\xfb\xef", b"\xbe\xff\xff", b"\xff\x00"),
            b"GET /scep?operation=PKIOperation&message=%2B%2B%2B%2B%2F%2F%2F%2FAA%3D%3D"
            b" HTTP/1.1\r\n"
            b"Host: ca.example\r\nUser-Agent: scepd\r\nAccept: */*\r\n\r\n",
        )

    @given(st.lists(st.binary(max_size=20), max_size=8))
    def test_any_body_in_query(self, pieces: list[bytes]) -> None:
        """
        However the message is cut, the query decodes to it and holds no character that needs an
        escape.
        """
        request = UpstreamRequest("GET", b"message=", body_in_query=True)
        target = wire(request, *pieces).split(b" ")[1]
        value = target.partition(b"=")[2]
        self.assertEqual(base64.b64decode(unquote_to_bytes(value)), b"".join(pieces))
        self.assertNotRegex(value, rb"[+/=]")

    def test_wrong_length(self) -> None:
        """
        A body that is longer or shorter than announced is an error: the next request on the
        connection would pay for it.
        """
        encoder = RequestEncoder(UpstreamRequest("POST", b"", 3))
        encoder.encode(b"ab")
        self.assertRaises(ValueError, encoder.check_complete)
        self.assertRaises(ValueError, encoder.encode, b"cd")
        self.assertRaises(ValueError, RequestEncoder(UpstreamRequest("GET", b"")).encode, b"a")
