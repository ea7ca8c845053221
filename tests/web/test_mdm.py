"""
Tests for the MDM endpoints as devices meet them.
"""

from __future__ import annotations

import plistlib

from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource

from scepd.services.long_messages import LongMessages
from scepd.web.mdm import LongMDMMessages, MDMSite, make_mdm_endpoint
from scepd.web.streaming import StreamingSite, first_receiver
from tests.support.fake_mdm_world import (
    MDMWorld,
    authenticate,
    check_in,
    report,
    signed,
    token_update,
)
from tests.support.http_device import DeviceEnd, HTTPAnswer, in_chunks
from tests.support.pki import party


class MDMCase(SynchronousTestCase):
    """
    C{/mdm/checkin} and C{/mdm/connect}.
    """

    has_receiver = True

    def setUp(self) -> None:
        """
        Mount both endpoints.
        """
        self.world = MDMWorld()
        root, mdm = Resource(), Resource()
        root.putChild(b"mdm", mdm)
        for name in (b"checkin", b"connect"):
            mdm.putChild(name, make_mdm_endpoint(self.world.check_in))
        site = MDMSite(self.world.check_in)
        messages = LongMessages(self.world.check_ins, self.world.workers, self.world.clock)
        self.site = StreamingSite(
            root,
            reactor=self.world.clock,
            body_limit=10_000_000,
            body_limits={b"/mdm/connect": 20_000},
            length_statuses={b"/mdm/connect": 400},
            request_timeout=30,
            minimum_speed=1000.0,
            on_too_long=LongMDMMessages(messages).refused,
            receiver_for=first_receiver(*([site.receiver_for] if self.has_receiver else [])),
        )

    def put(
        self, body: bytes, *, path: bytes = b"checkin", head: bytes | None = None
    ) -> HTTPAnswer:
        """
        PUT a signed body, or one with another head.
        """
        if head is None:
            head = b"Mdm-Signature: %b\r\n" % signed(body, self.world.identity)
        return self.send(b"PUT", path, head, body)

    def send(self, method: bytes, path: bytes, head: bytes, body: bytes) -> HTTPAnswer:
        """
        Send any request.
        """
        device = DeviceEnd(self.site)
        device.send(
            b"%b /mdm/%b HTTP/1.1\r\nHost: scepd\r\nContent-Length: %d\r\n%b\r\n"
            % (method, path, len(body), head),
            body,
        )
        return device.answer()


