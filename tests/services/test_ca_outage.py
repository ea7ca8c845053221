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
        self.assertEqual(Counter(world.ca.refused), {"GetCACaps": 5, "probe": 4})
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
