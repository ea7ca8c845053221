"""
Tests that leases on a PostgreSQL server end by its clock: those of its clients may differ.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from scepd.errors import Conflict
from scepd.storage import clock
from scepd.storage.delivery import SQLDeliveryStore
from scepd.storage.leases import SQLLeaseStore
from tests.support.postgresql_server import MigratedServer


class ClockTests(MigratedServer, TestCase):
    """
    A process whose clock is wrong.
    """

    timeout = 20

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
