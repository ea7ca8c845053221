"""
Tests for one-time URLs, from the delivered profile to the enrollment window.
"""

from __future__ import annotations

import base64
from hashlib import sha256

from sqlalchemy import select
from twisted.internet.defer import Deferred
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from scepd.services.proxying import Operation
from scepd.storage.tables import metadata
from tests.storage.inline import InlineDatabase
from tests.support.outage_world import OutageWorld


class OneTimeURLTests(SynchronousTestCase):
    """
    The services of a daemon on their real stores; two hosts get a profile.
    """

    def deliver(self, **settings: float) -> OutageWorld:
        """
        Let both deliveries go their way.
        """
        self.database = InlineDatabase()
        world = OutageWorld(self.database, **settings)
        self.successResultOf(Deferred.fromCoroutine(world.add_hosts(2)))
        world.start()
        world.pass_time(20)
        self.assertEqual([world.row(number).status for number in range(2)], ["verified"] * 2)
        return world

    def stored(self) -> str:
        """
        All that the database holds.
        """
        with self.database.engine.connect() as connection:
            tables = [connection.execute(select(table)).all() for table in metadata.sorted_tables]
        return repr(tables)

    def refusals(self, world: OutageWorld) -> list[str]:
        """
        The details of the exchanges that were refused.
        """
        found = Deferred.fromCoroutine(world.stores.enrollment.exchanges())
        return [one.detail for one in self.successResultOf(found) if one.http_status == 403]

    def test_whole_way(self) -> None:
        """
        Each delivery has a token of 24 random bytes in its URL, which the log and the database know
        nothing of, but for its digest.
        """
        with capturedLogs() as logs:
            world = self.deliver(one_time_urls=True)
        tokens = [path.decode().rpartition("%2C")[2] for path in world.paths]
        self.assertEqual(len(set(tokens)), 2)
        for token in tokens:
            self.assertEqual(len(base64.urlsafe_b64decode(token)), 24)
            self.assertNotIn(token, self.stored())
            self.assertIn(sha256(token.encode()).hexdigest(), self.stored())
            self.assertNotIn(token, repr(logs))

    def test_wrong_token(self) -> None:
        """
        Another delivery's token, or none, is refused with 403 for a PKIOperation, and recorded; the
        other operations need none.
        """
        world = self.deliver(one_time_urls=True)
        first, second = world.paths
        start = first.rpartition(b"%2C")[0]
        for path in (start, start + b"%2C" + second.rpartition(b"%2C")[2]):
            self.assertEqual(world.ask(path, Operation.PKI_OPERATION), 403)
            self.assertEqual(world.ask(path, Operation.GET_CA_CAPS), 200)
        self.assertEqual(self.refusals(world), ["enrollment window is closed"] * 2)
        # The window admits its own key for ten minutes more.
        self.assertEqual(world.ask(first, Operation.PKI_OPERATION), 200)

    def test_off(self) -> None:
        """
        Without the setting URLs have three parts, and a fourth does no harm.
        """
        world = self.deliver()
        for path in world.paths:
            self.assertEqual(path.count(b"%2C"), 2)
        more = world.paths[0] + b"%2Ctoken-of-before"
        self.assertEqual(world.ask(more, Operation.PKI_OPERATION), 200)
