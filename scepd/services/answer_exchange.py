"""
A device's question that a kept answer of its certificate authority will do for.
"""

from __future__ import annotations

from twisted.python.failure import Failure

from scepd.errors import ScepdError
from scepd.metrics import counter
from scepd.services.begun import begin
from scepd.services.ca_answers import CAAnswer
from scepd.services.ca_directory import KnownCA
from scepd.services.clock import utc_now
from scepd.services.exchange_log import Arrow, ExchangeLog
from scepd.services.exchange_record import ExchangeRecord
from scepd.services.operation import Operation
from scepd.services.protection import failure_word, is_noteworthy
from scepd.services.proxying import AnsweredDevice, ProxyRequest, SCEPProxy

ANSWERED_FROM_CACHE = frozenset((Operation.GET_CA_CAPS, Operation.GET_CA_CERT))
"""
The operations that are the same for every device.
"""


class AnswerExchange:
    """
    The course of a GetCACaps or GetCACert: who it is for, and the answer.

    Where everything is known it is over when :meth:`begin` returns.
    """

    def __init__(self, proxy: SCEPProxy, request: ProxyRequest, device: AnsweredDevice) -> None:
        self._proxy = proxy
        self._request = request
        self._device = device
        ports = proxy.ports
        self._log = ExchangeLog(
            request.subject, request.operation, ports.new_id, tells=ports.tells()
        )

    def begin(self) -> None:
        """
        Answer, at once or later.
        """
        subject, ports = self._request.subject, self._proxy.ports
        ca = ports.directory.known(subject.ca_name) if subject in self._proxy.recent else None
        answer = ports.answers.ready(ca, self._request.operation) if ca is not None else None
        if answer is not None:
            self._log.step(Arrow.DEVICE_TO_SCEPD)
            self._give(answer, cached=True)
            return
        self._began = utc_now(ports.clock)
        self._proxy.exchange_began(self)
        begin(self._run(), self._over, self._failed_unexpectedly)

    async def _run(self) -> None:
        try:
            ca = await self._proxy.authorize(self._request.subject)
        except ScepdError as error:
            self._log.turned_away(error)
            self._refuse(error)
            return
        self._log.step(Arrow.DEVICE_TO_SCEPD)
        answer = self._proxy.ports.answers.ready(ca, self._request.operation)
        if answer is not None:
            self._give(answer, cached=True)
        else:
            await self._ask(ca)

    async def _ask(self, ca: KnownCA) -> None:
        self._log.step(Arrow.SCEPD_TO_CA)
        try:
            answer = await self._proxy.ports.answers.fetch(ca, self._request.operation)
        except ScepdError as error:
            self._log.broken_off(error)
            if is_noteworthy(self._request.operation, error):
                await self._record_failure(error)
            self._refuse(error)
        else:
            self._give(answer, cached=False)

    async def _record_failure(self, error: ScepdError) -> None:
        """
        Store that a certificate authority failed when its device asked for less than a certificate:
        the error that the device reports then is not its own.
        """
        ports, status = self._proxy.ports, self._device.status_of(error)
        record = ExchangeRecord(self._log.exchange_id, self._request.subject, self._began)
        sentence = f"{self._request.operation.wire_name}: {error}"
        exchange = record.close(utc_now(ports.clock), status, sentence, failure_word(error))
        try:
            await ports.enrollment.record_refusal(exchange, redeliver=False)
        except ScepdError as storage_error:
            self._log.broken_off(storage_error)

    def _give(self, answer: CAAnswer, *, cached: bool) -> None:
        if cached:
            self._log.step(Arrow.SCEPD_TO_CA, cached=True)
        self._log.step(Arrow.CA_TO_SCEPD, cached=cached)
        self._count("ok")
        self._device.answer(answer.content_type, answer.body)
        self._log.step(Arrow.SCEPD_TO_DEVICE)

    def _refuse(self, error: ScepdError) -> None:
        self._count(error.code)
        self._device.refuse(error)

    def _over(self, _: None = None) -> None:
        self._proxy.exchange_ended(self)

    def _failed_unexpectedly(self, failure: Failure) -> None:
        self._log.failed(failure)
        try:
            self._refuse(ScepdError("internal error"))
        except Exception:  # noqa: BLE001 - there is nobody left who could be told
            self._log.failed(Failure())
        self._over()

    def _count(self, result: str) -> None:
        metrics = self._proxy.ports.metrics
        counter(metrics.proxy_requests, self._request.operation.wire_name, result).inc()
