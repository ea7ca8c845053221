"""
The forms in which SCEP requests come, as clients send them (RFC 8894 section 4, and observed).
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote

from tests.support.http_device import in_chunks

JUNK = b"abracadabra"
"""
In what is refused; no answer may hold it.
"""


@dataclass(frozen=True)
class Form:
    """
    One way to ask.

    :param name: for the test's output.
    :param query: behind the question mark; None: there is none.
    :param below: behind the path.
    :param head: more lines of the head.
    :param body: None: no body, and no Content-Length.
    """

    name: str
    query: bytes | None
    method: bytes = b"GET"
    below: bytes = b""
    head: tuple[bytes, ...] = ()
    body: bytes | None = None
    chunked: bool = False

    def spell(self, path: bytes) -> bytes:
        """
        The request.
        """
        target = path + self.below + (b"" if self.query is None else b"?" + self.query)
        lines = [b"%b %b HTTP/1.1" % (self.method, target), *self.head]
        if self.chunked:
            lines.append(b"Transfer-Encoding: chunked")
            body = in_chunks(self.body or b"") + b"0\r\n\r\n"
        else:
            lines += [] if self.body is None else [b"Content-Length: %d" % len(self.body)]
            body = self.body or b""
        return b"\r\n".join([*lines, b"", body])


def questions(operation: bytes) -> Iterator[Form]:
    """
    GetCACaps and GetCACert, whatever else the query says.
    """
    asked = b"operation=" + operation
    yield Form("alone", asked)
    yield Form("Apple: the CA's name", asked + b"&message=Example%20Corp%20CA")
    yield Form("certmonger: a number", asked + b"&message=0")
    yield Form("an empty message", asked + b"&message=")
    yield Form("a message without a value", asked + b"&message")
    yield Form("an odd message", asked + b"&message=%FF%00&&=&%")
    yield Form("the operation last", b"message=1&" + asked)
    yield Form("the operation twice", asked + b"&message=2&" + asked)
    yield Form("of two operations the first counts", asked + b"&operation=PKIOperation")
    yield Form("an escaped operation", asked.replace(b"GetCA", b"%47et%43A"))
    yield Form("another parameter", b"x=y&" + asked + b"&z")
    yield Form("pkiclient.exe", asked, below=b"/pkiclient.exe")
    yield Form("by POST", asked, b"POST", body=b"")
    yield Form("by POST with a body", asked, b"POST", body=JUNK)


def operations(message: bytes) -> Iterator[Form]:
    """
    PKIOperation with this message.
    """
    yield from _gets(message)
    yield from _posts(message)


def _gets(message: bytes) -> Iterator[Form]:
    start = b"operation=PKIOperation&message="
    plain = base64.b64encode(message)
    wrapped = base64.encodebytes(message)
    assert b"+" in plain and b"/" in plain, "each form has to differ from the others"
    yield Form("fully escaped", start + quote(plain, safe="").encode())
    yield Form("wrapped, with %0A", start + quote(wrapped, safe="").encode())
    yield Form(
        "wrapped, with %0D%0A", start + quote(wrapped.replace(b"\n", b"\r\n"), safe="").encode()
    )
    yield Form("a raw slash", start + quote(plain, safe="/").encode())
    yield Form("a raw plus", start + quote(plain, safe="+").encode())
    yield Form("macOS: only = escaped", start + plain.replace(b"=", b"%3D"))
    yield Form("nothing escaped", start + plain)
    yield Form("a blank for a plus", start + plain.replace(b"+", b"%20"))
    yield Form("scepclient: base64url", start + base64.urlsafe_b64encode(message))
    yield Form("no padding", start + plain.rstrip(b"="))
    yield Form("base64url without padding", start + base64.urlsafe_b64encode(message).rstrip(b"="))
    yield Form("the message first", b"message=" + plain + b"&operation=PKIOperation")
    yield Form("of two messages the first counts", start + plain + b"&message=" + JUNK)
    yield Form("pkiclient.exe", start + plain, below=b"/pkiclient.exe")
    yield Form("a body that does not count", start + plain, body=JUNK)


def _posts(message: bytes) -> Iterator[Form]:
    query = b"operation=PKIOperation"
    kinds = (b"application/octet-stream", b"application/x-pki-message", b"text/plain")
    for kind in kinds:
        head = (b"Content-Type: " + kind, b"User-Agent: client")
        yield Form(f"POST {kind.decode()}", query, b"POST", head=head, body=message)
    yield Form("POST without Content-Type and User-Agent", query, b"POST", body=message)
    yield Form("POST in chunks", query, b"POST", body=message, chunked=True)
    yield Form("POST: 6 kB of junk", query + b"&message=" + b"%" * 6000, b"POST", body=message)
    yield Form("POST: junk first", b"message=" + JUNK + b"&" + query, b"POST", body=message)
    yield Form("POST: no operation", b"message=" + JUNK, b"POST", body=message)
    yield Form("POST: no query", None, b"POST", body=message)
    yield Form("POST: an empty query", b"", b"POST", body=message)
    yield Form("POST: pkiclient.exe", query, b"POST", below=b"/pkiclient.exe", body=message)


def refused(largest: int) -> Iterator[tuple[int, Form]]:
    """
    What is refused, and with which status; no form is a request of a client that means well.

    :param largest: octets of the largest message that is taken.
    """
    start = b"operation=PKIOperation"
    for query in (None, b"", b"operation", b"operation=", b"operation=" + JUNK, JUNK):
        yield 400, Form("no operation", query)
    for query in (b"operation=getcacert", b"operation=GetCACert%00", b"operation=" + b"x" * 4000):
        yield 400, Form("no such operation", query)
    yield 400, Form("POST: no such operation", b"operation=" + JUNK, b"POST", body=JUNK)
    yield 400, Form("POST: an operation without a value", b"operation", b"POST", body=JUNK)
    for message in (b"", b"&message", b"&message=", b"&message=%FF" + JUNK, b"&message=*" + JUNK):
        yield 400, Form("no message in base64", start + message)
    yield 400, Form("a single character", start + b"&message=A")
    yield 413, Form("POST: too large", start, b"POST", body=bytes(largest + 1))
    yield (
        413,
        Form("POST: too large in chunks", start, b"POST", body=bytes(largest + 1), chunked=True),
    )
    for method in (b"PUT", b"DELETE", b"OPTIONS", b"PATCH", b"get", b"TRACE"):
        yield 405, Form(f"method {method.decode()}", start, method, body=b"")
