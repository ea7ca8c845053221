"""
The bytes of a request to a certificate authority.
"""

from __future__ import annotations

import base64

from scepd.network.destination import Destination
from scepd.ports import UpstreamRequest


class RequestEncoder:
    """
    Turns a request and its body, as it arrives, into the bytes that go on the wire.

    Three forms of a body: as it is (Content-Length), chunked, or as base64 within the request line
    (a GET PKIOperation, RFC 8894 section 4.1), for which the request line's end is written last.
    """

    def __init__(self, request: UpstreamRequest) -> None:
        self._request = request
        self._in_query = request.body_in_query
        self._chunked = request.method == "POST" and request.content_length is None
        self._rest = b""
        # How much of the body is due; nobody can count a body of unknown length.
        self._due = request.content_length or 0
        self._counted = not self._in_query and not self._chunked

    def head(self, destination: Destination) -> bytes:
        """
        What goes out before the body.
        """
        line = self._line(destination)
        return line if self._in_query else line + self._headers(destination)

    def encode(self, data: bytes) -> bytes:
        """
        The wire form of some bytes of the body.

        :raises ValueError: they are more than the request announced.
        """
        if self._in_query:
            data = self._rest + data
            whole = len(data) - len(data) % 3
            self._rest = data[whole:]
            return _escaped_base64(data[:whole])
        if self._chunked:
            return b"%x\r\n%b\r\n" % (len(data), data) if data else b""
        self._due -= len(data)
        if self._due < 0:
            # The surplus would be the next request of this connection.
            raise ValueError("a body longer than its Content-Length")
        return data

    def check_complete(self) -> None:
        """
        :raises ValueError: the body so far is shorter than the request announced.
        """
        if self._counted and self._due > 0:
            raise ValueError("a body shorter than its Content-Length")

    def end(self, destination: Destination) -> bytes:
        """
        What goes out after the body's last byte.
        """
        if self._in_query:
            return _escaped_base64(self._rest) + self._headers(destination)
        return b"0\r\n\r\n" if self._chunked else b""

    def _line(self, destination: Destination) -> bytes:
        method = self._request.method.encode("ascii")
        return b"%b %b?%b" % (method, destination.request_target, self._request.query)

    def _headers(self, destination: Destination) -> bytes:
        headers = [
            b" HTTP/1.1",
            b"Host: " + destination.authority,
            b"User-Agent: scepd",
            b"Accept: */*",
        ]
        if self._request.method == "POST":
            headers.append(b"Content-Type: application/x-pki-message")
            headers.append(
                b"Transfer-Encoding: chunked"
                if self._chunked
                else b"Content-Length: %d" % (self._request.content_length or 0)
            )
        return b"\r\n".join([*headers, b"", b""])


def _escaped_base64(data: bytes) -> bytes:
    encoded = base64.b64encode(data)
    return encoded.replace(b"+", b"%2B").replace(b"/", b"%2F").replace(b"=", b"%3D")
