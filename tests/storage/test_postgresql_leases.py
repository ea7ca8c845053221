"""
Tests of what two processes that use one PostgreSQL server see of each other's leases.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import psycopg
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from scepd.errors import Conflict
from scepd.storage import clock
from scepd.storage.delivery import SQLDeliveryStore
from scepd.storage.leases import SQLLeaseStore
from tests.support.postgresql_server import MigratedServer


class LeaseTests(MigratedServer, TestCase):
    """
    Two processes, of which one writes for long, or has a wrong clock.
    """

    timeout = 20

    async def test_nobody_waits_for_the_owner(self) -> None:
        """
        While its owner writes under a lease, others hear at once that it is held.
        """
        database = self.make_database()
        database.start()
        self.addCleanup(lambda: Deferred.fromCoroutine(database.stop()))
        leases = SQLLeaseStore(database)
        await leases.take_lease("one", "me", 60)
        with psycopg.connect(self.url) as owner:
            owner.execute("SELECT * FROM lease FOR UPDATE")
            # One that waits for the row is refused after 5 s.
            self.assertIsNone(await leases.take_lease("one", "another", 60))

    async def test_server_tells_the_time(self) -> None:
        """
        Though its clock is a day ahead of the server's, it takes no lease that is held, and does
        not count its own as lost; a lease that has ended is lost.
        """
        database = self.make_database()
        database.start()
        self.addCleanup(lambda: Deferred.fromCoroutine(database.stop()))
        leases, delivery = SQLLeaseStore(database), SQLDeliveryStore(database)
        real = clock.utc_now

        def ahead() -> datetime:
            return real() + timedelta(days=1)

        mine = await leases.take_lease("one", "me", 60)
        assert mine is not None
        self.patch(clock, "utc_now", ahead)
        self.assertIsNone(await leases.take_lease("one", "another", 60))
        await delivery.happen([], real(), mine)
        await leases.give_lease_back(mine, 60)
        self.assertIsNone(await leases.take_lease("one", "another", 60))
        await leases.give_lease_back(mine)
        with self.assertRaises(Conflict):
            await delivery.happen([], real(), mine)
        theirs = await leases.take_lease("one", "another", 60)
        assert theirs is not None
        self.assertEqual(theirs.epoch, mine.epoch + 1)
