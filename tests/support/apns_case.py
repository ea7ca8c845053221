"""
What tests of the APNs client have in common.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from scepd.apns.credentials import PushCredentials
from scepd.apns.outcome import OutcomeKind, PushOutcome
from scepd.network.apns_client import APNsClient, APNsLimits
from scepd.network.apns_owner import TokenSource
from tests.apns.notifications import TOPIC, notification, token
from tests.support.apns_double import Answer, APNsConnectionDouble, APNsDouble
from tests.support.apns_memory import credentials_for
from tests.support.apns_routes import RecordedMetrics, ScriptedRoute


class APNsCase(SynchronousTestCase):
    """
    A client and the double, in memory; nothing is left on the clock in the end.
    """

    limits = APNsLimits()
    _renewals = 0

    def setUp(self) -> None:
        """
        Make both; nothing is connected yet.
        """
        self.clock = Clock()
        self.double = APNsDouble(TOPIC)
        self.behaviour = self.double.behaviour
        self.route = ScriptedRoute(self.clock, self.double)
        self.credentials = credentials_for(TOPIC)
        self.metrics = RecordedMetrics()
        self.client = APNsClient(
            self.clock,
            self.route,
            self.credentials,
            self.limits,
            lambda: 0.5,
            metrics=self.metrics,
            tokens=self.make_tokens(),
        )
        self.addCleanup(self.close)

    def make_tokens(self) -> TokenSource | None:
        """
        Provider tokens, in cases about them.
        """
        return None

    def close(self) -> None:
        """
        Close the client; whatever the double does, it ends.
        """
        closed = Deferred.fromCoroutine(self.client.close())
        for _ in range(40):
            self.clock.advance(1)
        self.successResultOf(closed)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def push(self, number: int = 1, **options: int) -> Deferred[PushOutcome]:
        """
        Push to device ``number``.
        """
        return self.client.push(notification(number), **options)

    def pushes(self, count: int) -> list[Deferred[PushOutcome]]:
        """
        Push to devices 0 to ``count``, and let happen what happens at once.
        """
        pushed = [self.push(number) for number in range(count)]
        self.clock.advance(0)
        return pushed

    def renewed(self) -> PushCredentials:
        """
        Another certificate for the same topic.
        """
        self._renewals += 1
        return replace(self.credentials, certificates=(b"renewed %d" % self._renewals,))

    def let_go(self, number: int) -> None:
        """
        Cut one of the connections, counted from 0.
        """
        self.double.connections[number].transport.abortConnection()
        self.clock.advance(0)

    def wait(self, seconds: int) -> None:
        """
        Let time pass.
        """
        for _ in range(seconds):
            self.clock.advance(1)

    def answer(self, number: int, answer: Answer | list[Answer]) -> None:
        """
        What the double answers for device ``number``.
        """
        self.behaviour.answers[token(number).hex()] = answer

    def assert_done(self, pushed: list[Deferred[PushOutcome]]) -> None:
        """
        All of them were answered with 200.
        """
        kinds = [self.successResultOf(one).kind for one in pushed]
        self.assertEqual(set(kinds), {OutcomeKind.DONE})

    def assert_once(self, count: int) -> None:
        """
        Each of the devices 0 to ``count`` was pushed to exactly once.
        """
        seen = Counter(request.token for request in self.double.requests)
        self.assertEqual(seen, Counter(token(number).hex() for number in range(count)))

    @property
    def connection(self) -> APNsConnectionDouble:
        """
        The double's end of the newest connection.
        """
        return self.double.connections[-1]
