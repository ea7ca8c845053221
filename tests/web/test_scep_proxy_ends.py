"""
Tests for PKIOperations that end early: vanishing devices, answers that can't be completed.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred

from scepd.errors import UpstreamError, UpstreamFault
from scepd.model import CertificateAuthority, WindowOutcome
from scepd.services.proxying import Operation
from tests.support.http_device import PATH
from tests.support.proxy import make_ca
from tests.support.scep_messages import cert_rep, pkcs_req, signed_by
from tests.support.scep_proxy_case import SCEPProxyTestCase

_CHUNKED = b"POST %b?operation=PKIOperation HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" % PATH
_POST = b"POST %b?operation=PKIOperation HTTP/1.1\r\nContent-Length: %d\r\n\r\n"


class VanishingTests(SCEPProxyTestCase):
    """
    Tests for devices that go away.
    """

    def tearDown(self) -> None:
        """
        Nothing is under way, no slot is in use, nothing was raised.
        """
        self.assertIsNone(self.successResultOf(Deferred.fromCoroutine(self.idle())))
        self.assertEqual(self.world.slots_in_use(), 0)
        self.assertEqual(self.flushLoggedErrors(), [])

    async def idle(self) -> None:
        """
        Wait until nothing is under way.
        """
        await self.world.proxy.wait_until_idle()

    def vanish_while(self, name: str) -> None:
        """
        Go away while a call to the database lasts.
        """
        held = self.world.enrollments.hold(name)
        self.device.post(pkcs_req())
        self.device.vanish()
        held.callback(None)

    def test_while_authorizing(self) -> None:
        """
        Nothing is reserved for who is gone already.
        """
        held: Deferred[None] = Deferred()
        find = self.world.authorities.certificate_authority

        async def find_later(name: str) -> CertificateAuthority | None:
            await held
            return await find(name)

        self.world.authorities.certificate_authority = find_later  # type: ignore[method-assign]
        self.device.post(pkcs_req())
        self.device.vanish()
        held.callback(None)
        self.assertEqual(self.world.enrollments.reserve_calls, [])
        self.assertEqual(self.world.requests_counted("PKIOperation", "device-gone"), 1)

    def test_while_reserving(self) -> None:
        """
        A reservation is given back.
        """
        self.vanish_while("reserve_window")
        exchange, outcome, _ = self.world.settled
        self.assertEqual((exchange.http_status, outcome), (0, WindowOutcome.REOPEN))
        self.assertEqual(self.world.upstream.exchanges, [])

    def test_while_waiting_for_a_slot(self) -> None:
        """
        A place in the queue is given up, and the reservation with it.
        """
        others = [Deferred.fromCoroutine(self.take()) for _ in range(2)]
        self.device.post(pkcs_req())
        self.device.vanish()
        self.assertIs(self.world.settled[1], WindowOutcome.REOPEN)
        self.assertEqual(len(others), 2)
        for _ in others:
            self.world.protection.leave("CORP")

    async def take(self) -> None:
        """
        Use a slot.
        """
        await self.world.protection.enter(make_ca(), Operation.GET_CA_CAPS, "other")

    def test_in_mid_request(self) -> None:
        """
        The certificate authority's request is broken off; the window is open again.
        """
        self.device.send(_POST % (PATH, 100), b"x")
        self.device.vanish()
        self.assertTrue(self.world.ca_side.aborted)
        self.assertIs(self.world.settled[1], WindowOutcome.REOPEN)

    def test_before_the_answer(self) -> None:
        """
        A request that went out whole may have been processed: only its repetition is let through.
        """
        self.device.post(pkcs_req())
        self.device.vanish()
        exchange, outcome, signer = self.world.settled
        self.assertEqual((outcome, signer), (WindowOutcome.LOCK, signed_by()))
        self.assertEqual(exchange.detail, "the device closed its connection")

    def test_in_mid_answer(self) -> None:
        """
        The rest of the answer is not waited for.
        """
        self.device.post(pkcs_req())
        self.world.ca_side.consumer.answer_started(200, None, None)
        self.world.ca_side.consumer.answer_received(cert_rep()[:100])
        self.device.vanish()
        self.assertTrue(self.world.ca_side.aborted)
        self.assertIs(self.world.settled[1], WindowOutcome.LOCK)

    def test_while_storing(self) -> None:
        """
        What is stored is the answer that the certificate authority gave.
        """
        held = self.world.enrollments.hold("settle_window")
        self.device.post(pkcs_req())
        self.world.answer(cert_rep())
        self.device.vanish()
        held.callback(None)
        self.assertEqual(self.world.settled[0].pki_status, "SUCCESS")

    def test_after_the_answer(self) -> None:
        """
        It may go.
        """
        self.device.post(pkcs_req())
        self.world.answer(cert_rep())
        self.device.vanish()
        self.assertEqual(self.world.settled[0].http_status, 200)


class BrokenAnswerTests(SCEPProxyTestCase):
    """
    Tests for answers that can't be completed.
    """

    def begin_answer(self) -> None:
        """
        Let the device have the beginning of an answer of known length.
        """
        self.device.post(pkcs_req())
        self.world.ca_side.consumer.answer_started(200, None, len(cert_rep()))
        self.world.ca_side.consumer.answer_received(cert_rep()[:100])

    def test_ca_dies(self) -> None:
        """
        A certificate authority that dies in mid-answer ends the device's connection, on the record.
        """
        self.begin_answer()
        error = UpstreamError(UpstreamFault.CLOSED, "ca.example died")
        self.world.ca_side.consumer.answer_failed(error)
        self.assertTrue(self.device.transport.disconnected)
        self.assertTrue(self.device.answer().truncated)
        exchange, outcome, _ = self.world.settled
        self.assertEqual((exchange.detail, outcome), ("ca.example died", WindowOutcome.LOCK))

    def test_not_stored(self) -> None:
        """
        An answer that can't be stored is never whole.
        """
        self.world.enrollments.failing.add("settle_window")
        self.begin_answer()
        self.world.ca_side.consumer.answer_received(cert_rep()[100:])
        self.world.ca_side.consumer.answer_finished()
        self.assertTrue(self.device.transport.disconnected)
        self.assertTrue(self.device.answer().truncated)
