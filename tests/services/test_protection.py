"""
Tests for what stands between devices and a certificate authority, through whole exchanges.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import UpstreamError, UpstreamFault, UpstreamStopped
from scepd.model import Admission, BreakerState, Reservation, WindowOutcome
from scepd.services.proxied_exchange import ProxiedExchange
from scepd.services.proxying import Operation, ProxyRequest
from tests.support.proxy import SUBJECT, WINDOW, ProxyWorld, make_ca
from tests.support.proxy_fakes import FakeDevice
from tests.support.scep_messages import cert_rep, pkcs_req, strange_failure

_REFUSED = UpstreamError(UpstreamFault.REFUSED, "ca.example refused the connection")
_UNSENT = (UpstreamFault.DNS, UpstreamFault.ADDRESS, UpstreamFault.REFUSED, UpstreamFault.TLS)


class ProtectionTestCase(SynchronousTestCase):
    """
    A proxy and its devices, without HTTP; there is always an open window.
    """

    def setUp(self) -> None:
        """
        Everything works.
        """
        self.world = ProxyWorld()
        self.world.enrollments.reservations *= 100

    def begin(self, operation: Operation = Operation.PKI_OPERATION) -> FakeDevice:
        """
        Begin an exchange with a whole request.
        """
        self.device = FakeDevice()
        request = ProxyRequest(SUBJECT, operation, None)
        self.exchange = ProxiedExchange(self.world.proxy, request, self.device)
        self.exchange.begin()
        self.exchange.transfer.request_received(
            pkcs_req() if operation is Operation.PKI_OPERATION else b""
        )
        self.exchange.transfer.request_finished()
        return self.device

    def break_down(
        self,
        error: UpstreamError = _REFUSED,
        times: int = 5,
        operation: Operation = Operation.PKI_OPERATION,
    ) -> None:
        """
        Let the certificate authority fail.
        """
        for _ in range(times):
            self.begin(operation)
            self.world.ca_side.consumer.answer_failed(error)

    def half_open(self) -> None:
        """
        Let it fail, and our probe go well.
        """
        self.break_down()
        probed = Deferred.fromCoroutine(self.world.breakers.probe_succeeded("CORP"))
        self.successResultOf(probed)

    @property
    def state(self) -> BreakerState:
        """
        Of the breaker.
        """
        return self.world.breakers.seen("CORP").state

    @property
    def sent(self) -> int:
        """
        How many requests went to the certificate authority.
        """
        return len(self.world.upstream.exchanges)

    def counted(self, fault: str) -> float:
        """
        What ``scepd_upstream_failures_total`` shows.
        """
        labels = {"ca": "CORP", "fault": fault}
        sample = self.world.metrics.registry.get_sample_value
        return sample("scepd_upstream_failures_total", labels) or 0.0

    def tearDown(self) -> None:
        """
        Every slot is free again.
        """
        self.assertEqual(self.world.slots_in_use(), 0)


class OpeningTests(ProtectionTestCase):
    """
    Tests for what is held against a certificate authority.
    """

    def test_faults(self) -> None:
        """
        Five in a row of any fault open the breaker, four don't.
        """
        for fault in UpstreamFault:
            for times, state in ((4, BreakerState.CLOSED), (5, BreakerState.OPEN)):
                self.setUp()
                self.break_down(UpstreamError(fault, "it failed"), times)
                self.assertIs(self.state, state, fault)
                self.assertEqual(self.counted(fault.value), times)

    def test_statuses(self) -> None:
        """
        A status from 500 on counts; below that it judges the request.
        """
        for status, state in ((404, BreakerState.CLOSED), (503, BreakerState.OPEN)):
            self.setUp()
            for _ in range(5):
                self.begin()
                self.world.answer(b"sorry", status=status)
            self.assertIs(self.state, state, status)
            word = "rejected" if status < 500 else "status"
            self.assertEqual(self.counted(word), 5)
            self.assertEqual(self.world.enrollments.settled[-1][0].failure, word)

    def test_cert_reps(self) -> None:
        """
        No CertRep counts, whatever it says; each begins the row anew.
        """
        for status in ("FAILURE", "PENDING", "SUCCESS"):
            self.break_down(times=4)
            self.begin()
            self.world.answer(cert_rep(status))
            self.assertTrue(self.world.breakers.seen("CORP").is_fresh)

    def test_cert_reps_that_we_would_refuse(self) -> None:
        """
        One that devices understand is a CertRep like any other, for the window too.
        """
        body = strange_failure()
        for _ in range(5):
            self.begin()
            self.world.answer(body)
        self.assertTrue(self.world.breakers.seen("CORP").is_fresh)
        exchange, outcome, _ = self.world.enrollments.settled[-1]
        self.assertEqual((exchange.pki_status, exchange.fail_info), ("FAILURE", "badRequest"))
        self.assertIn("(xxx", exchange.detail)
        self.assertIs(outcome, WindowOutcome.REOPEN)
        self.assertEqual(self.counted("body"), 0)

    def test_no_cert_rep(self) -> None:
        """
        An answer that only looks like one counts; one that could not be read to its end does not.
        """
        for body, state in (
            (pkcs_req(), BreakerState.OPEN),
            (cert_rep() + bytes(300_000), BreakerState.CLOSED),
        ):
            self.setUp()
            for _ in range(5):
                self.begin()
                self.world.answer(body)
            self.assertIs(self.state, state)

    def test_devices_faults(self) -> None:
        """
        A device that goes away, or is too slow to send or to read, is no failure of anybody else.
        """
        slow = UpstreamError(UpstreamFault.TIMEOUT, "no answer within 60 s")
        for _ in range(9):
            self.begin()
            self.exchange.transfer.device_gone()
            self.begin()
            self.exchange.transfer.pause_answer()
            self.world.ca_side.consumer.answer_failed(slow)
            self.device = FakeDevice()
            request = ProxyRequest(SUBJECT, Operation.PKI_OPERATION, None)
            ProxiedExchange(self.world.proxy, request, self.device).begin()
            self.world.ca_side.consumer.answer_failed(slow)
        self.assertTrue(self.world.breakers.seen("CORP").is_fresh)

    def test_stop(self) -> None:
        """
        Exchanges that scepd gives up, as it stops, are no failures.
        """
        self.break_down(UpstreamStopped(UpstreamFault.CLOSED, "scepd is stopping"), 9)
        self.assertTrue(self.world.breakers.seen("CORP").is_fresh)
        self.assertEqual(self.world.enrollments.settled[-1][0].failure, "closed")

    def test_optional_operations(self) -> None:
        """
        A bad answer to an operation that a certificate authority need not know does not count; that
        it can't be reached does.
        """
        status = UpstreamError(UpstreamFault.STATUS, "status 501", 501)
        self.break_down(status, 5, Operation.GET_NEXT_CA_CERT)
        self.assertIs(self.state, BreakerState.CLOSED)
        self.break_down(status, 5, Operation.GET_CA_CAPS)
        self.assertIs(self.state, BreakerState.OPEN)
        self.setUp()
        self.world.authorities.by_name["CORP"] = make_ca(capabilities=())
        self.break_down(status, 5, Operation.GET_CA_CAPS)
        self.assertIs(self.state, BreakerState.CLOSED)
        self.break_down(_REFUSED, 5, Operation.GET_CA_CAPS)
        self.assertIs(self.state, BreakerState.OPEN)


class OutageTests(ProtectionTestCase):
    """
    Tests for requests while the breaker is not closed.
    """

    def test_open(self) -> None:
        """
        A PKIOperation is refused at once: no window is asked, nothing is sent, and the record says
        why, so that the device's error is not held against it.
        """
        self.break_down()
        asked, sent = len(self.world.enrollments.reserve_calls), self.sent
        self.assertEqual(self.begin().heard, ["breaker-open"])
        self.assertEqual((len(self.world.enrollments.reserve_calls), self.sent), (asked, sent))
        [(exchange, redeliver)] = self.world.enrollments.refused
        self.assertIn("certificate authority unreachable since 2026-06-01T00:00", exchange.detail)
        self.assertIn("ca.example refused the connection", exchange.detail)
        self.assertEqual((exchange.failure, redeliver), ("breaker", False))
        self.assertEqual(self.counted("breaker"), 1)

    def test_open_for_strangers(self) -> None:
        """
        Nothing is recorded of who has no such profile: anybody can ask, and as often as they like.
        """
        self.break_down()
        self.world.enrollments.assigned.clear()
        self.assertEqual(self.begin().heard, ["not-found"])
        self.assertEqual(self.world.enrollments.refused, [])

    def test_open_for_less(self) -> None:
        """
        GetCACaps and GetCACert are refused likewise, and recorded: a device may give up there.
        """
        self.break_down()
        sent = self.sent
        for operation in (Operation.GET_CA_CAPS, Operation.GET_CA_CERT):
            self.assertEqual(self.begin(operation).heard, ["breaker-open"])
            exchange, redeliver = self.world.enrollments.refused[-1]
            self.assertTrue(exchange.detail.startswith(f"{operation.wire_name}: "))
            self.assertEqual((exchange.window_id, redeliver), (None, False))
        self.assertEqual(self.sent, sent)

    def test_failures_are_recorded(self) -> None:
        """
        A failure of GetCACaps is recorded with its sentence; a status below 500 is none.
        """
        self.begin(Operation.GET_CA_CAPS)
        self.world.answer(b"", status=404)
        self.assertEqual(self.world.enrollments.refused, [])
        self.break_down(times=1, operation=Operation.GET_CA_CAPS)
        [(exchange, _)] = self.world.enrollments.refused
        self.assertEqual(exchange.detail, "GetCACaps: ca.example refused the connection")
        self.assertEqual(exchange.failure, "refused")
        self.begin(Operation.GET_CA_CERT)
        self.world.answer(b"", status=404)
        exchange, _ = self.world.enrollments.refused[-1]
        self.assertEqual(exchange.failure, "rejected")
        self.assertIn("ca.example answered GetCACert with HTTP status 404", exchange.detail)

    def test_not_recorded(self) -> None:
        """
        When that can't be stored, the device is answered all the same.
        """
        self.world.enrollments.failing.add("record_refusal")
        self.break_down(times=1, operation=Operation.GET_CA_CAPS)
        self.assertEqual(self.device.heard, ["upstream"])

    def test_trial(self) -> None:
        """
        Half-open: one PKIOperation goes out; another's window is given back; the answer, even a
        refusal, closes the breaker.
        """
        self.half_open()
        sent = self.sent
        self.begin()
        first, ca_side = self.device, self.world.ca_side
        self.assertEqual(self.begin().heard, ["breaker-open"])
        self.assertIs(self.world.enrollments.settled[-1][1], WindowOutcome.REOPEN)
        self.assertEqual(self.sent, sent + 1)
        ca_side.consumer.answer_started(200, None, None)
        ca_side.consumer.answer_received(cert_rep("FAILURE"))
        ca_side.consumer.answer_finished()
        self.assertEqual(first.heard, ["begin", "end"])
        self.assertIs(self.state, BreakerState.CLOSED)

    def test_other_operations_while_half_open(self) -> None:
        """
        GetCACaps goes out while it is half-open; an answer closes nothing, a failure opens it.
        """
        self.half_open()
        self.begin(Operation.GET_CA_CAPS)
        self.world.answer(b"SHA-256\n")
        self.assertIs(self.state, BreakerState.HALF_OPEN)
        self.break_down(times=1, operation=Operation.GET_CA_CAPS)
        self.assertIs(self.state, BreakerState.OPEN)

    def test_trial_fails(self) -> None:
        """
        A trial that fails opens the breaker again.
        """
        self.half_open()
        self.break_down(times=1)
        self.assertIs(self.state, BreakerState.OPEN)

    def test_trial_shows_nothing(self) -> None:
        """
        A trial whose device goes away, even when that can't be stored, or whose request is refused
        with a status below 500, lets the next one try.
        """
        self.half_open()
        sent = self.sent
        self.begin()
        self.world.enrollments.failing.add("settle_window")
        self.exchange.transfer.device_gone()
        self.world.enrollments.failing.clear()
        self.begin()
        self.world.answer(b"", status=400)
        self.begin()
        self.assertEqual(self.sent, sent + 3)
        self.world.answer(cert_rep())
        self.assertIs(self.state, BreakerState.CLOSED)

    def test_trial_needs_a_window(self) -> None:
        """
        Whose window is closed is refused as ever, and does not become the trial.
        """
        self.half_open()
        self.world.enrollments.reservations[0] = Reservation(Admission.CLOSED, WINDOW)
        self.assertEqual(self.begin().heard, ["window-closed"])
        self.begin()
        self.world.answer(cert_rep())
        self.assertIs(self.state, BreakerState.CLOSED)


class LineTests(ProtectionTestCase):
    """
    Tests for the rate, which comes before the slot.
    """

    def test_rate(self) -> None:
        """
        At one request per second the second one waits for its turn, holds no slot meanwhile, and
        one that would wait too long is refused at once.
        """
        ca = make_ca(requests_per_second=1.0, max_concurrency=1)
        self.world.authorities.by_name["CORP"] = ca
        self.begin()
        self.world.answer(cert_rep())
        for _ in range(30):
            self.begin()
        last = self.device
        self.assertEqual((self.sent, self.world.slots_in_use()), (1, 0))
        self.assertEqual(self.begin().heard, ["rate-limited"])
        self.assertEqual(self.counted("rate"), 1)
        exchange, outcome, _ = self.world.enrollments.settled[-1]
        self.assertIn("CORP takes 1 requests per second", exchange.detail)
        self.assertEqual((exchange.failure, outcome), ("rate", WindowOutcome.REOPEN))
        for _ in range(30):
            self.world.clock.advance(1)
            self.world.answer(cert_rep())
        self.assertEqual((self.sent, last.heard), (31, ["begin", "end"]))

    def test_patience(self) -> None:
        """
        The time in the line of the rate is part of ``queue_timeout``: then there is no slot either.
        """
        ca = make_ca(requests_per_second=0.1, max_concurrency=1)
        self.world.authorities.by_name["CORP"] = ca
        self.begin()
        waiting = self.begin()
        self.world.clock.advance(10)
        self.assertEqual(waiting.heard, [])
        self.world.clock.advance(19)
        self.assertEqual(waiting.heard, [])
        self.world.clock.advance(1)
        self.assertEqual(waiting.heard, ["queue-timeout"])
        self.assertEqual(self.counted("queue"), 1)
        self.assertEqual(self.world.enrollments.settled[-1][0].failure, "queue")
        self.world.answer(cert_rep())

    def test_opens_while_they_wait(self) -> None:
        """
        When the breaker opens, the whole line is turned away; nobody of it troubles the certificate
        authority, and their windows are open again.
        """
        self.world.authorities.by_name["CORP"] = make_ca(max_concurrency=1)
        self.begin()
        waiting = [self.begin() for _ in range(5)]
        for _ in range(5):
            self.successResultOf(
                Deferred.fromCoroutine(self.world.breakers.failed("CORP", "refused"))
            )
        self.assertEqual(self.sent, 1)
        self.world.ca_side.consumer.answer_failed(_REFUSED)
        self.assertEqual([one.heard for one in waiting], [["breaker-open"]] * 5)
        self.assertEqual(self.sent, 1)
        outcomes = [settled[1] for settled in self.world.enrollments.settled]
        self.assertEqual(outcomes.count(WindowOutcome.REOPEN), 5)

    def test_half_open_while_they_wait(self) -> None:
        """
        Who stood in line from before is no second trial.
        """
        self.world.authorities.by_name["CORP"] = make_ca(max_concurrency=1)
        self.begin()
        held = self.exchange
        waiting = [self.begin() for _ in range(3)]
        for _ in range(5):
            self.successResultOf(
                Deferred.fromCoroutine(self.world.breakers.failed("CORP", "refused"))
            )
        self.successResultOf(Deferred.fromCoroutine(self.world.breakers.probe_succeeded("CORP")))
        held.transfer.device_gone()
        self.assertEqual(self.sent, 2)
        self.world.ca_side.consumer.answer_failed(_REFUSED)
        self.assertEqual(waiting[0].heard, ["upstream"])
        self.assertEqual([one.heard for one in waiting[1:]], [["breaker-open"]] * 2)
        self.assertEqual(self.sent, 2)

    def test_mistake(self) -> None:
        """
        Whatever goes wrong with who got a slot after waiting, the slot is free again.
        """
        self.world.authorities.by_name["CORP"] = make_ca(max_concurrency=1)
        self.begin()
        held, waiting = self.exchange, self.begin()
        for _ in range(5):
            self.successResultOf(
                Deferred.fromCoroutine(self.world.breakers.failed("CORP", "refused"))
            )
        self.successResultOf(Deferred.fromCoroutine(self.world.breakers.probe_succeeded("CORP")))
        self.world.breaker_store.mistake = ValueError("a bug")
        held.transfer.device_gone()
        self.assertEqual(waiting.heard, ["error"])
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
