"""
Tests for what the devices' listener is where there is nothing.
"""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from scepd.web.device_root import DeviceRoot
from scepd.web.streaming import StreamingSite
from tests.support.http_device import DeviceEnd


class DeviceRootTests(SynchronousTestCase):
    """
    The root, a part of the path, and what is below.
    """

    def test_nothing(self) -> None:
        """
        404 and a line of plain text, whatever the method; Twisted would say 501 to a PUT, in HTML.
        """
        root, part = DeviceRoot(), DeviceRoot()
        root.putChild(b"mdm", part)
        site = StreamingSite(root, reactor=Clock(), body_limit=10, request_timeout=10)
        for path in (b"/", b"/mdm", b"/mdm/", b"/mdm/x", b"/x/y"):
            for method in (b"GET", b"PUT", b"POST", b"OPTIONS", b"X"):
                device = DeviceEnd(site)
                device.send(b"%b %b HTTP/1.1\r\nContent-Length: 0\r\n\r\n" % (method, path))
                answer = device.answer()
                found = (answer.status, answer.body, answer.headers["content-type"])
                self.assertEqual(found, (404, b"nothing is here\n", "text/plain; charset=utf-8"))

    def test_log(self) -> None:
        """
        A HEAD leaves no query in the log, where Twisted would warn of it with all that was asked
        for; and nothing that can't be written.
        """
        site = StreamingSite(DeviceRoot(), reactor=Clock(), body_limit=10, request_timeout=10)
        device = DeviceEnd(site)
        with capturedLogs() as events:
            device.send(b"HEAD /mdm/enrol?token=abracadabra\xa5 HTTP/1.1\r\n\r\n")
        [answer] = device.answers("HEAD")
        self.assertEqual((answer.status, answer.body), (404, b""))
        lines = [formatEvent(event) for event in events]
        self.assertEqual([line for line in lines if "abracadabra" in line or "arning" in line], [])

    def test_repr(self) -> None:
        """
        Nor does the request itself show its query or the token of a one-time URL, wherever it is
        logged.
        """
        site = StreamingSite(DeviceRoot(), reactor=Clock(), body_limit=10, request_timeout=10)
        for uri, shown in (
            (b"/\xa5?token=abracadabra", "/\ufffd"),
            (b"/mdm/scep/proxy/H,P,C,abracadabra", "/mdm/scep/proxy/H,P,C,********"),
        ):
            self.assertEqual(repr(self._request(site, uri)), f"<StreamedRequest GET {shown}>")

    def _request(self, site: StreamingSite, uri: bytes) -> object:
        device = DeviceEnd(site)
        device.send(b"GET %b HTTP/1.1\r\nContent-Length: 5\r\n\r\n" % uri)
        return device.channel.requests[0]
