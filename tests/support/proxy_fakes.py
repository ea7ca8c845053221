"""
Fakes of the proxy's ports that can be held and broken.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from twisted.internet.defer import Deferred

from scepd.errors import ScepdError, StorageUnavailable
from scepd.model import Reservation, SCEPExchange, WindowOutcome
from scepd.ports import (
    AnswerConsumer,
    SignedBy,
    Subject,
    UpstreamExchange,
    UpstreamRequest,
    UpstreamTarget,
)
from tests.support.fakes import FakeEnrollments, FakeUpstream, InlineWorkers

T = TypeVar("T")


@dataclass
class HeldEnrollments(FakeEnrollments):
    """
    An EnrollmentStore whose calls wait, or fail, by name.

    :param held: method name → what its calls wait for.
    :param failing: names of the methods that raise StorageUnavailable, after they waited.
    """

    held: dict[str, Deferred[None]] = field(default_factory=dict)
    failing: set[str] = field(default_factory=set)

    async def is_assigned(self, subject: Subject) -> bool:
        """
        As the port says, when it is let.
        """
        await self._let("is_assigned")
        return await super().is_assigned(subject)

    async def reserve_window(
        self,
        subject: Subject,
        exchange_id: str,
        *,
        now: datetime,
        until: datetime,
        signed_by: SignedBy | None = None,
    ) -> Reservation:
        """
        As the port says, when it is let.
        """
        await self._let("reserve_window")
        return await super().reserve_window(
            subject, exchange_id, now=now, until=until, signed_by=signed_by
        )

    async def settle_window(
        self, exchange: SCEPExchange, outcome: WindowOutcome, signed_by: SignedBy | None
    ) -> None:
        """
        As the port says, when it is let.
        """
        await self._let("settle_window")
        await super().settle_window(exchange, outcome, signed_by)

    async def record_refusal(self, exchange: SCEPExchange, *, redeliver: bool) -> None:
        """
        As the port says, when it is let.
        """
        await self._let("record_refusal")
        await super().record_refusal(exchange, redeliver=redeliver)

    def hold(self, name: str) -> Deferred[None]:
        """
        Let the calls of a method wait until the result fires.
        """
        self.held[name] = Deferred()
        return self.held[name]

    async def _let(self, name: str) -> None:
        if name in self.held:
            await self.held[name]
        if name in self.failing:
            raise StorageUnavailable("the database is full")


class HeldWorkers(InlineWorkers):
    """
    Workers that wait, or fail, when they are told to.

    :ivar held: what all work waits for.
    :ivar error: what all work raises.
    """

    held: Deferred[None] | None = None
    error: Exception | None = None

    async def __call__(self, work: Callable[[], T], /) -> T:
        """
        As the port says, when it is let.
        """
        if self.held is not None:
            await self.held
        if self.error is not None:
            raise self.error
        return await super().__call__(work)


@dataclass
class EagerUpstream(FakeUpstream):
    """
    An Upstream that may do anything before its ``start`` returns.

    :param at_once: what it does to each consumer.
    """

    at_once: Callable[[AnswerConsumer], None] = lambda consumer: None

    def start(
        self, target: UpstreamTarget, request: UpstreamRequest, consumer: AnswerConsumer
    ) -> UpstreamExchange:
        """
        As the port says.
        """
        exchange = super().start(target, request, consumer)
        self.at_once(consumer)
        return exchange


@dataclass
class FakeDevice:
    """
    A DeviceConnection that keeps what it was told.

    :param heard: the calls that change something, in order: ``begin``, ``end``, ``cut off`` or the
        code of an error.
    :param on_write: called after each part of the answer.
    """

    heard: list[str] = field(default_factory=list)
    content_type: str | None = None
    length: int | None = None
    body: bytearray = field(default_factory=bytearray)
    paused: bool = True
    on_write: Callable[[], None] = lambda: None

    def status_of(self, error: ScepdError) -> int:
        """
        One status for all errors.
        """
        return 599

    def refuse(self, error: ScepdError) -> None:
        """
        As the protocol says.
        """
        self.heard.append(error.code)

    def answer(self, content_type: str, body: bytes) -> None:
        """
        As the protocol says.
        """
        self.heard += ["begin", "end"]
        self.content_type, self.length = content_type, len(body)
        self.body += body

    def begin_answer(self, content_type: str, length: int | None) -> None:
        """
        As the protocol says.
        """
        self.heard.append("begin")
        self.content_type, self.length = content_type, length

    def write_answer(self, data: bytes) -> None:
        """
        As the protocol says.
        """
        self.body += data
        self.on_write()

    def end_answer(self) -> None:
        """
        As the protocol says.
        """
        self.heard.append("end")

    def cut_off(self) -> None:
        """
        As the protocol says.
        """
        self.heard.append("cut off")

    def pause_request(self) -> None:
        """
        As the protocol says.
        """
        self.paused = True

    def resume_request(self) -> None:
        """
        As the protocol says.
        """
        self.paused = False
