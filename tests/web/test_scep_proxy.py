"""
Tests for the SCEP proxy as devices meet it: URLs, methods, forms, statuses.
"""

from __future__ import annotations

import base64
from urllib.parse import quote

from scepd.model import Admission, Reservation
from tests.support.http_device import PATH, DeviceEnd
from tests.support.proxy import WINDOW, ProxyWorld, make_ca
from tests.support.scep_messages import authority, cert_rep, pkcs_req
from tests.support.scep_proxy_case import SCEPProxyTestCase

_PKI_OPERATION = b"operation=PKIOperation"


class URLTests(SCEPProxyTestCase):
    """
    Tests for what a request asks for.
    """

    def test_paths(self) -> None:
        """
        Three or four parts are needed, with commas escaped or plain; some clients add
        ``/pkiclient.exe``.
        """
        start = b"/mdm/scep/proxy/"
        self.world.will_answer("GetCACaps", b"SHA-256\n")
        for parts in (b"HOST-1%2CaPROFILE-1%2cCORP", b"HOST-1,aPROFILE-1,CORP/pkiclient.exe"):
            self.device.get(b"operation=GetCACaps", path=start + parts)
        self.assertEqual([answer.status for answer in self.device.answers()], [200, 200])
        for parts in (
            b"",
            b"a,b",
            b"a,,b",
            b"a,b,c,d,e",
            b"a,b,c,",
            b"a,b,c,%20",
            b"a,b,%00",
            b"a,b,c/",
            b"a,b," + b"c" * 256,
        ):
            answer = self.get(b"operation=GetCACaps", start + parts)
            self.assertEqual(
                (answer.status, answer.body), (400, b"invalid identifier in URL path\n")
            )

    def test_unknown(self) -> None:
        """
        Another host, profile or certificate authority is unknown.
        """
        answer = self.get(b"operation=GetCACaps", b"/mdm/scep/proxy/HOST-1,aPROFILE-1,OTHER")
        self.assertEqual(answer.status, 404)
        self.assertEqual(answer.body, b"unknown identifier in URL path\n")
        self.assertEqual(self.world.requests_counted("GetCACaps", "not-found"), 1)

    def test_operations(self) -> None:
        """
        A missing operation is a PKIOperation in a POST only; an unknown one is refused.
        """
        for query in (b"", b"operation=", b"operation=Nonsense", b"message=x", b"operation=%00"):
            self.assertEqual(self.get(query).status, 400)
            if b"operation" in query:
                device = DeviceEnd(self.world.site())
                device.post(b"x", query=query)
                self.assertEqual(device.answer().status, 400)
        self.device.post(b"x", query=b"message=junk%ff")
        self.assertEqual(self.world.ca_side.request.query, _PKI_OPERATION)

    def test_methods(self) -> None:
        """
        What is neither GET nor POST is told what is.
        """
        for method in ("HEAD", "PUT", "DELETE"):
            device = DeviceEnd(self.world.site())
            device.send(b"%b %b?%b HTTP/1.1\r\n\r\n" % (method.encode(), PATH, _PKI_OPERATION))
            [answer] = device.answers(method)
            self.assertEqual((answer.status, answer.headers["allow"]), (405, "GET, POST"))

    def test_other_paths(self) -> None:
        """
        Elsewhere there is nothing.
        """
        self.assertEqual(self.get(b"", b"/mdm/scep/other").status, 404)

    def test_stopping(self) -> None:
        """
        A server that is about to stop lets nobody in.
        """
        self.world.proxy.stop_accepting()
        self.assertEqual(self.get(b"operation=GetCACaps").status, 503)
        self.assertEqual(self.world.enrollments.reserve_calls, [])


class MessageTests(SCEPProxyTestCase):
    """
    Tests for the forms of a PKIOperation.
    """

    def sent(self, query: bytes) -> bytes:
        """
        What the certificate authority gets of a GET PKIOperation.
        """
        self.world.enrollments.reservations.append(Reservation(Admission.ADMITTED, WINDOW))
        self.device.get(_PKI_OPERATION + b"&message=" + query)
        self.world.answer(cert_rep("FAILURE"))
        self.assertTrue(self.world.ca_side.sent_whole)
        return bytes(self.world.ca_side.body)

    def test_get(self) -> None:
        """
        Base64 in all the forms that clients send; each goes on as a POST of known length.
        """
        message = pkcs_req()
        plain = base64.b64encode(message)
        forms = [
            quote(plain, safe="").encode(),
            plain,
            plain.rstrip(b"="),
            base64.urlsafe_b64encode(message),
            quote(base64.encodebytes(message)).encode(),
        ]
        for form in forms:
            self.assertEqual(self.sent(form), message)
            self.assertEqual(self.world.ca_side.request.method, "POST")
            self.assertEqual(self.world.ca_side.request.content_length, len(message))

    def test_get_refused(self) -> None:
        """
        A GET without a message, with one that is not base64, or with one that is too large.
        """
        self.world = ProxyWorld(max_message_size=4096)
        large = base64.b64encode(bytes(4097))
        for message, status in ((b"", 400), (b"&message=%25", 400), (b"&message=" + large, 413)):
            answer = self.get(_PKI_OPERATION + message)
            self.assertEqual(answer.status, status)
            self.assertNotIn(b"AAAA", answer.body)
        self.assertEqual(self.world.upstream.exchanges, [])

    def test_get_with_a_body(self) -> None:
        """
        The body of a GET is not the message; the connection goes on after it.
        """
        message = base64.b64encode(b"message")
        self.device.get(_PKI_OPERATION + b"&message=" + message, head=b"Content-Length: 4\r\n")
        self.device.send(b"body")
        self.world.answer(cert_rep("FAILURE"))
        self.assertEqual(self.world.ca_side.body, b"message")
        self.assertEqual(self.device.answer().status, 200)
        self.assertFalse(self.device.transport.disconnecting)

    def test_post_to_a_ca_without_post(self) -> None:
        """
        A certificate authority whose capabilities do not offer POST gets a GET.
        """
        self.world.authorities.by_name["CORP"] = make_ca(capabilities=("SHA-256",))
        self.device.post(b"message")
        request = self.world.ca_side.request
        self.assertEqual((request.method, request.body_in_query), ("GET", True))
        self.assertEqual(request.query, b"operation=PKIOperation&message=")

    def test_ca_identifier(self) -> None:
        """
        GetCACaps and GetCACert carry the CA's own identifier, escaped, and not the device's.
        """
        self.world.authorities.by_name["CORP"] = make_ca(ca_identifier="a&b=c+d é")
        self.device.get(b"operation=GetCACert&message=device")
        [(_, query, _)] = self.world.upstream.fetched
        self.assertEqual(query, b"operation=GetCACert&message=a%26b%3Dc%2Bd%20%C3%A9")

    def test_content_types(self) -> None:
        """
        Each answer has its exact Content-Type, whatever the certificate authority said.
        """
        ca = authority().certificate
        expected = {
            "GetCACaps": (b"SHA-256\n", "text/plain"),
            "GetCACert": (ca, "application/x-x509-ca-cert"),
            "GetNextCACert": (cert_rep(), "application/x-x509-next-ca-cert"),
            "PKIOperation": (cert_rep(), "application/x-pki-message"),
        }
        for operation, (body, _) in expected.items():
            self.world.will_answer(operation, body)
            self.device.get(f"operation={operation}&message=bWVzc2FnZQ".encode())
            if self.world.upstream.exchanges:
                self.world.answer(body)
        answers = self.device.answers()
        found = [(answer.body, answer.headers["content-type"]) for answer in answers]
        self.assertEqual(found, list(expected.values()))
