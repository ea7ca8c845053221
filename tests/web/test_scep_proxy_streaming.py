"""
Tests for the streaming of PKIOperations: back-pressure, limits, deadlines, vanishing devices.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from scepd.model import Admission, Reservation, WindowOutcome
from tests.support.http_device import PATH, DeviceEnd, in_chunks
from tests.support.proxy import REQUEST_TIMEOUT, WINDOW, ProxyWorld
from tests.support.scep_messages import cert_rep, pkcs_req, signed_by
from tests.support.scep_proxy_case import SCEPProxyTestCase

_CHUNKED = b"POST %b?operation=PKIOperation HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" % PATH
_POST = b"POST %b?operation=PKIOperation HTTP/1.1\r\nContent-Length: %d\r\n\r\n"


class StreamingTests(SCEPProxyTestCase):
    """
    Tests for bytes on their way.
    """

    def begin(self, length: int = 100) -> None:
        """
        Send the headers of a POST.
        """
        self.device.send(_POST % (PATH, length))

    def test_request(self) -> None:
        """
        The certificate authority sees the first bytes before the device sent its last.
        """
        self.begin()
        self.device.send(b"first")
        self.assertEqual(self.world.ca_side.body, b"first")
        self.assertFalse(self.world.ca_side.sent_whole)
        self.assertEqual(self.world.ca_side.request.content_length, 100)
        self.device.send(bytes(95))
        self.assertTrue(self.world.ca_side.sent_whole)

    def test_answer(self) -> None:
        """
        The device sees the first bytes before the certificate authority sent its last; the very
        last waits until the exchange is stored.
        """
        settling = self.world.enrollments.hold("settle_window")
        message, answer = pkcs_req(), cert_rep()
        self.device.post(message)
        consumer = self.world.ca_side.consumer
        consumer.answer_started(200, b"text/html", len(answer))
        consumer.answer_received(answer[:100])
        self.assertTrue(self.device.transport.value().endswith(answer[:99]))
        consumer.answer_received(answer[100:])
        consumer.answer_finished()
        self.assertTrue(self.device.transport.value().endswith(answer[:-1]))
        settling.callback(None)
        self.assertEqual(self.device.answer().body, answer)
        self.assertEqual(self.device.answer().headers["content-length"], str(len(answer)))

    @settings(max_examples=40, deadline=None)
    @given(st.lists(st.integers(1, 600), max_size=12), st.booleans())
    def test_split_anywhere(self, cuts: list[int], chunked: bool) -> None:
        """
        However a request is cut into reads, the certificate authority gets the same bytes.
        """
        self.setUp()
        message = pkcs_req()
        rest = _CHUNKED + in_chunks(message[:50], message[50:]) + b"0\r\n\r\n"
        if not chunked:
            rest = _POST % (PATH, len(message)) + message
        for cut in cuts:
            self.device.send(rest[:cut])
            rest = rest[cut:]
        self.device.send(rest)
        self.assertEqual(self.world.ca_side.body, message)
        self.world.answer(cert_rep())
        self.assertEqual(self.device.answer().body, cert_rep())
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_slow_ca(self) -> None:
        """
        A certificate authority that stops reading stops the device, and lets it go on.
        """
        self.begin()
        self.assertTrue(self.device.is_read)
        self.world.ca_side.consumer.pause_request()
        self.assertFalse(self.device.is_read)
        self.world.ca_side.consumer.resume_request()
        self.assertTrue(self.device.is_read)

    def test_slow_device(self) -> None:
        """
        A device that stops reading stops the certificate authority, and lets it go on.
        """
        self.device.post(pkcs_req())
        self.world.ca_side.consumer.answer_started(200, None, None)
        self.world.ca_side.consumer.answer_received(cert_rep()[:100])
        self.device.channel.pauseProducing()
        self.assertTrue(self.world.ca_side.answer_paused)
        self.device.channel.resumeProducing()
        self.assertFalse(self.world.ca_side.answer_paused)

    def test_read_ahead(self) -> None:
        """
        Until it is known who is let through, the device is not read beyond its first read; what
        that brought goes on.
        """
        assigned = self.world.enrollments.hold("reserve_window")
        self.device.send(_POST % (PATH, 10) + b"01234")
        self.assertFalse(self.device.is_read)
        self.world.clock.advance(REQUEST_TIMEOUT + 60)
        assigned.callback(None)
        self.assertEqual(self.world.ca_side.body, b"01234")
        self.assertTrue(self.device.is_read)

    def test_whole_in_one_read(self) -> None:
        """
        A request that is complete before anything is known goes on when all is, with its length.
        """
        assigned = self.world.enrollments.hold("reserve_window")
        self.device.send(_CHUNKED + in_chunks(b"0123456789") + b"0\r\n\r\n")
        assigned.callback(None)
        self.assertEqual(self.world.ca_side.request.content_length, 10)
        self.assertTrue(self.world.ca_side.sent_whole)

    def test_buffers(self) -> None:
        """
        The connection reads and buffers 16 kB at a time.
        """
        self.assertEqual(self.device.transport.bufferSize, 16384)  # type: ignore[attr-defined]

    def test_early_answer(self) -> None:
        """
        An answer that is complete before the request is goes to the device, whole.
        """
        self.begin()
        self.world.answer(cert_rep("FAILURE"))
        self.assertEqual(self.device.answer().body, cert_rep("FAILURE"))
        self.assertEqual(self.device.answer().headers["connection"], "close")
        self.device.send(bytes(100))
        self.assertTrue(self.device.transport.disconnecting)


class BadRequestTests(SCEPProxyTestCase):
    """
    Tests for requests that do not come whole.
    """

    def test_declared_too_long(self) -> None:
        """
        Above the limit nothing begins.
        """
        self.device.send(_POST % (PATH, 262_145))
        self.assertEqual(self.device.answer().status, 413)
        self.assertEqual(self.world.upstream.exchanges, [])

    def test_chunks_too_long(self) -> None:
        """
        At the first byte too many the device gets 413 and the certificate authority nothing more,
        even if the rest is in the same read; the window is open again.
        """
        for end in (b"", b"0\r\n\r\n"):
            world = ProxyWorld(max_message_size=4096)
            settling = world.enrollments.hold("settle_window")
            device = DeviceEnd(world.site())
            device.send(_CHUNKED, in_chunks(bytes(4096)), in_chunks(b"x") + end)
            settling.callback(None)
            self.assertEqual(device.answer().status, 413)
            self.assertEqual((world.ca_side.aborted, world.ca_side.sent_whole), (True, False))
            exchange, outcome, _ = world.settled
            self.assertEqual((exchange.http_status, outcome), (413, WindowOutcome.REOPEN))
            self.assertEqual(world.slots_in_use(), 0)

    def test_too_slow(self) -> None:
        """
        A body that does not come in time is answered 408; the certificate authority gets no more.
        """
        self.device.send(_POST % (PATH, 100), b"x")
        self.world.clock.advance(REQUEST_TIMEOUT)
        self.assertEqual(self.device.answer().status, 408)
        self.assertTrue(self.world.ca_side.aborted)
        self.assertIs(self.world.settled[1], WindowOutcome.REOPEN)

    def test_locked_window(self) -> None:
        """
        A message for a locked window is read whole first, then goes on in full; only its verified
        signer opens it.
        """
        message = pkcs_req()
        self.world.enrollments.reservations = [
            Reservation(Admission.LOCKED, WINDOW),
            Reservation(Admission.ADMITTED, WINDOW),
        ]
        self.device.send(_POST % (PATH, len(message)), message[:1000], message[1000:-1])
        self.assertTrue(self.device.is_read)
        self.assertEqual(self.world.upstream.exchanges, [])
        self.device.send(message[-1:])
        self.assertEqual(self.world.ca_side.body, message)
        self.assertEqual(self.world.ca_side.request.content_length, len(message))
        asked = [call[2] for call in self.world.enrollments.reserve_calls]
        self.assertEqual(asked, [None, signed_by()])

    def test_locked_window_unverified(self) -> None:
        """
        A message whose signature is wrong does not open a locked window.
        """
        broken = pkcs_req()[:-1] + bytes([pkcs_req()[-1] ^ 1])
        self.world.enrollments.reservations = [Reservation(Admission.LOCKED, WINDOW)]
        self.device.post(broken)
        self.assertEqual(self.device.answer().status, 403)
        self.assertEqual(self.world.upstream.exchanges, [])
        [(exchange, redeliver)] = self.world.enrollments.refused
        self.assertEqual((exchange.message_type, redeliver), ("PKCSReq", True))

    def test_locked_window_in_part(self) -> None:
        """
        A message that stops coming is answered 408, above the limit 413; no window was reserved.
        """
        for size, status in ((100, 408), (5000, 413)):
            world = ProxyWorld(max_message_size=4096)
            world.enrollments.reservations = [Reservation(Admission.LOCKED, WINDOW)]
            device = DeviceEnd(world.site())
            device.send(_CHUNKED, in_chunks(bytes(size)))
            world.clock.advance(REQUEST_TIMEOUT)
            self.assertEqual(device.answer().status, status)
            self.assertEqual((world.enrollments.settled, world.upstream.exchanges), ([], []))
