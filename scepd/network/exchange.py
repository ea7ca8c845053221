"""
One streamed request to a certificate authority, and its answer.
"""

from __future__ import annotations

from twisted.internet.interfaces import IReactorTime

from scepd.errors import UpstreamError, UpstreamFault, UpstreamStopped
from scepd.network.dial import Dial
from scepd.network.http_connection import HTTPConnection
from scepd.network.http_request import RequestEncoder
from scepd.network.http_response import ResponseBroken, ResponseStarted
from scepd.network.upstream_pool import STOPPING, UpstreamPool
from scepd.ports import AnswerConsumer, UpstreamRequest

# Servers give up idle connections without notice, and what can't be sent again should not meet one.
_FRESH_SECONDS = 15.0

# Bad gateway, unavailable, gateway timeout.
_OF_PROXIES = (502, 503, 504)


class Exchange:
    """
    One request and its answer (a :class:`scepd.ports.UpstreamExchange`).

    It is over when it has let go of its consumer: from then on, nobody hears anything.
    """

    def __init__(
        self,
        clock: IReactorTime,
        pool: UpstreamPool,
        timeout: float,
        request: UpstreamRequest,
        consumer: AnswerConsumer,
    ) -> None:
        self.sent_whole = False
        self._pool = pool
        self._request = request
        self._consumer: AnswerConsumer | None = consumer
        self._encoder = RequestEncoder(request)
        self._waiting: list[bytes] = []
        self._connection: HTTPConnection | None = None
        self._dial: Dial | None = None
        self._finished = False
        self._has_body = False
        self._answering = False
        self._reused = False
        self._full = False
        self._told_to_pause = False
        self._answer_paused = False
        self._timeout = timeout
        self._deadline = clock.callLater(timeout, self._time_out)

    def begin(self) -> None:
        """
        Take a connection and send the request's head; the consumer may hear of a failure before
        this returns.
        """
        idle = self._pool.take_idle(within=None if self._request.resend else _FRESH_SECONDS)
        self._reused = idle is not None
        if idle is not None:
            self.connected(idle)
        else:
            self._dial_anew()

    def _dial_anew(self) -> None:
        self.sent_whole = self._full = False
        self._set_pace()
        if self._pool.closed:
            self._fail(UpstreamError(UpstreamFault.CLOSED, STOPPING))
        # The consumer may have given up just now.
        elif self._consumer is not None:
            self._dial = self._pool.dial(self)
            self._dial.begin()

    # -- Dialler -----------------------------------------------------------------------------------

    def connected(self, connection: HTTPConnection) -> None:
        """
        Send what has waited for the connection.
        """
        self._dial = None
        self._connection = connection
        connection.attend(self)
        if self._answer_paused:
            connection.pause_response()
        waiting, self._waiting = self._waiting, []
        data = self._encoder.head(self._pool.destination) + b"".join(waiting)
        if self._finished:
            self.sent_whole = True
            data += self._encoder.end(self._pool.destination)
        connection.write(data)
        self._set_pace()

    def not_connected(self, error: UpstreamError) -> None:
        """
        There is no connection to be had.
        """
        self._dial = None
        self._fail(error)

    # -- UpstreamExchange --------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """
        Pass on some bytes of the request's body.

        :raises ValueError: they are more than the request announced.
        """
        if self._consumer is None or self._finished:
            return
        data = self._encoder.encode(data)
        self._has_body = True
        if self._connection is None:
            self._waiting.append(data)
        else:
            self._connection.write(data)

    def finish(self) -> None:
        """
        The request's body is complete.

        :raises ValueError: it is shorter than the request announced.
        """
        if self._consumer is None or self._finished:
            return
        self._encoder.check_complete()
        self._finished = True
        if self._connection is not None:
            self.sent_whole = True
            end = self._encoder.end(self._pool.destination)
            if end:
                self._connection.write(end)

    def pause_answer(self) -> None:
        """
        Read no more of the answer until :meth:`resume_answer`.
        """
        self._answer_paused = True
        if self._connection is not None:
            self._connection.pause_response()

    def resume_answer(self) -> None:
        """
        Read on.
        """
        self._answer_paused = False
        if self._connection is not None:
            self._connection.resume_response()

    def abort(self) -> None:
        """
        Give up: the connection is closed, and the consumer hears nothing more.
        """
        if self._end() is None:
            return
        dial, self._dial = self._dial, None
        if dial is not None:
            dial.cancel()
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    # -- ResponseReceiver --------------------------------------------------------------------------

    def response_started(self, started: ResponseStarted) -> None:
        """
        The answer's head is in.
        """
        self._answering = True
        complaint = self._proxy_complaint(started.status)
        if complaint is not None:
            self._refuse_answer(complaint)
        elif self._consumer is not None:
            self._consumer.answer_started(started.status, started.content_type, started.length)

    def response_received(self, data: bytes) -> None:
        """
        Some bytes of the answer's body.
        """
        if self._consumer is not None:
            self._consumer.answer_received(data)

    def response_finished(self) -> None:
        """
        The answer is complete.
        """
        connection, self._connection = self._connection, None
        consumer = self._end()
        if connection is not None and self.sent_whole:
            self._pool.give_back(connection)
        elif connection is not None:
            # The rest of the request is owed to this connection, and never comes.
            connection.close()
        if consumer is not None:
            consumer.answer_finished()

    def response_broken(self, broken: ResponseBroken) -> None:
        """
        The connection ended too early, or spoke nonsense.
        """
        self._connection = None
        if self._may_resend and not broken.answered:
            self._reused = False
            self._dial_anew()
            return
        sentence = f"{self._pool.host} failed while {self._doing}: {broken.complaint}"
        if broken.fault is UpstreamFault.TLS:
            sentence = f"TLS with {self._pool.host} failed: {broken.complaint}"
        self._fail(UpstreamError(broken.fault, sentence))

    def pause_request(self) -> None:
        """
        The certificate authority is slow to read.
        """
        self._full = True
        self._set_pace()

    def resume_request(self) -> None:
        """
        The certificate authority reads again.
        """
        self._full = False
        self._set_pace()

    # -- inside ------------------------------------------------------------------------------------

    def _set_pace(self) -> None:
        pause = self._connection is None or self._full
        if self._consumer is None or pause is self._told_to_pause:
            return
        self._told_to_pause = pause
        if pause:
            self._consumer.pause_request()
        else:
            self._consumer.resume_request()

    @property
    def _may_resend(self) -> bool:
        # A body is not kept; what is allowed to be sent again has none.
        return self._reused and self._request.resend and not self._has_body

    @property
    def _doing(self) -> str:
        if self._dial is not None:
            return self._dial.doing
        if self._answering:
            return "reading the answer"
        return "waiting for the answer" if self.sent_whole else "sending the request"

    def _proxy_complaint(self, status: int) -> UpstreamError | None:
        """
        Of a status that a proxy may have made up; through a tunnel none can.
        """
        pool = self._pool
        if not pool.destination.through_proxy:
            return None
        if status == 407:
            sentence = f"the outgoing proxy {pool.proxy} wants credentials (HTTP status 407), "
            return UpstreamError(UpstreamFault.PROXY, f"{sentence}and scepd has none for it")
        if status not in _OF_PROXIES:
            return None
        sentence = f"{pool.host}, or the outgoing proxy {pool.proxy} on the way to it, "
        return UpstreamError(UpstreamFault.STATUS, f"{sentence}answered with HTTP status {status}")

    def _refuse_answer(self, error: UpstreamError) -> None:
        consumer = self._consumer
        self.abort()
        if consumer is not None:
            consumer.answer_failed(error)

    def _time_out(self) -> None:
        doing, consumer = self._doing, self._consumer
        self.abort()
        if consumer is not None:
            sentence = (
                f"{self._pool.host} was too slow: {self._timeout:g} s were over while {doing}"
            )
            consumer.answer_failed(UpstreamError(UpstreamFault.TIMEOUT, sentence))

    def _fail(self, error: UpstreamError) -> None:
        if self._pool.closed:
            error = UpstreamStopped(error.fault, error.sentence)
        consumer = self._end()
        if consumer is not None:
            consumer.answer_failed(error)

    def _end(self) -> AnswerConsumer | None:
        consumer, self._consumer = self._consumer, None
        if self._deadline.active():
            self._deadline.cancel()
        self._waiting = []
        return consumer
