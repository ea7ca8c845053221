"""
What stands between devices' requests and a certificate authority: its breaker, its rate and its
slots, in this order.
"""

from __future__ import annotations

from twisted.internet.interfaces import IReactorTime

from scepd.config import SCEPProxySection
from scepd.errors import (
    BreakerOpen,
    QueueTimeout,
    RateLimited,
    UpstreamError,
    UpstreamFault,
    UpstreamStopped,
)
from scepd.metrics import Metrics
from scepd.model import EMBEDDED_CA, CertificateAuthority
from scepd.scep.observer import AnswerReport
from scepd.services.breakers import Breakers
from scepd.services.operation import Operation
from scepd.services.rates import Rates
from scepd.services.slots import Slots

_CRASH_MARGIN = 5.0
REJECTED = "rejected"
"""
The failure of a request that its certificate authority answered with a status below 500.
"""
_NO_CERT_REP = "its answer to PKIOperation is no CertRep"
_FIRST_SERVER_ERROR = 500
_ANSWER_FAULTS = (UpstreamFault.STATUS, UpstreamFault.BODY)
# What ends by a clock, or by the other side's, when a device is slow.
_SLOWNESS_FAULTS = (UpstreamFault.TIMEOUT, UpstreamFault.CLOSED)


class Protection:
    """
    Lets requests to certificate authorities, and learns from what comes of them.
    """

    def __init__(
        self,
        breakers: Breakers,
        rates: Rates,
        slots: Slots,
        clock: IReactorTime,
        metrics: Metrics,
        settings: SCEPProxySection,
    ) -> None:
        self._breakers = breakers
        self._rates = rates
        self._slots = slots
        self._clock = clock
        self._metrics = metrics
        self._settings = settings

    def check(self, ca_name: str) -> None:
        """
        Refuse at once, before anything is reserved or asked of the database.

        :raises BreakerOpen: the certificate authority is out.
        """
        try:
            self._breakers.check(ca_name)
        except BreakerOpen as error:
            self._count(ca_name, error)
            raise

    def enter_at_once(self, ca: CertificateAuthority) -> bool:
        """
        Let a request out that has nothing to wait for; whether it may go. Then the caller must
        :meth:`leave`.
        """
        return (
            ca.requests_per_second is None
            and self._breakers.is_closed(ca.name)
            and self._slots.take_free(ca.name, most=ca.max_concurrency)
        )

    async def enter(self, ca: CertificateAuthority, operation: Operation, exchange_id: str) -> None:
        """
        Return when a request may go out; the caller must :meth:`leave`. It waits ``queue_timeout``
        seconds at most, in all.

        :raises BreakerOpen: the certificate authority is out, or being tried by another request.
        :raises RateLimited: its requests per second are used up for too long.
        :raises QueueTimeout: its slots are.
        """
        await self._pass_breaker(ca.name, operation, exchange_id)
        await self._stand_in_line(ca)
        try:
            # It may have opened meanwhile: then the whole line is turned away.
            await self._pass_breaker(ca.name, operation, exchange_id)
        except BaseException:
            # Whatever it was, the caller has no slot to leave.
            self.leave(ca.name)
            raise

    def leave(self, ca_name: str) -> None:
        """
        A request that was let out is over.
        """
        self._slots.give_back(ca_name)

    async def failed(
        self,
        ca: CertificateAuthority,
        operation: Operation,
        error: UpstreamError,
        *,
        waited_for_device: bool,
    ) -> None:
        """
        A request failed.

        :param waited_for_device: whether it was the device's turn to send or to read when it did.
        """
        self._count(ca.name, error)
        if counts(ca, operation, error, waited_for_device=waited_for_device):
            await self._breakers.failed(ca.name, error.sentence)

    async def over(
        self, ca_name: str, exchange_id: str, answer: AnswerReport | None, *, is_whole: bool
    ) -> None:
        """
        A PKIOperation is over. With a CertRep, whatever it says, its certificate authority works;
        with a whole answer that is none, it does not.
        """
        if answer is not None and answer.pki_status is not None:
            await self._breakers.answered(ca_name)
        elif answer is not None and is_whole:
            error = UpstreamError(UpstreamFault.BODY, f"{_NO_CERT_REP}: {answer.fault}")
            self._count(ca_name, error)
            await self._breakers.failed(ca_name, error.sentence)
        await self._breakers.over(ca_name, exchange_id)

    async def _stand_in_line(self, ca: CertificateAuthority) -> None:
        timeout = self._settings.queue_timeout
        deadline = self._clock.seconds() + timeout
        try:
            await self._rates.take(ca.name, per_second=ca.requests_per_second, timeout=timeout)
            left = max(0.0, deadline - self._clock.seconds())
            await self._slots.take(ca.name, most=ca.max_concurrency, timeout=left)
        except QueueTimeout as error:
            self._count(ca.name, error)
            raise

    async def _pass_breaker(self, ca_name: str, operation: Operation, exchange_id: str) -> None:
        if operation is not Operation.PKI_OPERATION:
            self.check(ca_name)
            return
        settings = self._settings
        longest = settings.queue_timeout + settings.exchange_timeout + _CRASH_MARGIN
        try:
            await self._breakers.admit(ca_name, exchange_id, longest)
        except BreakerOpen as error:
            self._count(ca_name, error)
            raise

    def _count(self, ca_name: str, error: Exception) -> None:
        self._metrics.upstream_failures.labels(ca_name, failure_word(error)).inc()


def failure_word(error: Exception | None) -> str | None:
    """
    How a certificate authority failed, or what kept a request from it, in a word for records and
    metrics; None: neither.
    """
    if isinstance(error, UpstreamError):
        return REJECTED if _is_refusal(error) else error.fault.value
    if isinstance(error, BreakerOpen):
        return "breaker"
    if isinstance(error, QueueTimeout):
        return "rate" if isinstance(error, RateLimited) else "queue"
    return None


def is_noteworthy(operation: Operation, error: Exception) -> bool:
    """
    Whether an error of an operation that is no PKIOperation is recorded: a device may give up after
    it. Without capabilities, or a next certificate, devices go on.
    """
    word = failure_word(error)
    return word is not None and (word != REJECTED or operation is Operation.GET_CA_CERT)


def counts(
    ca: CertificateAuthority,
    operation: Operation,
    error: UpstreamError,
    *,
    waited_for_device: bool,
) -> bool:
    """
    Whether an error is held against a certificate authority by its breaker.

    What is not: a status below 500, by which it judges the request; the slowness of a device; a bad
    answer to an operation that it need not know; and the end of scepd.
    """
    if isinstance(error, UpstreamStopped) or _is_refusal(error) or ca.name == EMBEDDED_CA:
        # The one that is built in is out when scepd itself is.
        return False
    if waited_for_device and error.fault in _SLOWNESS_FAULTS:
        return False
    if error.fault in _ANSWER_FAULTS:
        is_optional = operation is Operation.GET_NEXT_CA_CERT or (
            operation is Operation.GET_CA_CAPS and not ca.capabilities
        )
        return not is_optional
    return True


def _is_refusal(error: UpstreamError) -> bool:
    return error.status is not None and error.status < _FIRST_SERVER_ERROR
