"""
The promise: an outage of a certificate authority costs no retry and no human work.
"""

from __future__ import annotations

from collections import Counter

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from scepd.model import BreakerState
from tests.storage.inline import InlineDatabase
from tests.support.outage_world import OutageWorld

_HOSTS = 200
_MINUTES = 60


class OutageTests(SynchronousTestCase):
    """
    The services of a daemon on their real stores, and one clock.
    """

    def world(self, hosts: int, **settings: float) -> OutageWorld:
        """
        A world in which that many deliveries are due.
        """
        world = OutageWorld(InlineDatabase(), **settings)
        self.successResultOf(Deferred.fromCoroutine(world.add_hosts(hosts)))
        return world

    def test_ten_minutes(self) -> None:
        """
        200 deliveries are due while the certificate authority is out for ten minutes. It is left in
        peace meanwhile, operators read why, and when it is back all deliveries end verified: no
        attempt was counted, and nobody did anything.
        """
        world = self.world(_HOSTS)
        world.ca.is_up = False
        world.start()
        world.pass_time(10 * _MINUTES)
        self.assertIs(world.breakers.seen("CORP").state, BreakerState.OPEN)
        # Five for devices, and four probes.
        self.assertEqual(Counter(world.ca.refused), {"question": 9})
        self.assertEqual(Counter(world.answers), {502: 5, 503: 95})
        for number in range(_HOSTS):
            row = world.row(number)
            self.assertEqual((row.status, row.attempts), ("pending", 0))
            self.assertIn("certificate authority unreachable since 2026-06-01T12:00:", row.detail)
        world.ca.is_up = True
        world.pass_time(10 * _MINUTES)
        for number in range(_HOSTS):
            row = world.row(number)
            self.assertEqual((row.status, row.attempts, row.detail), ("verified", 0, ""))
        self.assertEqual(world.ca.asked.count("PKIOperation"), _HOSTS)
        self.assertIs(world.breakers.seen("CORP").state, BreakerState.CLOSED)

    def test_only_issuing_fails(self) -> None:
        """
        A certificate authority that answers probes but can't issue is tried by one device at a
        time, after longer and longer waits; that counts no attempt either.
        """
        world = self.world(12)
        world.ca.issues = False
        world.start()
        world.pass_time(10 * _MINUTES)
        # Five opened it; then one each after 30, 60, 120 and 240 seconds.
        self.assertEqual(world.ca.asked.count("PKIOperation"), 5 + 4)
        for number in range(12):
            row = world.row(number)
            self.assertEqual((row.status, row.attempts), ("pending", 0))
        world.ca.issues = True
        world.pass_time(10 * _MINUTES)
        for number in range(12):
            row = world.row(number)
            self.assertEqual((row.status, row.attempts), ("verified", 0))

    def test_silent_device(self) -> None:
        """
        A half-open breaker stays so while all devices are asleep, sends further deliveries out
        meanwhile, and is closed by the first device that comes.
        """
        world = self.world(3, breaker_failures=3)
        world.ca.is_up = False
        world.start()
        world.pass_time(20)
        self.assertEqual(len(world.paths), 3)
        world.ca.is_up = True
        world.asleep = True
        world.pass_time(90)
        self.assertIs(world.breakers.seen("CORP").state, BreakerState.HALF_OPEN)
        self.assertEqual(len(world.paths), 3)
        world.asleep = False
        world.pass_time(60)
        self.assertIs(world.breakers.seen("CORP").state, BreakerState.CLOSED)
        self.assertEqual([world.row(number).attempts for number in range(3)], [0] * 3)
