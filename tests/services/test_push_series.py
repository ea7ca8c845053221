"""
Tests for whole lives of wishes: the sender on a real store, and days that pass.
"""

from __future__ import annotations

from collections.abc import Awaitable
from datetime import timedelta
from typing import TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from scepd.apns.outcome import OutcomeKind, PushOutcome
from scepd.model import PushAddress, push_place
from scepd.services.clock import utc_now
from scepd.services.push import PushSender
from scepd.storage.checkins import SQLCheckInStore
from scepd.storage.commands import SQLCommandStore
from scepd.storage.pushes import SQLPushStore
from tests.services.push_case import KEYRING
from tests.storage import records
from tests.storage.inline import InlineDatabase
from tests.storage.records import NOON
from tests.support.fake_pushes import FakeGateway

T = TypeVar("T")

LOOK = 5
DAY = 86_400


class SeriesTests(SynchronousTestCase):
    """
    One device; random numbers are 0.5, so that nothing is spread.
    """

    def setUp(self) -> None:
        """
        Start a sender; nobody is enrolled.
        """
        self.clock = Clock()
        self.clock.rightNow = NOON.timestamp()
        self.database = InlineDatabase()
        self.addCleanup(self.database.engine.dispose)
        self.pushes = SQLPushStore(self.database, random=lambda: 0.5)
        self.checkins = SQLCheckInStore(self.database)
        self.commands = SQLCommandStore(self.database, random=lambda: 0.5)
        self.gateway = FakeGateway()
        self.times: list[float] = []
        self.start()

    def start(self) -> None:
        """
        Start a sender, as another process does when one died.
        """
        self.sender = PushSender(
            self.pushes, self.gateway, lambda: KEYRING, self.clock, lambda: 0.5
        )
        self.sender.start()
        self.begun = self.clock.seconds()

    def now_of(self, work: Awaitable[T]) -> T:
        """
        The result of what never waits.
        """

        async def run() -> T:
            return await work

        return self.successResultOf(Deferred.fromCoroutine(run()))

    def enroll(self) -> None:
        """
        The device enrolls.
        """
        now = utc_now(self.clock)
        secret = KEYRING.seal(b"0a0b:magic", push_place("H-1"), lambda count: b"n" * count)
        address = PushAddress("com.apple.mgmt.External.1", secret)
        self.now_of(self.checkins.authenticate(records.host(), records.enrollment(), "id-1"))
        self.now_of(self.checkins.update_token("H-1", address, now, now))

    def queue(self) -> None:
        """
        A command is queued.
        """
        now = utc_now(self.clock)
        self.now_of(self.commands.queue(records.command(created_at=now)))
        self.begun = self.clock.seconds()
        self.sender.wake()

    def pass_time(self, seconds: float, step: float = 1) -> list[int]:
        """
        The times, in seconds after the command was queued, at which pushes went out meanwhile.
        """
        found = []
        for _ in range(int(seconds / step)):
            before = len(self.gateway.pushed)
            self.clock.advance(step)
            if len(self.gateway.pushed) > before:
                found.append(round(self.clock.seconds() - self.begun))
        return found

    def assert_near(self, found: list[int], expected: list[int], late: float) -> None:
        """
        The times are those, or later by so much for each look since the first.
        """
        self.assertEqual(len(found), len(expected), found)
        for number, (one, other) in enumerate(zip(found, expected, strict=True), 1):
            self.assertTrue(other <= one <= other + number * late, found)

    def test_enrolled(self) -> None:
        """
        A device that enrolls is pushed, and again 10 s later, though nothing waits; then no more.
        """
        self.enroll()
        found = self.pass_time(300)
        self.assert_near([one - found[0] for one in found], [0, 10], LOOK)

    def test_silent(self) -> None:
        """
        A silent device for which a command waits is pushed in the series, to the daily end, each
        time as another push.
        """
        self.enroll()
        self.pass_time(60)
        del self.gateway.pushed[:]
        self.queue()
        found = self.pass_time(200) + self.pass_time(4000, 5) + self.pass_time(2.5 * DAY, 60)
        series = [0, 30, 150, 630, 2430, 9630, 9630 + DAY, 9630 + 2 * DAY]
        self.assert_near(found, series, 65)
        self.assertEqual(len({one.apns_id for one in self.gateway.pushed}), len(series))

    def test_finished(self) -> None:
        """
        When nothing waits any more it is not pushed.
        """
        self.enroll()
        self.pass_time(60)
        self.queue()
        self.assertEqual(len(self.pass_time(20)), 1)
        now = utc_now(self.clock)
        self.now_of(self.commands.finish("c-1", "H-1", "Acknowledged", "", now, None))
        self.assertEqual(self.pass_time(2 * DAY, 600), [])

    def test_not_now(self) -> None:
        """
        After NotNow it is pushed half an hour later; then the series goes on.
        """
        self.enroll()
        self.pass_time(60)
        self.queue()
        self.assertEqual(len(self.pass_time(20)), 1)
        now = utc_now(self.clock)
        self.now_of(self.commands.finish("c-1", "H-1", "NotNow", "", now, None))
        found = self.pass_time(2000)
        self.assert_near(found, [1820, 1940], LOOK)

    def test_died(self) -> None:
        """
        The pushes of a process that died are sent by the next one when their claims end, as the
        same pushes.
        """
        self.enroll()
        self.gateway.outcomes = [Deferred()]
        self.pass_time(10)
        [lost] = self.gateway.pushed
        # It is never heard of again.
        self.clock.calls.clear()
        self.start()
        self.pass_time(120)
        self.assertEqual(self.gateway.pushed[1].apns_id, lost.apns_id)

    def test_failures_first(self) -> None:
        """
        A push that Apple takes at the fourth try is repeated after half a minute.
        """
        self.enroll()
        self.pass_time(60)
        del self.gateway.pushed[:]
        self.gateway.outcomes = [PushOutcome(OutcomeKind.RETRY, 503)] * 3
        self.queue()
        found = self.pass_time(100)
        self.assertEqual(len({one.apns_id for one in self.gateway.pushed[:4]}), 1)
        self.assertEqual(self.gateway.attempts[-5:-1], [0, 1, 2, 3])
        self.assertTrue(30 <= found[4] - found[3] <= 30 + LOOK, found)

    def test_forgotten(self) -> None:
        """
        A wish that is lost, in whatever way, is found by the sweep of the next day.
        """
        self.enroll()
        self.pass_time(60)
        self.queue()
        self.pass_time(20)
        with self.database.engine.begin() as connection:
            connection.exec_driver_sql("UPDATE push SET due_at = NULL")
        del self.gateway.pushed[:]
        found = self.pass_time(2 * DAY, 60)
        self.assertTrue(found and found[0] <= DAY + 120, found)

    def test_stopped(self) -> None:
        """
        A sender that is stopped leaves nothing behind.
        """
        self.enroll()
        self.pass_time(60)
        self.successResultOf(Deferred.fromCoroutine(self.sender.stop()))
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(utc_now(self.clock) - NOON, timedelta(seconds=60))
