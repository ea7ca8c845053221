"""
In-memory fakes of the wishes to push, and of the way to Apple.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from twisted.internet.defer import Deferred, fail, succeed

from scepd.apns.notification import Notification
from scepd.apns.outcome import OutcomeKind, PushOutcome
from scepd.model import (
    AnsweredPush,
    PushState,
    PushSummary,
    SweptPushes,
    TokenDied,
    WishedPush,
    WishState,
)
from tests.support.breakable import Breakable


@dataclass
class FakePushes(Breakable):
    """
    A PushStore.

    :param wishes: with the time each is due; a claim moves it.
    :param claims: (now, until, limit) of each claim.
    :param batches: how many answers were recorded together.
    :param suspended: wishes that wait for another certificate.
    :param sweeps: (now, silent_since, after, limit) of each piece of the sweep.
    :param swept: what the pieces find, one after the other; nothing at the end.
    """

    wishes: dict[str, tuple[datetime, WishedPush]] = field(default_factory=dict)
    claims: list[tuple[datetime, datetime, int]] = field(default_factory=list)
    answers: list[AnsweredPush] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)
    died: list[TokenDied] = field(default_factory=list)
    states: dict[str, PushState] = field(default_factory=dict)
    summary: PushSummary = field(default_factory=PushSummary)
    suspended: dict[str, WishedPush] = field(default_factory=dict)
    sweeps: list[tuple[datetime, datetime, str, int]] = field(default_factory=list)
    swept: list[SweptPushes] = field(default_factory=list)
    wished: list[tuple[str, datetime]] = field(default_factory=list)

    async def claim_pushes(
        self, now: datetime, until: datetime, limit: int
    ) -> Sequence[WishedPush]:
        """
        As the port says, but that no device is ever seen.
        """
        self._check()
        self.claims.append((now, until, limit))
        due = [wish for at, wish in self.wishes.values() if at <= now][:limit]
        for wish in due:
            self.wishes[wish.enrollment_id] = (until, wish)
        return due

    async def pushes_answered(
        self, answers: Sequence[AnsweredPush], now: datetime
    ) -> Sequence[TokenDied]:
        """
        As the port says, but that every TokenUpdate is old.
        """
        self._check()
        self.batches.append(len(answers))
        self.answers += answers
        died = [
            TokenDied(one.enrollment_id, one.dead_since)
            for one in answers
            if one.dead_since is not None
        ]
        self.died += died
        for one in answers:
            self._record(one)
        return died

    def _record(self, answer: AnsweredPush) -> None:
        _, wish = self.wishes.pop(answer.enrollment_id)
        if answer.state is WishState.SUSPENDED:
            self.suspended[wish.enrollment_id] = wish
        elif answer.next_due is not None and answer.dead_since is None:
            wish = replace(wish, attempts=wish.attempts + answer.counted)
            self.wishes[wish.enrollment_id] = (answer.next_due, wish)

    async def resume_pushes(self, now: datetime, limit: int = 1000) -> int:
        """
        As the port says.
        """
        self._check()
        some = list(self.suspended)[:limit]
        for name in some:
            self.wishes[name] = (now, self.suspended.pop(name))
        return len(some)

    async def sweep_pushes(
        self, now: datetime, silent_since: datetime, after: str, limit: int
    ) -> SweptPushes:
        """
        What ``swept`` says.
        """
        self._check()
        self.sweeps.append((now, silent_since, after, limit))
        return self.swept.pop(0) if self.swept else SweptPushes(None, 0)

    async def wish(self, enrollment_id: str, now: datetime) -> bool:
        """
        As the port says; those that have a state with an address can be pushed.
        """
        self._check()
        self.wished.append((enrollment_id, now))
        state = self.states.get(enrollment_id)
        return state is not None and state.has_address

    async def push_state(self, enrollment_id: str) -> PushState | None:
        """
        As the port says.
        """
        self._check()
        return self.states.get(enrollment_id)

    async def push_summary(self, now: datetime) -> PushSummary:
        """
        What ``summary`` says.
        """
        self._check()
        return self.summary

    async def earliest_push(self) -> datetime | None:
        """
        As the port says.
        """
        self._check()
        return min((at for at, _ in self.wishes.values()), default=None)


@dataclass
class FakeGateway:
    """
    A PushGateway.

    :param outcomes: what becomes of the pushes, one after the other: a Deferred is waited for, with
        an exception it fails; DONE at the end.
    :param attempts: how often each push was sent before, as the gateway was told.
    """

    outcomes: list[PushOutcome | Deferred[PushOutcome] | Exception] = field(default_factory=list)
    pushed: list[Notification] = field(default_factory=list)
    attempts: list[int] = field(default_factory=list)
    calls: list[Callable[[], object]] = field(default_factory=list)

    def push(self, notification: Notification, /, *, attempt: int = 0) -> Deferred[PushOutcome]:
        """
        As the port says, from ``outcomes``.
        """
        self.pushed.append(notification)
        self.attempts.append(attempt)
        outcome = self.outcomes.pop(0) if self.outcomes else PushOutcome(OutcomeKind.DONE, 200)
        if isinstance(outcome, Deferred):
            return outcome
        return fail(outcome) if isinstance(outcome, Exception) else succeed(outcome)

    def when_resumed(self, call: Callable[[], object]) -> None:
        """
        As the port says.
        """
        self.calls.append(call)

    def resume(self) -> None:
        """
        The push certificate was replaced.
        """
        for call in self.calls:
            call()
