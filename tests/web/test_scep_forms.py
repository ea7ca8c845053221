"""
Tests for the forms in which SCEP requests come: one table, for the proxy and for the embedded
certificate authority.
"""

from __future__ import annotations

from twisted.web.resource import Resource

from scepd.scep.attributes import PKIStatus
from scepd.scep.messages import MAX_MESSAGE_SIZE, parse_pki_message
from scepd.scep.transport import CA_CERTIFICATE, PKI_MESSAGE
from scepd.web.scep_ca import SCEPCAResource
from scepd.web.scep_request import read_request
from scepd.web.streaming import StreamingSite
from tests.services.issuing_case import IssuingCase, Sender
from tests.support.http_device import PATH, DeviceEnd, HTTPAnswer
from tests.support.proxy import ProxyWorld
from tests.support.scep_messages import authority, cert_rep, pkcs_req
from tests.support.scep_proxy_case import SCEPProxyTestCase
from tests.web.scep_forms import JUNK, Form, operations, questions, refused

_CA_PATH = b"/mdm/scep/ca"
_CAPABILITIES = b"SHA-256\nSCEPStandard\n"
_LARGEST = 8192


def _exchange(site: StreamingSite, form: Form, path: bytes) -> DeviceEnd:
    device = DeviceEnd(site)
    device.send(form.spell(path))
    return device


class EmbeddedCATests(IssuingCase):
    """
    The table, for the embedded certificate authority.
    """

    def setUp(self) -> None:
        """
        Make the site.
        """
        super().setUp()
        root, mdm, scep = Resource(), Resource(), Resource()
        root.putChild(b"mdm", mdm)
        mdm.putChild(b"scep", scep)
        scep.putChild(b"ca", SCEPCAResource(self.ca))
        self.site = StreamingSite(
            root, reactor=self.clock, body_limit=MAX_MESSAGE_SIZE, request_timeout=30
        )

    def answer(self, form: Form) -> HTTPAnswer:
        """
        The answer to a request in this form.
        """
        [answer] = _exchange(self.site, form, _CA_PATH).answers(form.method.decode())
        return answer

    def test_questions(self) -> None:
        """
        GetCACaps and GetCACert are answered in every form.
        """
        bodies = {
            b"GetCACaps": (self.ca.capabilities(), "text/plain"),
            b"GetCACert": (self.certificate, CA_CERTIFICATE),
        }
        for operation, expected in bodies.items():
            for form in questions(operation):
                answer = self.answer(form)
                found = (answer.body, answer.headers["content-type"])
                self.assertEqual((answer.status, found), (200, expected), form.name)

    def test_operations(self) -> None:
        """
        A message is read in every form; each gets the one certificate.
        """
        message = Sender().request(self.certificate).message
        for form in operations(message):
            answer = self.answer(form)
            kind = answer.headers["content-type"]
            self.assertEqual((answer.status, kind), (200, PKI_MESSAGE), form.name)
            status = parse_pki_message(answer.body).pki_status
            self.assertIs(status, PKIStatus.SUCCESS, form.name)
        self.assertEqual(len(self.store.certificates), 1)

    def test_refused(self) -> None:
        """
        What is refused gets one short line that names the problem and echoes nothing.
        """
        for status, form in refused(MAX_MESSAGE_SIZE):
            assert_refusal(self, status, form, self.answer(form))
        for below in (b"/" + JUNK, b"/pkiclient.exe/x", b"//", b"/PKICLIENT.EXE"):
            form = Form("a path below", b"operation=GetCACaps", below=below)
            assert_refusal(self, 404, form, self.answer(form))
        self.assertEqual(self.store.certificates, [])


class ProxyTests(SCEPProxyTestCase):
    """
    The table, for the proxy.
    """

    def exchange(self, form: Form, answer: bytes) -> tuple[HTTPAnswer, bytes]:
        """
        A request in this form at a proxy of its own: the answer, and the message that the
        certificate authority got.
        """
        world = ProxyWorld()
        for operation in ("GetCACaps", "GetCACert"):
            world.will_answer(operation, answer)
        device = _exchange(world.site(), form, PATH)
        if not world.upstream.exchanges:
            return device.answer(), b""
        world.answer(answer)
        return device.answer(), bytes(world.ca_side.body)

    def test_questions(self) -> None:
        """
        GetCACaps and GetCACert are answered in every form, and nothing of it goes on.
        """
        bodies = {
            b"GetCACaps": (_CAPABILITIES, "text/plain"),
            b"GetCACert": (authority().certificate, CA_CERTIFICATE),
        }
        for operation, expected in bodies.items():
            for form in questions(operation):
                answer, sent = self.exchange(form, expected[0])
                found = (answer.body, answer.headers["content-type"])
                self.assertEqual((answer.status, found), (200, expected), form.name)
                self.assertEqual(sent, b"", form.name)

    def test_operations(self) -> None:
        """
        A message is read in every form, and goes on as it is.
        """
        message, cert = pkcs_req(), cert_rep()
        for form in operations(message):
            answer, sent = self.exchange(form, cert)
            found = (answer.body, answer.headers["content-type"])
            self.assertEqual((answer.status, found), (200, (cert, PKI_MESSAGE)), form.name)
            self.assertEqual(sent, message, form.name)

    def test_refused(self) -> None:
        """
        What is refused gets one short line that names the problem and echoes nothing, and no
        window is used up.
        """
        for status, form in refused(_LARGEST):
            self.world = ProxyWorld(max_message_size=_LARGEST)
            device = _exchange(self.world.site(), form, PATH)
            [answer] = device.answers(form.method.decode())
            assert_refusal(self, status, form, answer)
        for below in (b"/" + JUNK, b"/pkiclient.exe/x", b"//", b"/PKICLIENT.EXE"):
            form = Form("a path below", b"operation=GetCACaps", below=below)
            [answer] = _exchange(self.world.site(), form, PATH).answers()
            assert_refusal(self, 400, form, answer)


class ReadRequestTests(SCEPProxyTestCase):
    """
    Tests for ``read_request`` by itself.
    """

    def test_message(self) -> None:
        """
        A message is in the query or in the body, and nowhere for the other operations.
        """
        message = pkcs_req()
        for form in operations(message):
            found = read_request(form.method, form.query or b"", max_size=len(message))
            self.assertEqual(found.operation.wire_name, "PKIOperation", form.name)
            expected = message if form.method == b"GET" else None
            self.assertEqual(found.message, expected, form.name)
            self.assertNotIn("message", repr(found))
        for form in questions(b"GetNextCACert"):
            found = read_request(form.method, form.query or b"", max_size=1)
            self.assertEqual((found.operation.wire_name, found.message), ("GetNextCACert", b""))


def assert_refusal(
    case: SCEPProxyTestCase | IssuingCase, status: int, form: Form, answer: HTTPAnswer
) -> None:
    """
    It is a refusal with this status, in one short line of plain text.
    """
    case.assertEqual(answer.status, status, form.name)
    case.assertEqual(answer.headers["content-type"], "text/plain; charset=utf-8", form.name)
    case.assertNotIn(JUNK, answer.body)
    case.assertEqual(answer.body.count(b"\n"), 1, form.name)
    case.assertTrue(10 < len(answer.body) < 120, answer.body)
    if status == 405:
        case.assertEqual(answer.headers["allow"], "GET, POST", form.name)
