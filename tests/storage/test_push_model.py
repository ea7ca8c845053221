"""
Tests that no order of events loses a wish to push.
"""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from typing import TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from scepd.apns.outcome import OutcomeKind, PushOutcome
from scepd.model import PushState, SweptPushes, WishedPush, WishState
from scepd.services.push_rules import PushRules
from scepd.storage.checkins import SQLCheckInStore
from scepd.storage.commands import SQLCommandStore
from scepd.storage.pushes import SQLPushStore
from tests.storage import records
from tests.storage.inline import InlineDatabase
from tests.storage.records import NOON, SECOND

T = TypeVar("T")

CLAIM = 60 * SECOND
DAY = timedelta(days=1)
# A day and a fifth of it.
LONGEST = 1.2 * DAY
OUTCOMES = (
    PushOutcome(OutcomeKind.DONE, 200),
    PushOutcome(OutcomeKind.PERMANENT, 400, "BadDeviceToken"),
    PushOutcome(OutcomeKind.PERMANENT, reason="another topic", sent=False),
    PushOutcome(OutcomeKind.TOKEN_DEAD, 410, "Unregistered"),
    PushOutcome(OutcomeKind.SUSPENDED, 403, "BadCertificate"),
    PushOutcome(OutcomeKind.RETRY, 503),
    PushOutcome(OutcomeKind.RETRY, 429, retry_after=3600),
    PushOutcome(OutcomeKind.RETRY, reason="the connection was lost"),
    PushOutcome(OutcomeKind.RETRY, reason="no connection took it", sent=False),
)
devices = st.sampled_from(["H-1", "H-2", "H-3"])
pauses = st.sampled_from([1, 10, 30, 59, 120, 1800, 7200, 86_400])


def now_of(work: Awaitable[T]) -> T:
    """
    The result of what never waits.
    """

    async def run() -> T:
        return await work

    results: list[T] = []
    Deferred.fromCoroutine(run()).addCallback(results.append)
    return results[0]


@dataclass
class Sent:
    """
    A push that is on its way.

    :param event: the number of the event that claimed it.
    """

    wish: WishedPush
    event: int
    at: int


