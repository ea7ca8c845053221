"""
The way to the certificate authorities: streamed HTTP/1.1 exchanges on kept-alive connections.

A PKIOperation is never sent twice once its first byte went out: only exchanges that say so are sent
again, and only when a kept connection turns out to have died before it answered.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred

from scepd.errors import UpstreamError, UpstreamFault
from scepd.network.destination import host_of
from scepd.network.exchange import Exchange
from scepd.network.upstream_pool import UpstreamLimits, UpstreamPool
from scepd.ports import AnswerConsumer, UpstreamRequest, UpstreamTarget


class _Collector:
    """
    Gathers a small answer whole.
    """

    def __init__(self, host: str, limit: int) -> None:
        self._host = host
        self._limit = limit
        self._size = 0
        self._chunks: list[bytes] = []
        self._content_type = b""
        self.result: Deferred[tuple[bytes, bytes]] = Deferred()

    def answer_started(self, status: int, content_type: bytes | None, length: int | None) -> None:
        self._content_type = content_type or b""
        if status != 200:
            sentence = f"{self._host} answered with HTTP status {status}"
            if 300 <= status < 400:
                sentence += "; redirects are not followed"
            self.answer_failed(UpstreamError(UpstreamFault.STATUS, sentence, status))
        elif length is not None and length > self._limit:
            self._refuse_long()

    def answer_received(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > self._limit:
            self._refuse_long()
        else:
            self._chunks.append(data)

    def answer_finished(self) -> None:
        if not self.result.called:
            self.result.callback((self._content_type, b"".join(self._chunks)))

    def answer_failed(self, error: UpstreamError) -> None:
        if not self.result.called:
            self.result.errback(error)

    def pause_request(self) -> None:
        """
        Nothing is written but a head.
        """

    def resume_request(self) -> None:
        """
        Nothing is written but a head.
        """

    def _refuse_long(self) -> None:
        self._refuse(UpstreamFault.BODY, f"{self._host} answered more than {self._limit} bytes")

    def _refuse(self, fault: UpstreamFault, sentence: str) -> None:
        self.answer_failed(UpstreamError(fault, sentence))


class SCEPUpstream:
    """
    The way to all certificate authorities (a :class:`scepd.ports.Upstream`).

    :param reactor: provides IReactorTCP, IReactorTime and IReactorPluggableNameResolver.
    """

    def __init__(self, reactor: Any, limits: UpstreamLimits) -> None:
        self._reactor = reactor
        self._limits = limits
        self._pools: dict[UpstreamTarget, UpstreamPool] = {}
        self._closed = False

    def start(
        self, target: UpstreamTarget, request: UpstreamRequest, consumer: AnswerConsumer
    ) -> Exchange:
        """
        Begin a streamed exchange; its consumer may be told to pause, or that it failed, before this
        returns.
        """
        exchange = Exchange(
            self._reactor,
            self._pool_of(target),
            self._limits.exchange_timeout,
            request,
            consumer,
        )
        exchange.begin()
        return exchange

    async def fetch(
        self, target: UpstreamTarget, query: bytes, *, limit: int
    ) -> tuple[bytes, bytes]:
        """
        GET ``query`` and return (Content-Type, body).

        :raises UpstreamError: no whole answer of status 200 within ``limit`` bytes came.
        """
        collector = _Collector(host_of(target.url), limit)
        exchange = self.start(target, UpstreamRequest("GET", query, resend=True), collector)
        exchange.finish()
        try:
            return await collector.result
        finally:
            # Refused answers, and callers that wait no more; a finished one doesn't mind.
            exchange.abort()

    def close(self) -> None:
        """
        Close every connection; running exchanges fail, and so do those that wait for their turn:
        what came of them could not be stored any more.
        """
        self._closed = True
        for pool in list(self._pools.values()):
            pool.close()

    def _pool_of(self, target: UpstreamTarget) -> UpstreamPool:
        # A changed URL or trust makes another pool; the old one's connections end by themselves.
        for old in [key for key, pool in self._pools.items() if pool.empty and key != target]:
            del self._pools[old]
        pool = self._pools.get(target)
        if pool is None:
            pool = self._pools[target] = UpstreamPool(self._reactor, target, self._limits)
            if self._closed:
                pool.close()
        return pool
