"""
Tests for work that is done again and again.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import LogEvent, LogLevel, capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import StorageUnavailable
from scepd.services.periodic import Periodic


class PeriodicTests(SynchronousTestCase):
    """
    Tests for L{Periodic}.
    """

    def setUp(self) -> None:
        """
        Make work that counts its runs, and does as it is told.
        """
        self.clock = Clock()
        self.runs: list[float] = []
        self.held: Deferred[None] | None = None
        self.error: Exception | None = None
        self.periodic = Periodic(self.clock, "the work", 30, self.body, lambda: 0.5)

    async def body(self) -> None:
        """
        One run.
        """
        self.runs.append(self.clock.seconds())
        if self.held is not None:
            await self.held
        if self.error is not None:
            raise self.error

    def stop(self) -> Deferred[None]:
        """
        Stop the work.
        """
        return Deferred.fromCoroutine(self.periodic.stop())

    def test_runs(self) -> None:
        """
        The first run comes a little after the start, each other after the interval.
        """
        self.periodic.start()
        self.assertEqual(self.runs, [])
        self.clock.pump([2.5, 30, 30])
        self.assertEqual(self.runs, [2.5, 32.5, 62.5])

    def test_failures(self) -> None:
        """
        Whatever a run raises is logged, and the next one comes.
        """
        self.periodic.start()
        self.clock.advance(2.5)
        for error in (ZeroDivisionError("oops"), StorageUnavailable("full")):
            self.error = error
            with capturedLogs() as events:
                self.clock.advance(30)
            self.assertEqual(len(events), 1)
            self.assertEqual(events[0]["name"], "the work")
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.error = None
        self.clock.advance(30)
        self.assertEqual(len(self.runs), 4)

    def test_tells_first_run(self) -> None:
        """
        The log tells when the first run will be, and when it is over, and no more of those that
        end well.
        """
        held = self.held = Deferred[None]()
        with capturedLogs() as events:
            self.periodic.start()
            self.clock.advance(2.5)
        self.assertEqual([self.told(event) for event in events], [("the work", "first_in", 2.5)])
        with capturedLogs() as events:
            self.clock.advance(1.5)
            self.held = None
            held.callback(None)
            self.clock.pump([30, 30])
        self.assertEqual([self.told(event) for event in events], [("the work", "first_took", 1.5)])
        self.assertEqual(len(self.runs), 3)

    def test_tells_failed_first_run(self) -> None:
        """
        A first run that failed is over, too.
        """
        self.periodic.start()
        self.error = StorageUnavailable("full")
        with capturedLogs() as events:
            self.clock.advance(2.5)
        failed, over = events
        self.assertEqual(failed["reason"], "full")
        self.assertEqual(self.told(over), ("the work", "first_took", 0.0))

    def told(self, event: LogEvent) -> tuple[str, str, float]:
        """
        Of an event at level debug: the work's name, and what is told of its first run.
        """
        self.assertEqual(event["log_level"], LogLevel.debug)
        self.assertIn("the work", formatEvent(event))
        (key,) = {"first_in", "first_took"} & event.keys()
        return event["name"], key, event[key]

    def test_no_overlap(self) -> None:
        """
        While a run takes long, turns pass.
        """
        self.periodic.start()
        self.held = Deferred()
        self.clock.pump([2.5, 30, 30, 30])
        self.assertEqual(len(self.runs), 1)
        held, self.held = self.held, None
        held.callback(None)
        self.clock.advance(30)
        self.assertEqual(len(self.runs), 2)

    def test_wake(self) -> None:
        """
        To wake it makes one run at once, however often it was asked for.
        """
        self.periodic.start()
        self.clock.advance(2.5)
        for _ in range(5):
            self.periodic.wake()
        self.assertEqual(len(self.runs), 1)
        self.clock.advance(0)
        self.assertEqual(len(self.runs), 2)
        self.clock.advance(30)
        self.assertEqual(len(self.runs), 3)

    def test_wake_during_run(self) -> None:
        """
        To wake it during a run makes one more run after that.
        """
        self.periodic.start()
        self.held = Deferred()
        self.clock.advance(2.5)
        self.periodic.wake()
        self.periodic.wake()
        self.assertEqual(len(self.runs), 1)
        held, self.held = self.held, None
        held.callback(None)
        self.clock.advance(0)
        self.assertEqual(len(self.runs), 2)

    def test_wake_before_start(self) -> None:
        """
        Before its start and after its stop it can't be woken.
        """
        self.periodic.wake()
        self.clock.advance(1)
        self.assertEqual(self.runs, [])
        self.periodic.start()
        self.successResultOf(self.stop())
        self.periodic.wake()
        self.clock.advance(60)
        self.assertEqual(self.runs, [])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_stop_waits(self) -> None:
        """
        To stop waits for the run that is under way, and none follows.
        """
        self.periodic.start()
        self.held = Deferred()
        self.clock.advance(2.5)
        self.periodic.wake()
        stopped = self.stop()
        self.assertNoResult(stopped)
        self.held.callback(None)
        self.successResultOf(stopped)
        self.clock.advance(60)
        self.assertEqual(len(self.runs), 1)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_stop_with_deadline(self) -> None:
        """
        Who gives up waiting for the end of a run cuts it off.
        """
        self.periodic.start()
        cut: list[object] = []
        self.held = Deferred(cut.append)
        self.clock.advance(2.5)
        stopped = self.stop()
        with capturedLogs() as events:
            stopped.cancel()
        self.assertEqual(len(cut), 1)
        self.successResultOf(stopped)
        self.assertEqual([event["log_format"] for event in events], ["{name} was cut off"])