class WishMachine(RuleBasedStateMachine):
    """
    Three devices, a process that pushes and may die, and Apple.
    """

    def __init__(self) -> None:
        super().__init__()
        self.database = InlineDatabase()
        ids = (f"apns-{number}" for number in count(1))
        self.pushes = SQLPushStore(self.database, lambda: next(ids), lambda: 0.5)
        self.commands = SQLCommandStore(self.database, random=lambda: 0.5)
        self.checkins = SQLCheckInStore(self.database)
        self.push_rules = PushRules(lambda: 0.5, 3)
        self.seconds, self.events = 0, 0
        self.under_way: list[Sent] = []
        self.claimed_until: dict[str, int] = {}
        self.waiting: dict[str, list[str]] = {f"H-{number}": [] for number in (1, 2, 3)}
        self.renewed: dict[str, int] = {}
        self.refused: dict[str, int] = {}
        for name in self.waiting:
            now_of(
                self.checkins.authenticate(
                    records.host(name), records.enrollment(name), f"id-{name}"
                )
            )
            self.give_token(name)

    def teardown(self) -> None:
        """
        In the end, all that waits is pushed within the longest time.
        """
        expected = [name for name in self.waiting if self.must_be_pushed(name)]
        self.seconds += 2 * 86_400
        claimed = now_of(self.pushes.claim_pushes(self.now, self.now + CLAIM, 10))
        assert set(expected) <= {one.enrollment_id for one in claimed}
        self.database.engine.dispose()

    # -- what is known -----------------------------------------------------------------------------

    @property
    def now(self) -> datetime:
        """
        The time.
        """
        return NOON + self.seconds * SECOND

    def event(self) -> int:
        """
        Number the next event.
        """
        self.events += 1
        return self.events

    def renew(self, name: str) -> None:
        """
        There is a new reason to push.
        """
        self.renewed[name] = self.event()
        self.claimed_until.pop(name, None)

    def state(self, name: str) -> PushState | None:
        """
        What is stored of the wish.
        """
        return now_of(self.pushes.push_state(name))

    def reachable(self, name: str) -> bool:
        """
        Whether there is a token that Apple did not call dead.
        """
        found = now_of(self.checkins.enrollment(name))
        return found is not None and found.push is not None

    def must_be_pushed(self, name: str) -> bool:
        """
        Whether a command waits for a device that can be pushed, and Apple did not refuse it for
        good since there was the last reason to push.
        """
        if not self.waiting[name] or not self.reachable(name):
            return False
        return self.refused.get(name, 0) <= self.renewed.get(name, 0)

    # -- devices and operators ---------------------------------------------------------------------

    @rule(name=devices)
    def give_token(self, name: str) -> None:
        """
        A TokenUpdate.
        """
        token = records.address(b"token-%d" % self.events)
        now_of(self.checkins.update_token(name, token, self.now, self.now))
        if self.waiting[name] or name not in self.renewed:
            self.renew(name)

    @rule(name=devices)
    def queue(self, name: str) -> None:
        """
        An operator queues a command.
        """
        uuid = f"c-{self.event()}"
        now_of(self.commands.queue(records.command(uuid, name, created_at=self.now)))
        self.waiting[name].append(uuid)
        self.renew(name)

    @rule(name=devices)
    def wish(self, name: str) -> None:
        """
        An operator pushes.
        """
        assert now_of(self.pushes.wish(name, self.now)) == self.reachable(name)
        self.renew(name)

    @rule(name=devices)
    def poll(self, name: str) -> None:
        """
        A device comes, and leaves without an answer.
        """
        now_of(self.checkins.saw([name], self.now))

    @rule(name=devices, status=st.sampled_from(["Acknowledged", "NotNow", "Error"]))
    def answer_command(self, name: str, status: str) -> None:
        """
        A device answers what waits longest.
        """
        if not self.waiting[name]:
            return
        uuid = self.waiting[name][0]
        now_of(self.checkins.saw([name], self.now))
        now_of(self.commands.hand_over(uuid, self.now, None))
        assert now_of(self.commands.finish(uuid, name, status, "", self.now, None))
        if status != "NotNow":
            self.waiting[name].pop(0)
        self.claimed_until.pop(name, None)

    @rule(seconds=pauses)
    def wait(self, seconds: int) -> None:
        """
        Time passes.
        """
        self.seconds += seconds

    # -- scepd and Apple ---------------------------------------------------------------------------

    @rule(limit=st.integers(1, 3))
    def claim(self, limit: int) -> None:
        """
        Claim, and push; what is claimed is nobody else's.
        """
        event = self.event()
        for one in now_of(self.pushes.claim_pushes(self.now, self.now + CLAIM, limit)):
            name = one.enrollment_id
            assert self.claimed_until.get(name, 0) <= self.seconds
            self.claimed_until[name] = self.seconds + 60
            self.under_way.append(Sent(one, event, self.seconds))

    @rule()
    def die(self) -> None:
        """
        The process ends; what Apple answers is not heard.
        """
        self.under_way.clear()

    @precondition(lambda self: self.under_way)
    @rule(data=st.data(), outcome=st.sampled_from(OUTCOMES))
    def answer(self, data: st.DataObject, outcome: PushOutcome) -> None:
        """
        Apple answers, be it late.
        """
        index = data.draw(st.integers(0, len(self.under_way) - 1))
        sent = self.under_way.pop(index)
        pushed_at = NOON + sent.at * SECOND
        answer = self.push_rules.answer(sent.wish, outcome, pushed_at, self.now)
        now_of(self.pushes.pushes_answered([answer], self.now))
        name = sent.wish.enrollment_id
        if answer.state is WishState.PARKED:
            self.refused[name] = max(self.refused.get(name, 0), sent.event)
        self.claimed_until.pop(name, None)

    @rule()
    def resume(self) -> None:
        """
        The push certificate is replaced.
        """
        now_of(self.pushes.resume_pushes(self.now))
        for name in self.waiting:
            found = self.state(name)
            assert found is None or found.state is not WishState.SUSPENDED

    # -- what always holds -------------------------------------------------------------------------

    @invariant()
    def nothing_is_lost(self) -> None:
        """
        What must be pushed has a wish that comes due.
        """
        for name in self.waiting:
            if not self.must_be_pushed(name):
                continue
            found = self.state(name)
            assert found is not None, name
            assert found.due_at is not None, found
            assert found.due_at <= self.now + LONGEST, found

    @invariant()
    def the_sweep_finds_nothing(self) -> None:
        """
        So that the sweep has nothing to do.
        """
        swept = now_of(self.pushes.sweep_pushes(self.now, self.now + DAY, "", 10))
        assert swept == SweptPushes(None, 0)


class WishTests(SynchronousTestCase):
    """
    The wishes of SQLPushStore, as the services use it.
    """

    def test_none_is_lost(self) -> None:
        """
        Whatever happens in whatever order: each waiting command has a push to come.
        """
        run_state_machine_as_test(
            WishMachine,
            settings=settings(max_examples=40, stateful_step_count=25, deadline=None),
        )
