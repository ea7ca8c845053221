"""
What tests of single faults of the push service have in common.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from scepd.apns.notification import Notification
from scepd.apns.outcome import OutcomeKind
from scepd.network.apns_client import APNsClient
from scepd.network.apns_limits import APNsLimits
from tests.apns.notifications import TOPIC, notification
from tests.support.apns_double import APNsDouble
from tests.support.apns_memory import MemoryRoute, credentials_for
from tests.support.apns_sender import Sender, as_deferred

COUNT = 40
"""
Pushes at once.
"""

_PATIENCE = 300


class FaultCase(SynchronousTestCase):
    """
    A sender, the client and the double, in memory.
    """

    def setUp(self) -> None:
        """
        Make them; nothing is connected yet.
        """
        self.clock = Clock()
        self.double = APNsDouble(TOPIC)
        self.behaviour = self.double.behaviour
        self.route = MemoryRoute(self.clock, self.double)
        credentials = credentials_for(TOPIC)
        self.client = APNsClient(
            self.clock, self.route, credentials, APNsLimits(), Random(1).random
        )
        self.sender = Sender(self.clock, self.client)
        self.addCleanup(self.close)

    def close(self) -> None:
        """
        The client ends, and leaves nothing on the clock.
        """
        closed = as_deferred(self.client.close())
        self.wait(60, lambda: closed.called and not self.clock.getDelayedCalls())
        self.successResultOf(closed)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def push(self, first: int = 0, count: int = COUNT, magic: str = "") -> list[Notification]:
        """
        Push to ``count`` devices, and let happen what happens at once.
        """
        pushes = [notification(number, magic=magic) for number in range(first, first + count)]
        for one in pushes:
            self.sender.push(one)
        self.clock.advance(0)
        return pushes

    def wait(self, seconds: float, over: Callable[[], bool] = lambda: False) -> None:
        """
        Let time pass, half a second at a time.
        """
        end = self.clock.seconds() + seconds
        while self.clock.seconds() < end and not over():
            self.clock.advance(0.5)

    def finish(self, *kinds: OutcomeKind) -> None:
        """
        Wait until nothing is left, and compare the books.

        :param kinds: with which pushes ended.
        """
        self.wait(_PATIENCE, lambda: not self.sender.left)
        self.double.ledger.assert_accounted(self.sender.outcomes)
        self.assertEqual(self.sender.left, 0)
        last = {told[-1].kind for told in self.sender.outcomes.values() if told[-1] is not None}
        self.assertEqual(last, set(kinds or (OutcomeKind.DONE,)))

    def assert_pushed(self, times: int) -> None:
        """
        Each push was given to the client so often.
        """
        self.assertEqual({len(told) for told in self.sender.outcomes.values()}, {times})

    def assert_came(self, times: int) -> None:
        """
        Each push came to the double so often.
        """
        entries = self.double.ledger.entries.values()
        self.assertEqual({len(found) for found in entries}, {times})