class MDMEndpointTests(MDMCase):
    """
    Tests for both endpoints.
    """

    def test_both_take_both(self) -> None:
        """
        Either endpoint takes either kind of message, whatever its Content-Type.
        """
        self.world.queue("command-1", None)
        for path, body in (
            (b"connect", authenticate()),
            (b"connect", token_update()),
            (b"checkin", report("Idle")),
        ):
            answer = self.put(body, path=path)
            self.assertEqual(answer.status, 200)
            self.assertEqual(answer.headers["content-type"], "application/xml; charset=utf-8")
        self.assertEqual(answer.body, b"raw command-1")

    def test_any_content_type(self) -> None:
        """
        What a message is says its property list; a Content-Type may be wrong, or say nothing.
        """
        self.world.enroll()
        self.world.queue("command-1", None)
        for kind in (b"application/x-apple-aspen-mdm-checkin", b"text/plain", b"nonsense", b""):
            for path in (b"checkin", b"connect"):
                body = report("Idle")
                signature = signed(body, self.world.identity)
                head = b"Content-Type: %b\r\nMdm-Signature: %b\r\n" % (kind, signature)
                self.assertEqual(self.put(body, path=path, head=head).body, b"raw command-1")

    def test_liberal(self) -> None:
        """
        A device that tells next to nothing of itself is welcome, and so are tokens of any length
        and results without a RequestType.
        """
        for body in (
            check_in("Authenticate"),
            token_update("UDID-1", **{"Token": b"\x01" * 33, "Topic": ""}),
            report("Acknowledged", "command-1", RequestType=""),
            report("Error", "command-2"),
            report("NotNow"),
        ):
            self.assertEqual(self.put(body, path=b"connect").status, 200)

    def test_too_long(self) -> None:
        """
        A body that is longer than any message is 400, before it has come whole.
        """
        device = DeviceEnd(self.site)
        device.send(b"PUT /mdm/connect HTTP/1.1\r\nHost: scepd\r\nContent-Length: 20001\r\n\r\n")
        answer = device.answer()
        self.assertEqual((answer.status, answer.headers["connection"]), (400, "close"))
        self.assertEqual(answer.body, b"the request is larger than 20000 bytes\n")
        self.assertEqual(self.send(b"PUT", b"other", b"", bytes(10_000_001)).status, 413)

    def test_too_long_is_told(self) -> None:
        """
        The log says so with the host, whether the length was known or not; not of other paths.
        """
        self.world.enroll()
        body = report("Acknowledged", "command-1", CertificateList=[{"Data": bytes(20_000)}])
        signature = b"Mdm-Signature: %b\r\n" % signed(body, self.world.identity)
        start = b"PUT /mdm/connect HTTP/1.1\r\nHost: scepd\r\n"
        ways = (
            (b"Content-Length: %d\r\n%b\r\n" % (len(body), signature), b""),
            (b"Transfer-Encoding: chunked\r\n%b\r\n" % signature, in_chunks(body)),
            (b"Content-Length: %d\r\n%b%b\r\n" % (len(body), signature, signature), b""),
        )
        told = []
        for head, sent in ways:
            with capturedLogs() as events:
                device = DeviceEnd(self.site)
                device.send(start + head, sent)
                self.assertEqual(device.answer().status, 400)
            told += [(event["host"], event["length"]) for event in events if "limit" in event]
            self.world.clock.advance(60)
        expected = [("UDID-1", len(body)), ("UDID-1", "more than 20000"), (None, len(body))]
        self.assertEqual(told, expected)
        with capturedLogs() as events:
            self.send(b"PUT", b"other", b"", bytes(10_000_001))
        self.assertEqual([event for event in events if "limit" in event], [])

    def test_unrenderable(self) -> None:
        """
        When a profile can't be rendered any more the same answer holds the next command.
        """
        self.world.enroll()
        self.world.queue("delivery", self.world.profile)
        self.world.queue("next", None)
        self.world.authorities.by_name.clear()
        self.assertEqual(self.put(report("Idle"), path=b"connect").body, b"raw next")
        self.assertEqual(self.world.commands.statuses["delivery"], "cancelled")

    def test_not_now(self) -> None:
        """
        What was answered NotNow comes again with the next Idle, and not before: other commands are
        offered meanwhile.
        """
        self.world.enroll()
        self.world.queue("first", None)
        self.world.queue("second", None)
        for body, expected in (
            (report("Idle"), b"raw first"),
            (report("NotNow", "first"), b"raw second"),
            (report("Acknowledged", "second"), b""),
            (report("Idle"), b"raw first"),
        ):
            self.assertEqual(self.put(body, path=b"connect").body, expected)

    def test_empty(self) -> None:
        """
        An answer with nothing in it says so.
        """
        answer = self.put(authenticate())
        self.assertEqual((answer.body, answer.headers["content-length"]), (b"", "0"))

    def test_methods(self) -> None:
        """
        What is not PUT is told what is.
        """
        for method in (b"GET", b"POST", b"DELETE"):
            answer = self.send(method, b"checkin", b"", b"")
            self.assertEqual((answer.status, answer.headers["allow"]), (405, "PUT"))

    def test_refusals(self) -> None:
        """
        Whatever is wrong with a message is 400.
        """
        message = authenticate()
        for head in (
            b"",
            b"Mdm-Signature: nonsense\r\n",
            b"Mdm-Signature: %b\r\n" % signed(b"other", self.world.identity),
            b"Mdm-Signature: %b\r\n" % signed(message, party("CN=stranger", 1)),
            b"Mdm-Signature: %b\r\n" % signed(message, self.world.identity) * 2,
        ):
            self.assertEqual(self.put(message, head=head).status, 400)
        for body in (b"", b"junk", plistlib.dumps({}), report("Idle"), check_in("Nonsense")):
            self.assertEqual(self.put(body).status, 400)
        self.world.check_ins.taken = True
        self.assertEqual(self.put(message).status, 400)

    def test_features(self) -> None:
        """
        What is not offered is answered as Apple says.
        """
        self.world.enroll()
        for body, status in (
            (check_in("UserAuthenticate", UserID="USER"), 410),
            (check_in("DeclarativeManagement"), 404),
            (check_in("GetToken"), 404),
            (check_in("SetBootstrapToken", BootstrapToken=b"secret"), 200),
            (check_in("GetBootstrapToken"), 200),
            (report("Idle", UserID="USER"), 400),
            (token_update(UserID="USER"), 200),
            (report("Idle", UserID="USER"), 200),
            (check_in("GetToken", UserID="USER"), 404),
            (check_in("SetBootstrapToken", UserID="USER", BootstrapToken=b"secret"), 400),
        ):
            self.assertEqual(self.put(body).status, status)

    def test_storage_unavailable(self) -> None:
        """
        While the database is down the device is told to try again.
        """
        self.world.check_ins.broken = True
        answer = self.put(authenticate())
        self.assertEqual((answer.status, answer.headers["retry-after"]), (503, "5"))

    def test_bug(self) -> None:
        """
        A fault of ours is 500, without details, and logged.
        """
        self.world.check_ins.identities = None  # type: ignore[assignment]
        answer = self.put(authenticate())
        self.assertEqual((answer.status, answer.body), (500, b"internal error\n"))
        self.assertEqual(len(self.flushLoggedErrors(AttributeError)), 1)


