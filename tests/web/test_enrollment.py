"""
Tests for the enrollment link.
"""

from __future__ import annotations

import os
import plistlib

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource

from scepd.mdm.device_attributes import DeviceAttributes
from scepd.services.enrolling import Enrolling, NewEnrollmentToken
from scepd.web.enrollment import EnrollmentResource
from scepd.web.streaming import StreamingSite
from tests.support.fake_issuing import FakeIssuing
from tests.support.http_device import DeviceEnd, HTTPAnswer
from tests.support.pki import NOW


class EnrollmentResourceTests(SynchronousTestCase):
    """
    Tests for L{EnrollmentResource}.
    """

    def setUp(self) -> None:
        """
        Make a token.
        """
        clock = Clock()
        clock.advance(NOW.timestamp())
        self.store = FakeIssuing()
        self.proofs: list[bytes] = []
        self.topic: str | None = "com.apple.mgmt.External.1234"
        service = Enrolling(
            self.store, clock, os.urandom, "https://mdm.example.com", lambda: self.topic
        )
        root, mdm = Resource(), Resource()
        root.putChild(b"mdm", mdm)
        mdm.putChild(b"enroll", EnrollmentResource(service, self.prove))
        self.site = StreamingSite(root, reactor=clock, body_limit=1000, request_timeout=30)
        created = service.create(NewEnrollmentToken("laptops"), "alice")
        self.token = self.successResultOf(Deferred.fromCoroutine(created)).text.encode()

    def get(self, query: bytes, path: bytes = b"/mdm/enroll") -> HTTPAnswer:
        """
        Follow a link.
        """
        device = DeviceEnd(self.site)
        device.get(query, path=path)
        return device.answer()

    def test_profile(self) -> None:
        """
        A token buys a profile that browsers and devices know as one, and nobody may keep.
        """
        answer = self.get(b"token=" + self.token)
        self.assertEqual(answer.status, 200)
        self.assertEqual(answer.headers["content-type"], "application/x-apple-aspen-config")
        self.assertEqual(
            answer.headers["content-disposition"], 'attachment; filename="enroll.mobileconfig"'
        )
        self.assertEqual(answer.headers["cache-control"], "no-store")
        self.assertEqual(plistlib.loads(answer.body)["PayloadType"], "Configuration")

    def post(self, body: bytes) -> HTTPAnswer:
        """
        Follow a link as a device does that tells of itself.
        """
        device = DeviceEnd(self.site)
        head = b"POST /mdm/enroll?token=%s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n"
        kind = b"Content-Type: application/pkcs7-signature\r\n\r\n"
        device.send(head % (self.token, len(body)) + kind + body)
        return device.answer()

    def test_device(self) -> None:
        """
        What a device proves in the body of a POST binds its challenge; what it does not prove, or
        brings with a GET, counts for nothing.
        """
        for body, bound in ((b"proof", "UDID-1"), (b"junk", None), (b"", None)):
            self.store.challenges.clear()
            self.assertEqual(self.post(body).status, 200)
            (stored,) = self.store.challenges.values()
            self.assertEqual(stored.host_uuid, bound)
        self.assertEqual(self.proofs, [b"proof", b"junk", b""])
        self.get(b"token=" + self.token)
        self.assertEqual(len(self.proofs), 3)

    async def prove(self, body: bytes) -> DeviceAttributes | None:
        """
        Know one device.
        """
        self.proofs.append(body)
        return DeviceAttributes("UDID-1", "C02ABC") if body == b"proof" else None

    def test_unknown_token(self) -> None:
        """
        No device has credentials to bring: 403, never 401.
        """
        answer = self.get(b"token=" + self.token[::-1])
        self.assertEqual((answer.status, answer.body), (403, b"the enrollment link is not known\n"))
        self.assertEqual(answer.headers["content-type"], "text/plain; charset=utf-8")
        self.assertEqual(self.get(b"token=%FF").status, 403)

    def test_no_token(self) -> None:
        """
        A link without a token, or with two.
        """
        text = b"the enrollment link has no token, or several\n"
        for query in (b"", b"tokn=x", b"token=a&token=b"):
            answer = self.get(query)
            self.assertEqual((answer.status, answer.body), (400, text), query)

    def test_not_configured(self) -> None:
        """
        Without a push certificate: 503, and why.
        """
        self.topic = None
        answer = self.get(b"token=" + self.token)
        self.assertEqual((answer.status, answer.body), (503, b"APNs is not configured\n"))

    def test_storage_unavailable(self) -> None:
        """
        Without a database: 503, and when to come again.
        """
        self.store.broken = True
        answer = self.get(b"token=" + self.token)
        self.assertEqual((answer.status, answer.headers["retry-after"]), (503, "5"))

    def test_other_methods(self) -> None:
        """
        Nothing but GET and POST.
        """
        device = DeviceEnd(self.site)
        device.send(b"PUT /mdm/enroll?token=x HTTP/1.1\r\nContent-Length: 0\r\n\r\n")
        answer = device.answer()
        self.assertEqual((answer.status, answer.headers["allow"]), (405, "GET, POST"))

    def test_paths_below(self) -> None:
        """
        There is nothing below it.
        """
        self.assertEqual(self.get(b"token=" + self.token, b"/mdm/enroll/x").status, 404)

    def test_token_is_not_logged(self) -> None:
        """
        Whatever the answer is, the token is not in the log.
        """
        with capturedLogs() as events:
            self.get(b"token=" + self.token)
            self.get(b"token=" + self.token[::-1])
        self.assertGreater(len(events), 0)
        for token in (self.token, self.token[::-1]):
            self.assertNotIn(token.decode(), repr(events))
