"""
Tests for the bytes of an exchange on their way, where everything may happen at once.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import (
    DeviceGone,
    LimitExceeded,
    QueueTimeout,
    ScepdError,
    UpstreamError,
    UpstreamFault,
)
from scepd.metrics import Metrics
from scepd.ports import AnswerConsumer, UpstreamRequest, UpstreamTarget
from scepd.services.answer_relay import AnswerRelay
from scepd.services.proxying import Operation
from scepd.services.transfer import Transfer
from tests.support.fakes import FakeUpstreamExchange
from tests.support.proxy_fakes import EagerUpstream, FakeDevice
from tests.support.scep_messages import cert_rep

_TARGET = UpstreamTarget("CA", "http://ca.example/scep", None)
_REFUSED = UpstreamError(UpstreamFault.REFUSED, "refused")


class TransferTests(SynchronousTestCase):
    """
    Tests for a transfer between a device and a certificate authority that are both ours.
    """

    def setUp(self) -> None:
        """
        Nothing has come yet.
        """
        self.device = FakeDevice()
        self.upstream = EagerUpstream()
        self.metrics = Metrics()
        self.transfer = Transfer(self.device, self.metrics)

    def run_transfer(
        self, at_once: Callable[[AnswerConsumer], None] = lambda consumer: None
    ) -> Deferred[None]:
        """
        Start it, with a certificate authority that does something at once.
        """
        self.upstream.at_once = at_once
        relay = AnswerRelay(
            self.device, Operation.PKI_OPERATION, "ca.example", self.transfer.answer
        )
        request = UpstreamRequest("POST", b"operation=PKIOperation")
        return Deferred.fromCoroutine(self.transfer.run(self.upstream, _TARGET, request, relay))

    @property
    def ca_side(self) -> FakeUpstreamExchange:
        """
        The exchange as the certificate authority sees it.
        """
        [exchange] = self.upstream.exchanges
        return exchange

    def bytes_counted(self, direction: str) -> float:
        """
        What ``scepd_proxy_bytes_total`` shows.
        """
        labels = {"direction": direction}
        return self.metrics.registry.get_sample_value("scepd_proxy_bytes_total", labels) or 0.0

    def test_early_bytes(self) -> None:
        """
        What came before the start goes first, once; then what comes, as it comes.
        """
        self.transfer.request_received(b"ear")
        self.transfer.request_received(b"ly")
        running = self.run_transfer()
        self.assertEqual((self.ca_side.body, self.device.paused), (b"early", False))
        self.transfer.request_received(b" late")
        self.transfer.request_finished()
        self.assertEqual((self.ca_side.body, self.ca_side.sent_whole), (b"early late", True))
        self.assertEqual(self.transfer.request.getvalue(), b"early late")
        self.assertNoResult(running)

    def test_answered(self) -> None:
        """
        It is over when the answer is, whose last byte waits; bytes are counted both ways.
        """
        self.transfer.request_received(b"request")
        self.transfer.request_finished()
        running = self.run_transfer()
        consumer = self.ca_side.consumer
        consumer.answer_started(200, None, None)
        consumer.answer_received(cert_rep())
        consumer.answer_finished()
        self.successResultOf(running)
        self.assertEqual(self.device.body, cert_rep()[:-1])
        self.transfer.send_last_byte()
        self.assertEqual(self.device.body, cert_rep())
        self.assertFalse(self.ca_side.aborted)
        self.assertEqual(self.bytes_counted("to_ca"), 7)
        self.assertEqual(self.bytes_counted("to_device"), len(cert_rep()))

    def test_failed_at_once(self) -> None:
        """
        A certificate authority that fails before its start returns gets nothing of the request.
        """
        self.transfer.request_received(b"request")
        self.transfer.request_finished()
        running = self.run_transfer(lambda consumer: consumer.answer_failed(_REFUSED))
        self.failureResultOf(running, UpstreamError)
        self.assertEqual((self.ca_side.body, self.transfer.sent_whole), (b"", False))
        self.assertTrue(self.device.paused)

    def test_answered_at_once(self) -> None:
        """
        An answer that is complete before the start returns is the answer.
        """

        def answer(consumer: AnswerConsumer) -> None:
            consumer.answer_started(200, None, None)
            consumer.answer_received(cert_rep())
            consumer.answer_finished()

        self.transfer.request_received(b"request")
        self.successResultOf(self.run_transfer(answer))
        self.assertEqual((self.ca_side.body, self.ca_side.aborted), (b"", False))
        self.assertEqual(self.device.heard, ["begin"])

    def test_paused_at_once(self) -> None:
        """
        A certificate authority that is slow before its start returns keeps the device paused.
        """
        running = self.run_transfer(lambda consumer: consumer.pause_request())
        self.assertTrue(self.device.paused)
        self.ca_side.consumer.resume_request()
        self.assertFalse(self.device.paused)
        self.assertNoResult(running)

    def test_slow_device_at_once(self) -> None:
        """
        A device that is slow before the start returns pauses the answer after it.
        """

        def answer(consumer: AnswerConsumer) -> None:
            consumer.answer_started(200, None, None)
            consumer.answer_received(cert_rep()[:100])

        self.device.on_write = self.transfer.pause_answer
        self.run_transfer(answer)
        self.assertTrue(self.ca_side.answer_paused)
        self.transfer.resume_answer()
        self.assertFalse(self.ca_side.answer_paused)

    def test_device_gone_at_the_first_byte(self) -> None:
        """
        A device that goes away while it is written to ends everything.
        """
        self.device.on_write = self.transfer.device_gone
        running = self.run_transfer()
        self.ca_side.consumer.answer_started(200, None, None)
        self.ca_side.consumer.answer_received(cert_rep())
        self.failureResultOf(running, DeviceGone)
        self.assertTrue(self.ca_side.aborted)

    def test_first_end_counts(self) -> None:
        """
        After its end nothing is passed on, and nothing changes what ended it.
        """
        running = self.run_transfer()
        self.transfer.request_failed(LimitExceeded("too long"))
        self.transfer.request_received(b"more")
        self.transfer.request_finished()
        consumer = self.ca_side.consumer
        consumer.answer_started(200, None, None)
        consumer.answer_received(cert_rep())
        consumer.answer_finished()
        consumer.answer_failed(_REFUSED)
        self.transfer.device_gone()
        self.failureResultOf(running, LimitExceeded)
        self.assertEqual((self.ca_side.body, self.ca_side.sent_whole), (b"", False))
        self.assertEqual((self.ca_side.aborted, self.device.heard), (True, []))

    def test_wrong_answer(self) -> None:
        """
        An answer that is none breaks the exchange off at once.
        """
        running = self.run_transfer()
        self.ca_side.consumer.answer_started(500, b"text/html", None)
        self.failureResultOf(running, UpstreamError)
        self.assertTrue(self.ca_side.aborted)

    def test_whole_request(self) -> None:
        """
        The request can be read whole first; the device is resumed for it.
        """
        reading = Deferred.fromCoroutine(self.transfer.whole_request())
        self.assertFalse(self.device.paused)
        self.transfer.request_received(b"request")
        self.assertNoResult(reading)
        self.transfer.request_finished()
        self.successResultOf(reading)
        self.successResultOf(Deferred.fromCoroutine(self.transfer.whole_request()))

    def test_whole_request_never(self) -> None:
        """
        Who waits for the whole request hears why it does not come, before and after.
        """
        reading = Deferred.fromCoroutine(self.transfer.whole_request())
        self.transfer.device_gone()
        self.failureResultOf(reading, DeviceGone)
        self.failureResultOf(Deferred.fromCoroutine(self.transfer.whole_request()), DeviceGone)

    def test_unless_ended(self) -> None:
        """
        A wait is cancelled when the transfer ends; its own failure is told as it is.
        """
        waiting: Deferred[None] = Deferred()
        failing: Deferred[None] = Deferred()
        failed = Deferred.fromCoroutine(self.transfer.unless_ended(failing))
        failing.errback(QueueTimeout("too long"))
        self.failureResultOf(failed, QueueTimeout)
        ended = Deferred.fromCoroutine(self.transfer.unless_ended(waiting))
        self.transfer.request_failed(ScepdError("enough"))
        self.failureResultOf(ended, ScepdError)
