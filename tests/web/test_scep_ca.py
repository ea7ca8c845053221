"""
Tests for the resource of the embedded certificate authority.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Sequence
from urllib.parse import quote

from hypothesis import given
from hypothesis import strategies as st
from twisted.web.resource import Resource

from scepd.pki.certificates import summarize
from scepd.scep.attributes import PKIStatus
from scepd.scep.messages import MAX_MESSAGE_SIZE, parse_pki_message
from scepd.scep.transport import CA_CERTIFICATE, PKI_MESSAGE
from scepd.web.scep_ca import RevocationListResource, SCEPCAResource
from scepd.web.streaming import StreamingSite
from tests.services.issuing_case import IssuingCase, Sender
from tests.support.http_device import DeviceEnd, HTTPAnswer, in_chunks
from tests.support.pki import openssl

PATH = b"/mdm/scep/ca"
OPERATION = b"operation=PKIOperation"
DEVICE = Sender()


class ResourceCase(IssuingCase):
    """
    The resource on a listener of devices.
    """

    def setUp(self) -> None:
        """
        Make it.
        """
        super().setUp()
        root, mdm, scep = Resource(), Resource(), Resource()
        root.putChild(b"mdm", mdm)
        mdm.putChild(b"scep", scep)
        scep.putChild(b"ca", SCEPCAResource(self.ca))
        scep.putChild(b"ca.crl", RevocationListResource(self.parts.lists))
        self.site = StreamingSite(
            root, reactor=self.clock, body_limit=MAX_MESSAGE_SIZE, request_timeout=30
        )

    def get(self, query: bytes, path: bytes = PATH) -> HTTPAnswer:
        """
        The answer to a GET.
        """
        device = DeviceEnd(self.site)
        device.get(query, path=path)
        return device.answer()

    def send(
        self,
        body: bytes = b"",
        query: bytes = OPERATION,
        *,
        method: bytes = b"POST",
        path: bytes = PATH,
        head: Sequence[bytes] = (),
    ) -> HTTPAnswer:
        """
        The answer to a request with a body.
        """
        lines = [b"Content-Length: %d" % len(body), *head]
        device = DeviceEnd(self.site)
        start = b"%b %b?%b HTTP/1.1" % (method, path, query)
        device.send(b"\r\n".join([start, *lines, b"", body]))
        return device.answer()

    def assert_issued(self, answer: HTTPAnswer) -> None:
        """
        It is a CertRep SUCCESS.
        """
        self.assertEqual((answer.status, answer.headers["content-type"]), (200, PKI_MESSAGE))
        self.assertEqual(answer.headers["content-length"], str(len(answer.body)))
        self.assertEqual(parse_pki_message(answer.body).pki_status, PKIStatus.SUCCESS)


class QuestionTests(ResourceCase):
    """
    Tests for GetCACaps, GetCACert and GetNextCACert.
    """

    def test_capabilities(self) -> None:
        """
        GetCACaps is plain text, whatever its message says, by GET and POST.
        """
        query = b"message=0&operation=GetCACaps"
        for answer in (self.get(query), self.get(query + b"&x"), self.send(query=query)):
            self.assertEqual((answer.status, answer.headers["content-type"]), (200, "text/plain"))
            self.assertIn(b"\nSCEPStandard\n", answer.body)

    def test_certificate(self) -> None:
        """
        GetCACert is the one certificate in DER.
        """
        for path in (PATH, PATH + b"/", PATH + b"/pkiclient.exe"):
            answer = self.get(b"operation=GetCACert&message=", path)
            kind = answer.headers["content-type"]
            self.assertEqual((answer.status, kind), (200, CA_CERTIFICATE))
            self.assertEqual(answer.body, self.certificate)

    def test_next_certificate(self) -> None:
        """
        Until a roll-over is planned there is no next certificate, and 404 says so.
        """
        answer = self.get(b"operation=GetNextCACert")
        self.assertEqual(answer.status, 404)
        self.assertEqual(answer.body, b"there is no next certificate of the authority\n")
        self.done(self.parts.roll_over.plan("alice"))
        answer = self.get(b"operation=GetNextCACert")
        kind = "application/x-x509-next-ca-cert"
        self.assertEqual((answer.status, answer.headers["content-type"]), (200, kind))
        openssl("pkcs7", "-inform", "DER", "-noout", stdin=answer.body)

    def test_unknown_operations(self) -> None:
        """
        What is no operation is told so, with those that are.
        """
        for query in (b"", b"operation=", b"operation=GetCRL", b"operation=getcacert"):
            answer = self.get(query)
            self.assertEqual(answer.status, 400, query)
            self.assertIn(b"PKIOperation", answer.body)
        self.assertEqual(self.send(query=b"operation=GetCRL").status, 400)

    def test_other_methods(self) -> None:
        """
        GET and POST are all.
        """
        for method in (b"PUT", b"DELETE", b"HEAD", b"OPTIONS"):
            device = DeviceEnd(self.site)
            device.send(b"%b %b HTTP/1.1\r\nContent-Length: 0\r\n\r\n" % (method, PATH))
            [answer] = device.answers(method.decode())
            self.assertEqual((answer.status, answer.headers["allow"]), (405, "GET, POST"))

    def test_paths_below(self) -> None:
        """
        There is nothing below but ``pkiclient.exe``.
        """
        for below in (b"/x", b"/pkiclient.exe/x", b"//"):
            self.assertEqual(self.get(b"operation=GetCACaps", PATH + below).status, 404)

    def test_storage_unavailable(self) -> None:
        """
        Without a database: 503, and when to come again.
        """
        self.store.broken = True
        answer = self.send(DEVICE.request(self.certificate).message)
        self.assertEqual((answer.status, answer.headers["retry-after"]), (503, "5"))


class RevocationListTests(ResourceCase):
    """
    Tests for ``/mdm/scep/ca.crl``.
    """

    path = PATH + b".crl"

    def test_list(self) -> None:
        """
        It is the list of the current certificate, or of the one that is named.
        """
        serial = summarize(self.certificate).serial.lower().encode()
        for query in (b"", b"issuer=" + serial, b"x=y"):
            answer = self.get(query, self.path)
            kind = answer.headers["content-type"]
            self.assertEqual((answer.status, kind), (200, "application/pkix-crl"))
            text = openssl("crl", "-inform", "DER", "-noout", "-issuer", stdin=answer.body)
            name = self.authority.subject.rfc4514_string().removeprefix("CN=")
            self.assertIn(name.encode(), text)

    def test_unknown(self) -> None:
        """
        Other certificates have none; junk is told so without an echo; nothing is below it.
        """
        for query, status in ((b"issuer=AA", 404), (b"issuer=abracadabra", 400)):
            answer = self.get(query, self.path)
            self.assertEqual(answer.status, status)
            self.assertNotIn(b"abracadabra", answer.body)
        self.assertEqual(self.get(b"", self.path + b"/x").status, 404)

    def test_other_methods(self) -> None:
        """
        GET is all.
        """
        answer = self.send(path=self.path)
        self.assertEqual((answer.status, answer.headers["allow"]), (405, "GET"))

    @given(st.text(max_size=40))
    def test_junk(self, text: str) -> None:
        """
        Whatever is asked, the answer is a list, 400 or 404.
        """
        query = b"issuer=" + quote(text).encode()
        self.assertIn(self.get(query, self.path).status, (200, 400, 404))


class OperationTests(ResourceCase):
    """
    Tests for PKIOperation.
    """

    def setUp(self) -> None:
        """
        Make a request.
        """
        super().setUp()
        self.message = DEVICE.request(self.certificate).message

    def test_post(self) -> None:
        """
        By POST, with any of the Content-Types that clients send, or none; the URL's message does
        not count.
        """
        for head in (
            [],
            [b"Content-Type: application/x-pki-message"],
            [b"Content-Type: application/octet-stream"],
            [b"Content-Type: application/x-www-form-urlencoded"],
        ):
            self.assert_issued(self.send(self.message, head=head))
        for query in (b"", b"message=x", OPERATION + b"&message=" + b"x" * 6000):
            self.assert_issued(self.send(self.message, query))
        self.assert_issued(self.send(self.message, path=PATH + b"/pkiclient.exe"))

    def test_chunked(self) -> None:
        """
        By POST in chunks.
        """
        device = DeviceEnd(self.site)
        device.send(b"POST %b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" % PATH)
        device.send(in_chunks(self.message[:1000], self.message[1000:]), b"0\r\n\r\n")
        self.assert_issued(device.answer())

    def test_get(self) -> None:
        """
        By GET, in all the forms in which clients write base64.
        """
        text = base64.b64encode(self.message)
        for written in (
            quote(text, safe="").encode(),
            text,
            text.replace(b"=", b"%3D"),
            base64.urlsafe_b64encode(self.message).rstrip(b"="),
            quote(base64.encodebytes(self.message), safe="").encode(),
        ):
            self.assert_issued(self.get(OPERATION + b"&message=" + written))

    def test_refused(self) -> None:
        """
        A SCEP message that is refused is answered by SCEP.
        """
        sender = Sender(challenge="wrong")
        answer = self.send(sender.request(self.certificate).message)
        self.assertEqual((answer.status, answer.headers["content-type"]), (200, PKI_MESSAGE))
        self.assertEqual(parse_pki_message(answer.body).pki_status, PKIStatus.FAILURE)

    def test_no_message(self) -> None:
        """
        What is no SCEP message is told so, without an echo of it.
        """
        for answer in (
            self.send(b""),
            self.send(b"abracadabra"),
            self.get(OPERATION),
            self.get(OPERATION + b"&message=abracadabra"),
            self.get(OPERATION + b"&message=%FF"),
        ):
            self.assertEqual(answer.status, 400)
            self.assertEqual(answer.headers["content-type"], "text/plain; charset=utf-8")
            self.assertNotIn(b"abracadabra", answer.body)

    def test_too_large(self) -> None:
        """
        A body above the limit is 413.
        """
        self.assertEqual(self.send(bytes(MAX_MESSAGE_SIZE + 1)).status, 413)

    def test_vanished(self) -> None:
        """
        Who does not wait for the answer gets the same certificate the next time.
        """
        self.workers.held = True
        device = DeviceEnd(self.site)
        device.send(
            b"POST %b HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (PATH, len(self.message)),
            self.message,
        )
        device.vanish()
        while self.workers.calls:
            self.workers.go()
        self.assertEqual(len(self.store.certificates), 1)
        self.assertEqual(self.flushLoggedErrors(), [])

    @given(st.binary(max_size=300), st.binary(max_size=30))
    def test_junk(self, body: bytes, text: bytes) -> None:
        """
        Whatever comes, the answer is 400, 404, 405, 413 or a CertRep.
        """
        junk = quote(text).encode()
        for answer in (
            self.send(body),
            self.send(body + os.urandom(1), junk),
            self.get(OPERATION + b"&message=" + junk),
            self.get(junk),
        ):
            self.assertIn(answer.status, (400, 404))
