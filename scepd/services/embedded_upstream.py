"""
The way to the embedded certificate authority, and the choice between it and the others.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from scepd.errors import (
    LimitExceeded,
    MessageError,
    NotFound,
    ScepdError,
    UpstreamError,
    UpstreamFault,
)
from scepd.model import EMBEDDED_CA
from scepd.ports import (
    AnswerConsumer,
    Upstream,
    UpstreamExchange,
    UpstreamRequest,
    UpstreamTarget,
)
from scepd.scep.transport import (
    CA_CERTIFICATE,
    NEXT_CA_CERTIFICATES,
    PKI_MESSAGE,
    operation_of,
)
from scepd.services.proxying import Operation

_OPERATIONS = {operation.wire_name: operation for operation in Operation}
_BAD_REQUEST, _NOT_FOUND, _TOO_LARGE = 400, 404, 413

_log = Logger()


class EmbeddedAuthority(Protocol):
    """
    What is asked of the embedded certificate authority.
    """

    def capabilities(self) -> bytes:
        """
        The answer to GetCACaps.
        """

    async def certificate(self) -> bytes:
        """
        The answer to GetCACert.
        """

    async def next_certificate(self) -> bytes:
        """
        The answer to GetNextCACert.

        :raises NotFound: there is none.
        """

    async def answer(self, message: bytes) -> bytes:
        """
        The answer to a PKIOperation.

        :raises MessageError: it is no SCEP message.
        """


class EmbeddedUpstream:
    """
    The embedded certificate authority as a :class:`scepd.ports.Upstream`, without HTTP.

    :param authority: gives it; asked at each exchange.
    :param largest_message: bytes of a SCEP message.
    :param exchange_timeout: seconds from a whole request to its answer.
    """

    def __init__(
        self,
        authority: Callable[[], EmbeddedAuthority],
        clock: IReactorTime,
        largest_message: int,
        exchange_timeout: float,
    ) -> None:
        self._authority = authority
        self._clock = clock
        self._largest_message = largest_message
        self._exchange_timeout = exchange_timeout

    def start(
        self, target: UpstreamTarget, request: UpstreamRequest, consumer: AnswerConsumer
    ) -> UpstreamExchange:
        """
        Begin an exchange; its consumer hears nothing before this returns.
        """

        def answer(message: bytes) -> Deferred[tuple[str, bytes]]:
            return Deferred.fromCoroutine(self._in_time(request.query, message))

        return _Exchange(answer, consumer, self._largest_message)

    async def fetch(
        self, target: UpstreamTarget, query: bytes, *, limit: int
    ) -> tuple[bytes, bytes]:
        """
        The answer to an operation that has no message, as (Content-Type, body).

        :raises UpstreamError: there is none, or none within ``limit`` bytes.
        """
        content_type, body = await self._in_time(query, b"")
        if len(body) > limit:
            raise _failure(f"answered more than {limit} bytes")
        return content_type.encode("ascii"), body

    async def _in_time(self, query: bytes, message: bytes) -> tuple[str, bytes]:
        # Never before the caller has what it needs to hear of it.
        await deferLater(self._clock, 0)
        asked = Deferred.fromCoroutine(self._answer(query, message))
        try:
            return await asked.addTimeout(self._exchange_timeout, self._clock)
        except TimeoutError:
            seconds = f"{self._exchange_timeout:g}"
            sentence = f"{EMBEDDED_CA} did not answer within {seconds} s"
            raise UpstreamError(UpstreamFault.TIMEOUT, sentence) from None
        except UpstreamError:
            raise
        except ScepdError as error:
            status = _status_of(error)
            what = "could not answer" if status is None else "refused the request"
            raise _failure(f"{what}: {error}", status) from error

    async def _answer(self, query: bytes, message: bytes) -> tuple[str, bytes]:
        authority = self._authority()
        match _OPERATIONS.get(operation_of(query) or ""):
            case Operation.GET_CA_CAPS:
                return "text/plain", authority.capabilities()
            case Operation.GET_CA_CERT:
                return CA_CERTIFICATE, await authority.certificate()
            case Operation.GET_NEXT_CA_CERT:
                return NEXT_CA_CERTIFICATES, await authority.next_certificate()
            case Operation.PKI_OPERATION:
                return PKI_MESSAGE, await authority.answer(message)
        raise NotFound("it has no answer to this operation")


class _Exchange:
    """
    One request to the embedded certificate authority.

    What was begun is done even when nobody waits any more: the same request gets the same
    certificate later.
    """

    def __init__(
        self,
        answer: Callable[[bytes], Deferred[tuple[str, bytes]]],
        consumer: AnswerConsumer,
        largest: int,
    ) -> None:
        self.sent_whole = False
        self._answer = answer
        self._consumer: AnswerConsumer | None = consumer
        self._largest = largest
        self._message = bytearray()
        self._paused = False
        self._ready: tuple[str, bytes] | None = None

    def write(self, data: bytes) -> None:
        """
        Some bytes of the message; one that is too large fails at the first byte too many.
        """
        self._message += data
        if len(self._message) > self._largest:
            self._message.clear()
            sentence = f"takes messages of at most {self._largest} bytes"
            self._fail(_failure(sentence, _TOO_LARGE))

    def finish(self) -> None:
        """
        The message is complete: it is answered later, never at once.
        """
        if self._consumer is None or self.sent_whole:
            return
        self.sent_whole = True
        answered = self._answer(bytes(self._message))
        answered.addCallbacks(self._answered, self._failed)
        answered.addErrback(_log_failure)

    def pause_answer(self) -> None:
        """
        Keep the answer.
        """
        self._paused = True

    def resume_answer(self) -> None:
        """
        Let it go.
        """
        self._paused = False
        self._deliver()

    def abort(self) -> None:
        """
        The consumer hears nothing more.
        """
        self._consumer = None
        self._message.clear()

    def _answered(self, answer: tuple[str, bytes]) -> None:
        self._ready = answer
        self._deliver()

    def _deliver(self) -> None:
        if self._paused or self._ready is None or self._consumer is None:
            return
        consumer, self._consumer = self._consumer, None
        content_type, body = self._ready
        consumer.answer_started(200, content_type.encode("ascii"), len(body))
        if body:
            consumer.answer_received(body)
        consumer.answer_finished()

    def _failed(self, failure: Failure) -> None:
        error = failure.value
        if not isinstance(error, UpstreamError):
            _log_failure(failure)
            error = _failure("failed; see the log")
        self._fail(error)

    def _fail(self, error: UpstreamError) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            consumer.answer_failed(error)


class UpstreamChoice:
    """
    The embedded certificate authority by its name, and the others over the network: a
    :class:`scepd.ports.Upstream` for all of them.
    """

    def __init__(self, embedded: Upstream, others: Upstream) -> None:
        self._embedded = embedded
        self._others = others

    def start(
        self, target: UpstreamTarget, request: UpstreamRequest, consumer: AnswerConsumer
    ) -> UpstreamExchange:
        """
        Begin an exchange with the target.
        """
        return self._of(target).start(target, request, consumer)

    async def fetch(
        self, target: UpstreamTarget, query: bytes, *, limit: int
    ) -> tuple[bytes, bytes]:
        """
        Ask the target.

        :raises UpstreamError: no whole answer of status 200 within ``limit`` bytes came.
        """
        return await self._of(target).fetch(target, query, limit=limit)

    def _of(self, target: UpstreamTarget) -> Upstream:
        return self._embedded if target.name == EMBEDDED_CA else self._others


def _failure(what: str, status: int | None = None) -> UpstreamError:
    return UpstreamError(UpstreamFault.STATUS, f"{EMBEDDED_CA} {what}", status)


def _status_of(error: ScepdError) -> int | None:
    """
    The status with which another certificate authority would refuse such a request: it judges the
    request, and is not out; None: it failed.
    """
    if isinstance(error, LimitExceeded):
        return _TOO_LARGE
    if isinstance(error, MessageError):
        return _BAD_REQUEST
    return _NOT_FOUND if isinstance(error, NotFound) else None


def _log_failure(failure: Failure) -> None:
    _log.failure("The embedded certificate authority failed to answer", failure)
