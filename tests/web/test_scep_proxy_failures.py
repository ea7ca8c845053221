"""
Tests for what devices and the log are told when the SCEP proxy fails, or does not.
"""

from __future__ import annotations

import base64

from twisted.internet.defer import Deferred
from twisted.logger import capturedLogs, formatEvent

from scepd.errors import UpstreamError, UpstreamFault
from scepd.model import Admission, HostProfile, Reservation
from tests.support.http_device import DeviceEnd
from tests.support.proxy import WINDOW, ProxyWorld, make_ca
from tests.support.scep_messages import authority, cert_rep, pkcs_req
from tests.support.scep_proxy_case import SCEPProxyTestCase


class FailureTests(SCEPProxyTestCase):
    """
    Tests for what a device is told when it can't have its answer.
    """

    def test_ca_gone(self) -> None:
        """
        Without its certificate authority it is told to come again, and the profile says why.
        """
        self.world.authorities.by_name.clear()
        assignment = HostProfile(
            "HOST-1", "aPROFILE-1", "install", "verifying", "CORP", detail="", due_at=None
        )
        self.world.assignments.by_pair["HOST-1", "aPROFILE-1"] = assignment
        answer = self.get(b"operation=GetCACaps")
        self.assertEqual(answer.status, 503)
        self.assertEqual(answer.body, b"certificate authority is not configured\n")
        [row] = self.world.assignments.by_pair.values()
        self.assertIn("CORP does not exist any more", row.detail)

    def test_windows(self) -> None:
        """
        A busy window asks for patience; a closed one refuses and has the profile delivered again.
        """
        self.world.enrollments.reservations = [Reservation(Admission.BUSY, WINDOW)]
        self.device.post(b"message")
        busy = self.device.answer()
        device = DeviceEnd(self.world.site())
        device.post(b"message")
        closed = device.answer()
        self.assertEqual((busy.status, busy.headers["retry-after"]), (503, "5"))
        self.assertEqual((closed.status, closed.body), (403, b"enrollment window is closed\n"))
        [(exchange, redeliver)] = self.world.enrollments.refused
        self.assertEqual((exchange.http_status, redeliver), (403, True))

    def test_certificate_authority(self) -> None:
        """
        Each way in which the certificate authority fails has its status; its words stay inside.
        """
        faults = dict.fromkeys(UpstreamFault, 502) | {UpstreamFault.TIMEOUT: 504}
        for fault, status in faults.items():
            self.world = ProxyWorld()
            device = DeviceEnd(self.world.site())
            self.world.will_answer("GetCACert", UpstreamError(fault, "inside"))
            device.get(b"operation=GetCACert")
            self.assertEqual(device.answer().status, status)
            self.assertNotIn(b"inside", device.answer().body)

    def test_open_breaker(self) -> None:
        """
        While the certificate authority is out, the answer is 503, with the time until the probe.
        """
        for _ in range(5):
            device = DeviceEnd(self.world.site())
            self.world.will_answer("GetCACert", UpstreamError(UpstreamFault.DNS, "inside"))
            device.get(b"operation=GetCACert")
        self.world.clock.advance(10)
        self.device.post(pkcs_req())
        answer = self.device.answer()
        self.assertEqual((answer.status, answer.headers["retry-after"]), (503, "20"))
        text = b"the certificate authority is not available, try again later\n"
        self.assertEqual(answer.body, text)

    def test_wrong_answers(self) -> None:
        """
        An error status, an empty body, or one of another kind is a bad gateway.
        """
        for status, body in ((500, cert_rep()), (404, b"gone"), (200, b""), (200, b"<html>" * 9)):
            world = self.world = ProxyWorld()
            device = DeviceEnd(world.site())
            device.post(pkcs_req())
            world.answer(body, status=status)
            self.assertEqual(device.answer().status, 502)
            exchange, _, _ = world.settled
            self.assertEqual(exchange.http_status, 502)
            self.assertIn("ca.example answered PKIOperation with", exchange.detail)

    def test_queue(self) -> None:
        """
        Who waited in vain for a slot is told when to come again.
        """
        self.world.authorities.by_name["CORP"] = make_ca(max_concurrency=1)
        never: Deferred[tuple[bytes, bytes]] = Deferred()
        self.world.will_answer("GetCACert", never)
        self.device.get(b"operation=GetCACert")
        second = DeviceEnd(self.world.site())
        second.post(pkcs_req())
        self.world.clock.advance(self.world.settings.queue_timeout + 1)
        self.assertEqual(second.answer().status, 503)
        self.assertEqual(second.answer().headers["retry-after"], "5")

    def test_storage(self) -> None:
        """
        Whatever the database does not do, the device is told to come again.
        """
        for name in ("is_assigned", "reserve_window", "record_refusal", "settle_window"):
            world = ProxyWorld()
            world.enrollments.failing.add(name)
            if name in ("is_assigned", "record_refusal"):
                # Of a device that has a window nothing more is asked.
                world.enrollments.reservations.clear()
            device = DeviceEnd(world.site())
            device.post(b"message")
            for exchange in world.upstream.exchanges:
                exchange.consumer.answer_failed(UpstreamError(UpstreamFault.REFUSED, "refused"))
            self.assertEqual(device.answer().status, 503)
            self.assertEqual(device.answer().headers["retry-after"], "5")


class LogTests(SCEPProxyTestCase):
    """
    Tests for what is logged.
    """

    def test_enrollment(self) -> None:
        """
        An enrollment is twelve arrows, each once, and nothing of a message or query.
        """
        message = base64.b64encode(pkcs_req()).rstrip(b"=")
        with capturedLogs() as events:
            for operation, body in (
                (b"GetCACaps", b"SHA-256\n"),
                (b"GetCACert", authority().certificate),
                (b"PKIOperation", cert_rep()),
            ):
                self.world.will_answer(operation.decode(), body)
                self.device.get(b"operation=%b&message=%b&secret=hidden" % (operation, message))
            self.world.answer(body)
        arrows = [event["step"] for event in events if event.get("step")]
        self.assertEqual(arrows, [f"B{number}" for number in range(13, 25)])
        everything = "\n".join(map(repr, events))
        for secret in (message[:40].decode(), "hidden", repr(pkcs_req()[:20])):
            self.assertNotIn(secret, everything)

    def test_refusal_by_the_ca(self) -> None:
        """
        A CertRep FAILURE has no arrows back, and its reason is logged.
        """
        with capturedLogs() as events:
            self.device.post(pkcs_req())
            self.world.answer(cert_rep("FAILURE"))
        lines = "\n".join(filter(None, map(formatEvent, events)))
        self.assertIn("FAILURE badRequest", lines)
        self.assertIn("(wrong challenge)", lines)
        self.assertNotIn("B23", [event.get("step") for event in events])
