"""
What certificate authorities answered to GetCACaps and GetCACert, kept for the next device.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from scepd.errors import ScepdError, UpstreamError, UpstreamFault
from scepd.metrics import Metrics, counter, histogram
from scepd.ports import Upstream
from scepd.services.answer_types import answer_type, complaint
from scepd.services.ca_directory import KnownCA
from scepd.services.operation import Operation
from scepd.services.protection import Protection
from scepd.services.upstream_request import upstream_request

_log = Logger()
_FRESH_SECONDS = 300.0
_STALE_SECONDS = 86_400.0
_RETRY_SECONDS = 30.0
_MOST = 10_000

Noticed = Callable[[str, bytes], Awaitable[None]]
"""
Told the name of a certificate authority and what it answered to GetCACert.
"""


CapabilitiesTold = Callable[[KnownCA, bytes], None]
"""
Told of whom and what was answered to GetCACaps.
"""

_Key: TypeAlias = tuple[str, Operation, tuple[str | None, ...]]


@dataclass(frozen=True, slots=True)
class CAAnswer:
    """
    The answer of a certificate authority, as it gave it.

    :param content_type: what devices are told it is, by its first bytes.
    """

    body: bytes
    content_type: str


@dataclass(slots=True)
class _Entry:
    """
    An answer and its times, in seconds by the clock.

    :param answer: None while the first one is fetched, or when none was to be had.
    :param refresh_at: from then on it is fetched again in the background.
    :param stale_at: from then on it is good for nothing.
    :param waiting: who waits for the fetch that is under way; None: none is.
    """

    answer: CAAnswer | None = None
    refresh_at: float = 0.0
    stale_at: float = 0.0
    waiting: list[Deferred[None]] | None = None
    error: ScepdError | None = None


class CAAnswers:
    """
    One answer for each certificate authority and operation, however many devices ask.

    It is fresh for 5 minutes. Then it still is what devices get, while one fetch asks again in the
    background; when that fails, for up to 24 hours. Only who finds none at all waits for the fetch.

    :param largest: bytes of one answer.
    :param noticed: told what a certificate authority answers to GetCACert, each time it is fetched.
    :param capabilities_told: likewise what it answers to GetCACaps.
    """

    def __init__(
        self,
        upstream: Upstream,
        clock: IReactorTime,
        protection: Protection,
        metrics: Metrics,
        largest: int,
        noticed: Noticed,
        capabilities_told: CapabilitiesTold = lambda ca, body: None,
    ) -> None:
        self._upstream = upstream
        self._clock = clock
        self._protection = protection
        self._metrics = metrics
        self._largest = largest
        self._noticed = noticed
        self._capabilities_told = capabilities_told
        self._entries: dict[_Key, _Entry] = {}

    def ready(self, ca: KnownCA, operation: Operation) -> CAAnswer | None:
        """
        The kept answer, if there is one that may be given.
        """
        entry = self._entries.get(_key(ca, operation))
        now = self._clock.seconds()
        answer = entry.answer if entry is not None else None
        if entry is None or answer is None or now >= entry.stale_at:
            return None
        if now >= entry.refresh_at and entry.waiting is None:
            self._start(entry, ca, operation)
        counter(self._metrics.ca_cache, ca.record.name, "hit").inc()
        return answer

    async def fetch(self, ca: KnownCA, operation: Operation) -> CAAnswer:
        """
        Ask the certificate authority, or wait for the answer to somebody else's question.

        :raises UpstreamError: there is no answer that could be given.
        :raises QueueTimeout: all its slots stayed in use, or its requests per second.
        :raises BreakerOpen: it is out.
        """
        counter(self._metrics.ca_cache, ca.record.name, "miss").inc()
        entry = self._entry(ca, operation)
        if entry.waiting is None:
            self._start(entry, ca, operation)
        turn: Deferred[None] = Deferred()
        if entry.waiting is not None:
            entry.waiting.append(turn)
            await turn
        if entry.error is not None:
            raise entry.error
        assert entry.answer is not None, "a fetch ends with an answer or an error"
        return entry.answer

    def forget(self, name: str) -> None:
        """
        The record of that certificate authority has changed: its answers may be others now.
        """
        for key in [key for key in self._entries if key[0] == name]:
            del self._entries[key]

    # -- inside ------------------------------------------------------------------------------------

    def _entry(self, ca: KnownCA, operation: Operation) -> _Entry:
        key = _key(ca, operation)
        entry = self._entries.get(key)
        if entry is None:
            if len(self._entries) >= _MOST:
                self._entries.clear()
            entry = self._entries[key] = _Entry()
        return entry

    def _start(self, entry: _Entry, ca: KnownCA, operation: Operation) -> None:
        entry.waiting = []
        asking = Deferred.fromCoroutine(self._refresh(entry, ca, operation))
        asking.addErrback(lambda failure: _log.failure("Failed to ask {ca}", failure, ca=ca.host))
        asking.addBoth(lambda _: _wake(entry))

    async def _refresh(self, entry: _Entry, ca: KnownCA, operation: Operation) -> None:
        name, now = ca.record.name, self._clock.seconds
        entry.error = UpstreamError(UpstreamFault.CLOSED, f"{ca.host} was not asked to the end")
        try:
            answer = await self._ask(ca, operation)
        except ScepdError as error:
            entry.error = error
            entry.refresh_at = now() + _RETRY_SECONDS
            if entry.answer is not None:
                self._tell_old(entry, name, operation, error)
            return
        entry.answer, entry.error = answer, None
        entry.refresh_at, entry.stale_at = now() + _FRESH_SECONDS, now() + _STALE_SECONDS
        if operation is Operation.GET_CA_CERT:
            await self._noticed(name, answer.body)
        elif operation is Operation.GET_CA_CAPS:
            self._capabilities_told(ca, answer.body)

    def _tell_old(self, entry: _Entry, name: str, operation: Operation, error: ScepdError) -> None:
        """
        Say what becomes of an answer that could not be fetched again.
        """
        if self._clock.seconds() < entry.stale_at:
            counter(self._metrics.ca_cache, name, "stale").inc()
            fate = "the old one goes on"
        else:
            entry.answer = None
            fate = "the old one is too old now"
        _log.warn(
            "There is no new answer of {ca} to {operation}; {fate}: {reason}",
            ca=name,
            operation=operation.wire_name,
            fate=fate,
            reason=str(error),
        )

    async def _ask(self, ca: KnownCA, operation: Operation) -> CAAnswer:
        record, protection = ca.record, self._protection
        if not protection.enter_at_once(record):
            await protection.enter(record, operation, "")
        began = self._clock.seconds()
        try:
            query = upstream_request(record, operation, None).query
            _, body = await self._upstream.fetch(ca.target, query, limit=self._largest)
            content_type = answer_type(operation, body, final=True)
            if content_type is None:
                raise UpstreamError(UpstreamFault.BODY, complaint(ca.host, operation, body))
        except UpstreamError as error:
            await protection.failed(record, operation, error, waited_for_device=False)
            raise
        finally:
            protection.leave(record.name)
            histogram(self._metrics.upstream_seconds, record.name, operation.wire_name).observe(
                self._clock.seconds() - began
            )
        return CAAnswer(body, content_type)


def _key(ca: KnownCA, operation: Operation) -> _Key:
    # Another process may have changed the record: then these are answers of somebody else.
    return ca.record.name, operation, ca.way


def _wake(entry: _Entry) -> None:
    waiting, entry.waiting = entry.waiting or [], None
    for turn in waiting:
        turn.callback(None)
