"""
Tests for circuit breakers: what opens, tries and closes them, and what that costs the database.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import BreakerOpen, StorageUnavailable
from scepd.metrics import Metrics
from scepd.model import Breaker, BreakerSettings, BreakerState
from scepd.services.breakers import Breakers
from scepd.services.clock import utc_now
from tests.support.fake_breakers import FakeBreakerStore, make_breakers

_SETTINGS = BreakerSettings(failures=3, first_wait=30, longest_wait=100)


class BreakerTestCase(SynchronousTestCase):
    """
    The breakers of one process, which open after three failures.
    """

    def setUp(self) -> None:
        """
        All are closed.
        """
        self.clock = Clock()
        self.clock.advance(1_780_000_000)
        self.store, self.metrics = FakeBreakerStore(), Metrics()
        self.breakers = self.other_process()

    def other_process(self) -> Breakers:
        """
        Breakers on the same store.
        """
        return make_breakers(self.store, self.clock, self.metrics, _SETTINGS)

    def let_fail(self, times: int = 3, breakers: Breakers | None = None) -> None:
        """
        Let the certificate authority fail.
        """
        for _ in range(times):
            self.do((breakers or self.breakers).failed("CA", "refused"))

    def half_open(self) -> None:
        """
        Let it fail, and our probe go well.
        """
        self.let_fail()
        self.do(self.breakers.probe_succeeded("CA"))

    def do(self, coroutine: object) -> object:
        """
        The result of what needs no time.
        """
        return self.successResultOf(Deferred.fromCoroutine(coroutine))  # type: ignore[arg-type]

    def admit(self, exchange: str, breakers: Breakers | None = None) -> bool:
        """
        Whether an exchange is let to the certificate authority.
        """
        admitted = Deferred.fromCoroutine((breakers or self.breakers).admit("CA", exchange, 95))
        admitted.addCallbacks(lambda _: True, lambda failure: failure.trap(BreakerOpen) is None)
        return self.successResultOf(admitted) is True

    @property
    def state(self) -> BreakerState:
        """
        As this process sees it.
        """
        return self.breakers.seen("CA").state

    def now(self) -> datetime:
        """
        The time of day.
        """
        return utc_now(self.clock)


class OpeningTests(BreakerTestCase):
    """
    Tests for what opens a breaker.
    """

    def test_failures_in_a_row(self) -> None:
        """
        The third failure without a CertRep opens it; then requests are refused with the time of the
        probe, without a look at the database.
        """
        self.let_fail(2)
        self.do(self.breakers.answered("CA"))
        self.let_fail(2)
        self.assertIs(self.state, BreakerState.CLOSED)
        self.clock.advance(7)
        opened_at = self.now()
        with capturedLogs() as logs:
            self.let_fail(1)
        self.assertIn("open, was closed: refused", str(_texts(logs)))
        self.assertEqual(self.breakers.seen("CA").opened_at, opened_at)
        calls = (self.store.reads, len(self.store.changes))
        self.clock.advance(10)
        error = self.assertRaises(BreakerOpen, self.breakers.check, "CA")
        self.assertEqual(error.retry_after, 20)
        self.assertIn(f"unreachable since {opened_at:%Y-%m-%dT%H:%M:%SZ}: refused", str(error))
        self.assertEqual((self.store.reads, len(self.store.changes)), calls)
        self.breakers.check("OTHER")

    def test_success_costs_nothing(self) -> None:
        """
        While nothing is wrong, neither requests nor answers touch the database.
        """
        self.assertTrue(self.admit("x-1"))
        self.do(self.breakers.answered("CA"))
        self.do(self.breakers.over("CA", "x-1"))
        self.assertEqual((self.store.reads, self.store.changes), (0, []))

    def test_late_failures(self) -> None:
        """
        What fails after it has opened writes nothing and moves nothing; a late answer does not
        close it.
        """
        self.let_fail()
        before = (self.breakers.seen("CA"), len(self.store.changes))
        self.let_fail(5)
        self.assertEqual((self.breakers.seen("CA"), len(self.store.changes)), before)
        self.do(self.breakers.answered("CA"))
        self.assertIs(self.state, BreakerState.OPEN)

    def test_shared(self) -> None:
        """
        Processes count together, and each sees what the other did when it looks.
        """
        other = self.other_process()
        self.let_fail(1, other)
        self.let_fail(2)
        self.assertIs(self.state, BreakerState.OPEN)
        other.check("CA")
        self.do(other.refresh())
        self.assertRaises(BreakerOpen, other.check, "CA")
        self.assertEqual(self.shown(), 2)
        self.do(self.breakers.forget("CA"))
        self.do(other.refresh())
        other.check("CA")
        self.assertEqual(self.shown(), 0)

    def shown(self) -> float | None:
        """
        What ``scepd_ca_breaker_state`` shows.
        """
        return self.metrics.registry.get_sample_value("scepd_ca_breaker_state", {"ca": "CA"})

    def test_no_database(self) -> None:
        """
        A failure that can't be counted is logged, and no error of its own.
        """
        self.store.broken = True
        with capturedLogs() as logs:
            self.let_fail(1)
        self.assertIn("The breaker of CA stays as it is: the database is full", _texts(logs))
        self.store.broken = False
        self.let_fail(3)
        self.store.broken = True
        failed = Deferred.fromCoroutine(self.breakers.refresh())
        self.failureResultOf(failed, StorageUnavailable)
        self.assertIs(self.state, BreakerState.OPEN)


class ProbeTests(BreakerTestCase):
    """
    Tests for the times of probes.
    """

    def test_doubled(self) -> None:
        """
        Each failed probe doubles the wait, up to the longest; the outage began when it began.
        """
        self.let_fail()
        opened_at, waits = self.now(), []
        for _ in range(4):
            due = self.breakers.seen("CA").next_probe_at
            assert due is not None
            waits.append((due - self.now()).total_seconds())
            self.assertEqual(self.breakers.due_probes(), [])
            self.clock.advance(waits[-1])
            self.assertEqual(self.breakers.due_probes(), ["CA"])
            self.do(self.breakers.probe_failed("CA", "refused again"))
        self.assertEqual(waits, [30, 60, 100, 100])
        self.assertEqual(self.breakers.seen("CA").opened_at, opened_at)
        self.assertEqual(self.breakers.seen("CA").reason, "refused again")

    def test_spread(self) -> None:
        """
        Probes come a fifth earlier or later.
        """
        for random, seconds in ((0.0, 24), (0.5, 30), (1.0, 36)):
            limits = BreakerSettings(failures=1)
            opened = Breaker("CA").failed("refused", self.now(), limits, random)
            self.assertEqual(opened.next_probe_at, self.now() + timedelta(seconds=seconds))

    def test_only_while_open(self) -> None:
        """
        Probes of what is not open change nothing.
        """
        self.do(self.breakers.probe_succeeded("CA"))
        self.do(self.breakers.probe_failed("CA", "refused"))
        self.assertIs(self.state, BreakerState.CLOSED)
        self.half_open()
        self.do(self.breakers.probe_failed("CA", "refused"))
        self.assertIs(self.state, BreakerState.HALF_OPEN)


class TrialTests(BreakerTestCase):
    """
    Tests for half-open breakers.
    """

    def test_one_at_a_time(self) -> None:
        """
        One PKIOperation is admitted, by whichever process; its CertRep closes the breaker.
        """
        self.half_open()
        other = self.other_process()
        self.do(other.refresh())
        self.assertTrue(self.admit("x-1", other))
        self.assertFalse(self.admit("x-2"))
        self.assertFalse(self.admit("x-3", other))
        self.do(other.answered("CA"))
        self.assertEqual(self.store.by_name, {})
        self.assertTrue(self.admit("x-4"))

    def test_failed(self) -> None:
        """
        A trial that fails opens it again, with the doubled wait.
        """
        self.half_open()
        self.assertTrue(self.admit("x-1"))
        self.let_fail(1)
        self.assertIs(self.state, BreakerState.OPEN)
        due = self.breakers.seen("CA").next_probe_at
        self.assertEqual(due, self.now() + timedelta(seconds=60))

    def test_inconclusive(self) -> None:
        """
        A trial that shows nothing, for its device went away, lets the next one try; others that end
        meanwhile don't.
        """
        self.half_open()
        self.assertTrue(self.admit("x-1"))
        self.do(self.breakers.over("CA", "x-0"))
        self.assertFalse(self.admit("x-2"))
        self.do(self.breakers.over("CA", "x-1"))
        self.assertTrue(self.admit("x-2"))

    def test_given_up(self) -> None:
        """
        A trial whose exchange ends while the database is asked gives its place back.
        """
        self.half_open()
        waiting: Deferred[None] = Deferred()
        quick = self.store.change

        async def slow(
            ca_name: str, change: Callable[[Breaker], Breaker]
        ) -> tuple[Breaker, Breaker]:
            found = await quick(ca_name, change)
            await waiting
            return found

        self.store.change = slow  # type: ignore[method-assign]
        admitted = Deferred.fromCoroutine(self.breakers.admit("CA", "x-1", 95))
        admitted.cancel()
        self.failureResultOf(admitted, CancelledError)
        self.store.change = quick  # type: ignore[method-assign]
        self.assertFalse(self.admit("x-2"))
        self.do(self.breakers.over("CA", "x-1"))
        self.assertTrue(self.admit("x-2"))

    def test_crashed(self) -> None:
        """
        A trial whose process died ends by itself.
        """
        self.half_open()
        self.assertTrue(self.admit("x-1"))
        self.clock.advance(94)
        self.assertFalse(self.admit("x-2"))
        self.clock.advance(1)
        self.assertTrue(self.admit("x-2"))

    def test_deliveries(self) -> None:
        """
        One delivery goes out, and the next only after a while: its device may be asleep.
        """
        self.half_open()
        other = self.other_process()
        self.do(other.refresh())
        for seconds, allowed in ((0, True), (0, False), (29, False), (1, True), (5, False)):
            self.clock.advance(seconds)
            self.assertEqual(self.do(self.breakers.may_deliver("CA")), allowed)
            self.assertFalse(self.do(other.may_deliver("CA")))
        self.do(self.breakers.answered("CA"))
        self.assertTrue(self.do(self.breakers.may_deliver("CA")))

    def test_back(self) -> None:
        """
        Who waits hears when it may be back and when it is, from here or from another process.
        """
        calls: list[BreakerState] = []
        self.breakers.on_back(lambda: calls.append(self.state))
        self.let_fail()
        self.assertEqual(calls, [])
        self.do(self.breakers.probe_succeeded("CA"))
        self.do(self.breakers.answered("CA"))
        self.assertEqual(calls, [BreakerState.HALF_OPEN, BreakerState.CLOSED])
        self.let_fail()
        self.do(self.other_process().forget("CA"))
        self.do(self.breakers.refresh())
        self.assertEqual(calls[2:], [BreakerState.CLOSED])


def _texts(logs: Sequence[dict[str, Any]]) -> list[str]:
    return [str(event["log_format"]).format(**event) for event in logs]