class BufferedMDMEndpointTests(MDMEndpointTests):
    """
    The same without what takes messages of ordinary size out of the way.
    """

    has_receiver = False


class MDMSiteTests(MDMCase):
    """
    Tests for what is taken out of the way, and when.
    """

    def setUp(self) -> None:
        """
        Enroll the device.
        """
        super().setUp()
        self.world.enroll()

    def head(self, length: int) -> bytes:
        """
        The head of a poll with a body of that length.
        """
        signature = signed(report("Idle"), self.world.identity)
        return (
            b"PUT /mdm/connect HTTP/1.1\r\nHost: scepd\r\nMdm-Signature: %b\r\n"
            b"Content-Length: %d\r\n\r\n" % (signature, length)
        )

    def test_in_pieces(self) -> None:
        """
        A body that comes slower than the least speed is waited for, as long as it comes in time.
        """
        device, body = DeviceEnd(self.site), report("Idle")
        device.send(self.head(len(body)), body[:10])
        self.world.clock.advance(29)
        device.send(body[10:])
        self.assertEqual((device.answer().status, device.answer().body), (200, b""))
        self.assertEqual(device.transport.disconnecting, False)

    def test_asked_before(self) -> None:
        """
        A client that waits to be invited is, and sends its body then.
        """
        device, body = DeviceEnd(self.site), report("Idle")
        device.send(self.head(len(body))[:-2] + b"Expect: 100-continue\r\n\r\n")
        self.assertEqual(device.transport.value(), b"HTTP/1.1 100 Continue\r\n\r\n")
        device.transport.clear()
        device.send(body)
        self.assertEqual(device.answer().status, 200)

    def test_too_slow(self) -> None:
        """
        A body that does not come in time is 408.
        """
        device, body = DeviceEnd(self.site), report("Idle")
        device.send(self.head(len(body)), body[:10])
        self.world.clock.advance(30)
        self.assertEqual(device.answer().status, 408)

    def test_kept_connection(self) -> None:
        """
        Poll after poll is answered on one connection; what is pipelined too.
        """
        device, body = DeviceEnd(self.site), report("Idle")
        device.send(self.head(len(body)) + body, (self.head(len(body)) + body) * 2)
        self.assertEqual([answer.status for answer in device.answers()], [200] * 3)

    def test_long(self) -> None:
        """
        What is long, or of unknown length, is left to the endpoint, which takes it just as well.
        """
        body = report("Idle", Padding=b"x" * 60_000)
        self.assertEqual(self.put(body, path=b"checkin").status, 200)
        body = report("Idle")
        device = DeviceEnd(self.site)
        chunked = self.head(1).replace(b"Content-Length: 1", b"Transfer-Encoding: chunked")
        device.send(chunked, in_chunks(body) + b"0\r\n\r\n")
        self.assertEqual(device.answer().status, 200)

    def test_vanished(self) -> None:
        """
        A device that vanishes in the middle leaves nothing behind.
        """
        device, body = DeviceEnd(self.site), report("Idle")
        device.send(self.head(len(body)), body[:10])
        device.vanish()
        self.assertEqual(self.world.clock.getDelayedCalls(), [])
