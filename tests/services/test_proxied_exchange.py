"""
Tests for the course of an exchange: its window, its slot, its record.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from datetime import timedelta

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import UpstreamError, UpstreamFault
from scepd.model import Admission, Reservation, WindowOutcome, client_key_place
from scepd.pki.keyring import Keyring
from scepd.ports import AnswerConsumer, ClientCredentials, SignedBy
from scepd.services.clock import utc_now
from scepd.services.proxied_exchange import ProxiedExchange
from scepd.services.proxying import Operation, ProxyRequest
from tests.support.pki import pkcs_req as hand_made_request
from tests.support.proxy import SUBJECT, WINDOW, ProxyWorld, make_ca
from tests.support.proxy_fakes import FakeDevice
from tests.support.scep_messages import cert_rep, device, pkcs_req, signed_by

_TIMEOUT = UpstreamError(UpstreamFault.TIMEOUT, "ca.example was too slow")


class ProxiedExchangeTestCase(SynchronousTestCase):
    """
    A proxy and its devices, without HTTP.
    """

    def setUp(self) -> None:
        """
        One open window.
        """
        self.world = ProxyWorld()
        self.device = FakeDevice()

    def begin(
        self, message: bytes | None = None, operation: Operation = Operation.PKI_OPERATION
    ) -> ProxiedExchange:
        """
        Begin an exchange, with a whole message if there is one.
        """
        self.device = FakeDevice()
        exchange = ProxiedExchange(
            self.world.proxy, ProxyRequest(SUBJECT, operation, None), self.device
        )
        exchange.begin()
        if message is not None:
            exchange.transfer.request_received(message)
            exchange.transfer.request_finished()
        return exchange

    def tearDown(self) -> None:
        """
        Every slot is free again.
        """
        self.assertEqual(self.world.slots_in_use(), 0)


class TargetTests(ProxiedExchangeTestCase):
    """
    Tests for where and how the certificate authority is reached.
    """

    def trust(self, *, opens: bool = True) -> None:
        """
        Give the certificate authority settings of trust and way.
        """
        place = client_key_place("CORP" if opens else "OTHER")
        key = Keyring({"key-1": bytes(32)}).seal(b"KEY", place, lambda count: b"\x05" * count)
        self.world.authorities.by_name["CORP"] = replace(
            make_ca(),
            pinned_sha256="ab" * 32,
            client_certificate="PEM",
            client_key=key,
            outgoing_proxy="http://proxy:3128",
        )

    def test_settings(self) -> None:
        """
        An exchange goes the way that the certificate authority's settings say.
        """
        self.trust()
        exchange = self.begin(pkcs_req())
        target = self.world.ca_side.target
        self.assertEqual((target.name, target.pinned_sha256), ("CORP", "ab" * 32))
        self.assertEqual(target.client, ClientCredentials("PEM", "KEY"))
        self.assertEqual(target.outgoing_proxy, "http://proxy:3128")
        exchange.transfer.device_gone()

    def test_unreadable_key(self) -> None:
        """
        A client key that does not open fails the exchange before anything is sent or reserved.
        """
        self.trust(opens=False)
        self.begin(pkcs_req())
        self.assertEqual(self.world.upstream.exchanges, [])
        self.assertEqual(self.world.enrollments.reserve_calls, [])
        self.assertEqual(self.device.heard, ["secret-unreadable"])


class WindowTests(ProxiedExchangeTestCase):
    """
    Tests for windows, from their reservation to what becomes of them.
    """

    def test_answers(self) -> None:
        """
        Each answer is recorded with what was seen, decides about the window, and is passed on.
        """
        for status, outcome in (
            ("SUCCESS", WindowOutcome.LOCK),
            ("PENDING", WindowOutcome.LOCK_PENDING),
            ("FAILURE", WindowOutcome.REOPEN),
        ):
            self.setUp()
            self.begin(pkcs_req())
            self.world.answer(cert_rep(status))
            exchange, found, signer = self.world.settled
            self.assertEqual((found, signer), (outcome, signed_by()))
            self.assertEqual((exchange.message_type, exchange.pki_status), ("PKCSReq", status))
            self.assertEqual((exchange.http_status, exchange.window_id), (200, WINDOW))
            self.assertEqual((self.device.body, self.device.heard[-1]), (cert_rep(status), "end"))

    def test_refused_by_status(self) -> None:
        """
        A status from 400 to 499 leaves the window open, one from 500 on locks it.
        """
        for status, outcome in ((400, WindowOutcome.REOPEN), (500, WindowOutcome.LOCK)):
            self.setUp()
            self.begin(pkcs_req())
            self.world.answer(b"no", status=status)
            self.assertEqual(self.world.settled[1], outcome)

    def test_reservation_outlasts_the_exchange(self) -> None:
        """
        A window is reserved until queue and exchange must be over, and 5 s more.
        """
        found: list[timedelta] = []
        reserve = self.world.enrollments.reserve_window

        async def reserve_window(*args: object, **options: object) -> Reservation:
            until = options["until"]
            found.append(until - utc_now(self.world.clock))  # type: ignore[operator]
            return await reserve(*args, **options)  # type: ignore[arg-type]

        self.world.enrollments.reserve_window = reserve_window  # type: ignore[method-assign]
        self.begin(pkcs_req())
        self.world.answer(cert_rep())
        self.assertEqual(found, [timedelta(seconds=30 + 60 + 5)])

    def test_not_scep(self) -> None:
        """
        A body that is no SCEP message goes on: the CA decides, and the record says what it was.
        """
        self.begin(b"nonsense")
        self.assertEqual(self.world.ca_side.body, b"nonsense")
        self.world.answer(cert_rep("FAILURE"))
        exchange, outcome, signer = self.world.settled
        self.assertEqual((exchange.message_type, outcome), (None, WindowOutcome.REOPEN))
        self.assertIn("; request: ", exchange.detail)
        self.assertIsNone(signer)

    def test_no_answer(self) -> None:
        """
        Without an answer the window is locked, unless the request surely was not processed.
        """
        for message, outcome in ((pkcs_req(), WindowOutcome.LOCK), (None, WindowOutcome.REOPEN)):
            self.setUp()
            self.begin(message)
            self.world.ca_side.consumer.answer_failed(_TIMEOUT)
            exchange, found, _ = self.world.settled
            self.assertEqual((exchange.detail, found), ("ca.example was too slow", outcome))
            self.assertEqual(self.device.heard, ["upstream"])

    def test_locked(self) -> None:
        """
        A locked window is asked again with the verified signer, once; another signer is refused,
        and recorded as what it is.
        """
        self.world.enrollments.reservations = [Reservation(Admission.LOCKED, WINDOW)]
        self.begin(pkcs_req(2))
        asked = [call[2] for call in self.world.enrollments.reserve_calls]
        self.assertEqual(asked, [None, signed_by(2)])
        [(exchange, redeliver)] = self.world.enrollments.refused
        self.assertEqual((exchange.transaction_id, redeliver), ("transaction-1", True))
        self.assertEqual(self.device.heard, ["window-closed"])
        self.assertEqual((self.world.upstream.exchanges, self.world.workers.calls), ([], 1))

    def test_large(self) -> None:
        """
        A message above 256 kB, where the setting allows it, is known by its signer: its window is
        locked to that one, and admits it again.
        """
        self.world = ProxyWorld(max_message_size=1_000_000)
        self.world.enrollments.reservations = [
            Reservation(Admission.ADMITTED, WINDOW),
            Reservation(Admission.LOCKED, WINDOW),
            Reservation(Admission.ADMITTED, WINDOW),
        ]
        sender = device(1)
        message = hand_made_request(sender, os.urandom(400_000))
        expected = SignedBy(hashlib.sha256(sender.public_key_info).hexdigest(), "0123456789ABCDEF")
        for _ in range(2):
            self.begin(message)
            self.assertEqual(self.world.ca_side.body, message)
            self.world.answer(cert_rep("PENDING"))
        asked = [call[2] for call in self.world.enrollments.reserve_calls]
        self.assertEqual(asked, [None, None, expected])
        for exchange, outcome, signer in self.world.enrollments.settled:
            self.assertEqual((exchange.message_type, signer), ("PKCSReq", expected))
            self.assertIs(outcome, WindowOutcome.LOCK_PENDING)

    def test_locked_and_busy(self) -> None:
        """
        A locked window may be busy when it is asked again; nothing is recorded then.
        """
        self.world.enrollments.reservations = [
            Reservation(Admission.LOCKED, WINDOW),
            Reservation(Admission.BUSY, WINDOW),
        ]
        self.begin(pkcs_req())
        self.assertEqual(self.device.heard, ["window-busy"])
        self.assertEqual((self.world.enrollments.refused, self.world.enrollments.settled), ([], []))

    def test_only_for_pki_operations(self) -> None:
        """
        The other operations need no window, no record and no observer.
        """
        self.world.enrollments.reservations.clear()
        self.begin(b"", Operation.GET_CA_CAPS)
        self.world.answer(b"SHA-256\n")
        self.assertEqual(self.device.body, b"SHA-256\n")
        self.assertEqual(self.world.enrollments.reserve_calls, [])
        self.assertEqual((self.world.enrollments.settled, self.world.workers.calls), ([], 0))


class EndTests(ProxiedExchangeTestCase):
    """
    Tests for the ends of exchanges.
    """

    def shown(self, name: str, **labels: str) -> float | None:
        """
        A metric.
        """
        return self.world.metrics.registry.get_sample_value(name, labels)

    def test_everything_at_once(self) -> None:
        """
        An exchange may be over before it began; nothing waits for it then.
        """

        def answer(consumer: AnswerConsumer) -> None:
            consumer.answer_started(200, None, None)
            consumer.answer_received(b"SHA-256\n")
            consumer.answer_finished()

        self.world.upstream.at_once = answer
        self.begin(operation=Operation.GET_CA_CAPS)
        self.assertEqual(self.device.heard, ["begin", "end"])
        waiting = Deferred.fromCoroutine(self.world.proxy.wait_until_idle())
        self.successResultOf(waiting)

    def test_metrics(self) -> None:
        """
        Exchanges, failures and times are counted by what certificate authorities are, not by what
        anybody sends.
        """
        self.begin(pkcs_req())
        self.world.clock.advance(2)
        self.world.answer(cert_rep("FAILURE"))
        self.world.enrollments.reservations.append(Reservation(Admission.ADMITTED, WINDOW))
        self.begin(b"nonsense")
        self.world.ca_side.consumer.answer_failed(_TIMEOUT)
        name = "scepd_scep_exchanges_total"
        labels = {"ca": "CORP", "type": "PKCSReq", "status": "FAILURE", "fail_info": "badRequest"}
        self.assertEqual(self.shown(name, **labels), 1)
        labels = {"ca": "CORP", "type": "unknown", "status": "none", "fail_info": "none"}
        self.assertEqual(self.shown(name, **labels), 1)
        self.assertEqual(self.shown("scepd_upstream_failures_total", ca="CORP", fault="timeout"), 1)
        seconds = self.shown("scepd_upstream_seconds_sum", ca="CORP", operation="PKIOperation")
        self.assertEqual(seconds, 2)
        self.assertEqual(self.world.requests_counted("PKIOperation", "ok"), 1)
        self.assertEqual(self.world.requests_counted("PKIOperation", "upstream"), 1)

    def test_slot(self) -> None:
        """
        Who waits for a slot goes on when one is free, and is refused when none is in time.
        """
        self.world.authorities.by_name["CORP"] = make_ca(max_concurrency=1)
        self.world.enrollments.reservations *= 3
        first = self.begin(pkcs_req())
        self.begin(pkcs_req())
        second = self.device
        self.world.clock.advance(20)
        self.begin(pkcs_req())
        third = self.device
        self.world.clock.advance(10)
        self.assertEqual((second.heard, third.heard), (["queue-timeout"], []))
        first.transfer.device_gone()
        self.assertEqual(len(self.world.upstream.exchanges), 2)
        self.world.answer(cert_rep())
        self.assertEqual(third.heard, ["begin", "end"])
        outcomes = [settled[1] for settled in self.world.enrollments.settled]
        self.assertEqual(outcomes, [WindowOutcome.REOPEN, WindowOutcome.LOCK, WindowOutcome.LOCK])

    def test_not_stored(self) -> None:
        """
        An exchange that can't be stored fails, before or in the middle of its answer.
        """
        self.world.enrollments.failing.add("settle_window")
        self.begin(pkcs_req())
        self.world.answer(cert_rep())
        self.assertEqual(self.device.heard, ["begin", "cut off"])
        self.assertEqual(self.device.body, cert_rep()[:-1])
        self.world.enrollments.reservations.append(Reservation(Admission.ADMITTED, WINDOW))
        self.begin(pkcs_req())
        self.world.ca_side.consumer.answer_failed(_TIMEOUT)
        self.assertEqual(self.device.heard, ["storage-unavailable"])

    def test_gone_while_storing(self) -> None:
        """
        Of a device that goes away before its answer is stored the record says so.
        """
        held = self.world.workers.held = Deferred()
        exchange = self.begin(pkcs_req())
        self.world.answer(cert_rep())
        exchange.transfer.device_gone()
        held.callback(None)
        self.assertEqual(self.world.settled[0].http_status, 0)
        self.assertEqual(self.world.settled[0].pki_status, "SUCCESS")

    def test_unexpected(self) -> None:
        """
        A fault of scepd is logged, ends everything, and is answered without details.
        """
        self.world.workers.error = ZeroDivisionError()
        for answer, heard in ((b"", ["error"]), (cert_rep()[:50], ["begin", "cut off"])):
            self.world.enrollments.reservations = [Reservation(Admission.ADMITTED, WINDOW)]
            self.begin(pkcs_req())
            self.world.ca_side.consumer.answer_started(200, None, None)
            self.world.ca_side.consumer.answer_received(answer)
            self.world.ca_side.consumer.answer_failed(_TIMEOUT)
            self.assertEqual(self.device.heard, heard)
            self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.successResultOf(Deferred.fromCoroutine(self.world.proxy.wait_until_idle()))
