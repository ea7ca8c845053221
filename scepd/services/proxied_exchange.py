"""
One device's request on its way through the proxy.
"""

from __future__ import annotations

from datetime import datetime

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from scepd.errors import BreakerOpen, ScepdError, UpstreamError, WindowClosed
from scepd.metrics import counter, histogram
from scepd.model import SCEPExchange
from scepd.scep.observer import AnswerReport, RequestReport, observe_answer, observe_request
from scepd.services.answer_relay import AnswerRelay
from scepd.services.ca_directory import KnownCA
from scepd.services.clock import utc_now
from scepd.services.exchange_log import Arrow, ExchangeLog
from scepd.services.exchange_record import ExchangeRecord
from scepd.services.protection import failure_word, is_noteworthy
from scepd.services.proxying import DeviceConnection, Operation, ProxyRequest, SCEPProxy
from scepd.services.transfer import Transfer
from scepd.services.upstream_request import upstream_request
from scepd.services.window_reservation import WindowReservation

# Long enough for the request to be on its way.
_WHILE_IT_WORKS = 0.001


class ProxiedExchange:
    """
    The course of an exchange: who it is for, its window, its slot, its transfer, its record.

    It runs from :meth:`begin` to the answer's end, the refusal, or the end of the connection.

    :ivar transfer: what the device's connection tells of the request's bytes and of itself.
    """

    def __init__(self, proxy: SCEPProxy, request: ProxyRequest, device: DeviceConnection) -> None:
        ports = proxy.ports
        self._proxy = proxy
        self._request = request
        self._device = device
        self._is_audited = request.operation is Operation.PKI_OPERATION
        record = ExchangeRecord(ports.new_id(), request.subject, utc_now(ports.clock))
        self._record = record
        self._log = ExchangeLog(
            request.subject, request.operation, lambda: record.id, tells=ports.tells()
        )
        self.transfer = Transfer(device, ports.metrics)

    def begin(self) -> None:
        """
        Start; the device is paused until the exchange resumes it.
        """
        self._proxy.exchange_began(self)
        running = Deferred.fromCoroutine(self._run())
        running.addErrback(self._failed_unexpectedly)
        running.addErrback(self._log.failed)
        running.addCallback(self._ended)

    def _ended(self, _: object) -> None:
        self.transfer.let_go()
        self._proxy.exchange_ended(self)

    async def _run(self) -> None:
        try:
            ca = await self._let_in()
        except ScepdError as error:
            await self._turn_away(error)
            return
        try:
            await self._exchange(ca)
        except ScepdError as error:
            await self._settle(error)
        else:
            await self._settle(None)
            self._look_at_cipher(ca)

    # -- its way in --------------------------------------------------------------------------------

    async def _let_in(self) -> KnownCA:
        if not self._is_audited:
            ca = await self._proxy.authorize(self._request.subject)
            self._log.step(Arrow.DEVICE_TO_SCEPD)
            self.transfer.check_running()
            return ca
        # Its window tells more than its assignment, which is asked for only where there is none.
        ca = await self._proxy.authority_of(self._request.subject)
        self._log.step(Arrow.DEVICE_TO_SCEPD)
        await self._check_outage(ca)
        # Of a window that is not reserved nothing has to be given back.
        self.transfer.check_running()
        await self._reserve()
        return ca

    async def _check_outage(self, ca: KnownCA) -> None:
        """
        Of a certificate authority that is out no window is reserved.
        """
        try:
            self._proxy.ports.protection.check(ca.record.name)
        except BreakerOpen:
            # It is recorded, and nobody may have records made of hosts that there are not.
            await self._proxy.check_assigned(self._request.subject)
            raise

    async def _reserve(self) -> None:
        proxy, record = self._proxy, self._record
        reservation = WindowReservation(proxy.ports, proxy.settings, record, self.transfer)
        try:
            await reservation.make()
        except WindowClosed:
            if record.window_id is None:
                await proxy.check_assigned(self._request.subject)
            raise

    async def _turn_away(self, error: ScepdError) -> None:
        """
        Answer a request that was not let through; a closed window is an exchange of its own, and so
        is an outage of the certificate authority.
        """
        if self._is_audited and isinstance(error, WindowClosed | BreakerOpen):
            exchange = self._closed(error, str(error))
            redeliver = isinstance(error, WindowClosed)
            try:
                await self._proxy.ports.enrollment.record_refusal(exchange, redeliver=redeliver)
            except ScepdError as storage_error:
                error = storage_error
        self._log.turned_away(error)
        self._count(error)
        self._device.refuse(error)

    # -- its transfer ------------------------------------------------------------------------------

    async def _exchange(self, ca: KnownCA) -> None:
        """
        Wait for a slot, and pass request and answer on.
        """
        protection, operation = self._proxy.ports.protection, self._request.operation
        self.transfer.check_running()
        if not protection.enter_at_once(ca.record):
            await self.transfer.unless_ended(
                Deferred.fromCoroutine(protection.enter(ca.record, operation, self._record.id))
            )
        try:
            await self._pass_on(ca)
        finally:
            protection.leave(ca.record.name)

    async def _pass_on(self, ca: KnownCA) -> None:
        ports, operation, transfer = self._proxy.ports, self._request.operation, self.transfer
        copy = transfer.answer if self._is_audited else None
        relay = AnswerRelay(self._device, operation, ca.host, copy)
        length = transfer.request.total if transfer.request_complete else None
        if length is None:
            length = self._request.content_length
        began = ports.clock.seconds()
        self._log.step(Arrow.SCEPD_TO_CA)
        # While the certificate authority works, its request is read for the record.
        reading = ports.clock.callLater(_WHILE_IT_WORKS, self._read_request)
        try:
            await transfer.run(
                ports.upstream, ca.target, upstream_request(ca.record, operation, length), relay
            )
        except UpstreamError as error:
            await ports.protection.failed(
                ca.record, operation, error, waited_for_device=transfer.waits_for_device
            )
            raise
        finally:
            if reading.active():
                reading.cancel()
            histogram(ports.metrics.upstream_seconds, ca.record.name, operation.wire_name).observe(
                ports.clock.seconds() - began
            )

    def _read_request(self) -> None:
        record, transfer = self._record, self.transfer
        is_small = transfer.request.total <= self._proxy.ports.inline_bytes
        if transfer.request_complete and is_small and record.request is None:
            record.request = observe_request(transfer.request.getvalue())

    # -- its end -----------------------------------------------------------------------------------

    async def _settle(self, error: ScepdError | None) -> None:
        """
        Commit what happened, and only then let the device have the last byte.
        """
        if self._is_audited:
            try:
                await self._commit(error)
            except ScepdError as storage_error:
                self._log.broken_off(storage_error)
                error = storage_error
        elif error is not None:
            self._log.broken_off(error)
            if is_noteworthy(self._request.operation, error):
                await self._record_failure(error)
        self._count(error)
        if error is None:
            self._finish()
        else:
            self._break_off(error)

    async def _record_failure(self, error: ScepdError) -> None:
        """
        Store that a certificate authority failed when its device asked for less than a certificate:
        the error that the device reports then is not its own.
        """
        sentence = f"{self._request.operation.wire_name}: {error}"
        exchange = self._closed(error, sentence)
        try:
            await self._proxy.ports.enrollment.record_refusal(exchange, redeliver=False)
        except ScepdError as storage_error:
            self._log.broken_off(storage_error)

    async def _commit(self, error: ScepdError | None) -> None:
        ports, record = self._proxy.ports, self._record
        await self._observe()
        is_whole = error is None and not self.transfer.answer.truncated
        await ports.protection.over(
            record.subject.ca_name, record.id, record.answer, is_whole=is_whole
        )
        exchange = self._closed(error, str(error or ""))
        status = error.status if isinstance(error, UpstreamError) else None
        outcome = record.outcome(
            sent_whole=self.transfer.sent_whole,
            refused=status is not None and 400 <= status < 500,
        )
        await ports.enrollment.settle_window(exchange, outcome, record.signed_by)
        counter(
            ports.metrics.exchanges,
            exchange.ca_name,
            exchange.message_type or "unknown",
            exchange.pki_status or "none",
            exchange.fail_info or "none",
        ).inc()
        self._log.stored(exchange)

    async def _observe(self) -> None:
        record, transfer = self._record, self.transfer
        request, answer = transfer.request, transfer.answer
        known, is_whole = record.request, transfer.request_complete
        proven, largest = self._proxy.proven_signers, self._proxy.settings.max_message_size

        def look() -> tuple[RequestReport | None, AnswerReport | None]:
            seen = known
            if known is None and is_whole:
                seen = observe_request(request.getvalue(), max_size=largest)
            return seen, observe_answer(answer.getvalue(), proven) if answer.total else None

        ports = self._proxy.ports
        is_small = request.total + answer.total <= ports.inline_bytes
        record.request, record.answer = look() if is_small else await ports.workers(look)

    def _look_at_cipher(self, ca: KnownCA) -> None:
        answer = self._record.answer
        if answer is not None and answer.pki_status == "SUCCESS":
            self._proxy.weak_answers.look(ca.record, self.transfer.answer.getvalue())

    def _finish(self) -> None:
        answer = self._record.answer
        # B23 and B24 are the arrows of a certificate, not of every CertRep.
        tells = not self._is_audited or (answer is not None and answer.pki_status == "SUCCESS")
        if tells:
            self._log.step(Arrow.CA_TO_SCEPD)
        self.transfer.send_last_byte()
        if tells and not self.transfer.device_is_gone:
            self._log.step(Arrow.SCEPD_TO_DEVICE)

    def _break_off(self, error: ScepdError) -> None:
        if self.transfer.answer_begun:
            self._device.cut_off()
        else:
            self._device.refuse(error)

    def _failed_unexpectedly(self, failure: Failure) -> None:
        """
        A window that was reserved stays so until its reservation ends by itself.
        """
        self._log.failed(failure)
        error = ScepdError("internal error")
        self.transfer.request_failed(error)
        self._count(error)
        self._break_off(error)

    def _closed(self, error: ScepdError | None, sentence: str) -> SCEPExchange:
        status = self._status_of(error)
        return self._record.close(self._now(), status, sentence, failure_word(error))

    def _status_of(self, error: ScepdError | None) -> int:
        if self.transfer.device_is_gone:
            return 0
        return 200 if error is None else self._device.status_of(error)

    def _count(self, error: ScepdError | None) -> None:
        counter(
            self._proxy.ports.metrics.proxy_requests,
            self._request.operation.wire_name,
            "ok" if error is None else error.code,
        ).inc()

    def _now(self) -> datetime:
        return utc_now(self._proxy.ports.clock)
