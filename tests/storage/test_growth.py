"""
Tests that what is asked often reads an index, however much is stored.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Connection, event
from sqlalchemy.engine.interfaces import DBAPICursor, ExecutionContext
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from scepd.model import WindowOutcome
from scepd.storage.activities import SQLActivityStore
from scepd.storage.assignments import SQLAssignmentStore
from scepd.storage.certificate_authorities import SQLCertificateAuthorityStore
from scepd.storage.enrollment import SQLEnrollmentStore
from scepd.storage.hosts import SQLHostStore
from scepd.storage.profiles import SQLProfileStore
from tests.storage import records
from tests.storage.base import SUBJECT, reserve
from tests.storage.inline import InlineDatabase
from tests.storage.records import NOON


class GrowthTests(SynchronousTestCase):
    """
    No statement of the stores scans a table or sorts.
    """

    def setUp(self) -> None:
        """
        Listen to the statements of a database in memory.
        """
        self.database = InlineDatabase()
        self.addCleanup(self.database.engine.dispose)
        self.scans: list[str] = []
        event.listen(self.database.engine, "before_cursor_execute", self.explain)

    def explain(
        self,
        connection: Connection,
        cursor: DBAPICursor,
        statement: str,
        parameters: tuple[object, ...],
        context: ExecutionContext,
        executemany: bool,
    ) -> None:
        """
        Note what SQLite would do with a statement when it is more than a look at an index.
        """
        if executemany or not statement.startswith(("SELECT", "UPDATE", "DELETE")):
            return
        cursor.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
        for *_, step in cursor.fetchall():
            if "TEMP B-TREE" in step or (step.startswith("SCAN") and "INDEX" not in step):
                self.scans.append(f"{step}: {statement}")

    async def work(self) -> None:
        """
        What the daemon does all day.
        """
        authorities = SQLCertificateAuthorityStore(self.database)
        profiles, hosts = SQLProfileStore(self.database), SQLHostStore(self.database)
        assignments = SQLAssignmentStore(self.database)
        enrollment = SQLEnrollmentStore(self.database)
        await authorities.add_certificate_authority(records.ca(), records.activity())
        await authorities.certificate_authorities(after="a")
        await profiles.add_profile(records.profile(ca_names=("corp",)), records.activity())
        await profiles.profiles(after="a")
        await hosts.put_host(records.host())
        await hosts.host("H-1")
        await assignments.assign(records.assignment())
        await assignments.assignments_of_profile("a-1", after="H")
        await assignments.explain("H-1", "a-1", "why")
        await assignments.open_window(records.window())
        await enrollment.is_assigned(SUBJECT)
        await reserve(enrollment)
        await enrollment.settle_window(records.exchange(), WindowOutcome.REOPEN, None)
        await enrollment.record_refusal(records.exchange("x-2"), redeliver=True)
        await enrollment.exchanges()
        await enrollment.exchanges(host_uuid="H-1", before=NOON + timedelta(hours=1))
        await SQLActivityStore(self.database).activities(before_id=9)
        await profiles.remove_profile("a-1", records.activity())

    def test_no_scan(self) -> None:
        """
        Every statement searches an index, and lists come in the index's order.
        """
        self.successResultOf(Deferred.fromCoroutine(self.work()))
        self.assertEqual(self.scans, [])
