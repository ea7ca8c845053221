"""
Tests of the statements that are run for each push.
"""

from __future__ import annotations

from sqlalchemy import create_engine
from sqlalchemy.dialects import postgresql
from twisted.trial.unittest import SynchronousTestCase

from scepd.storage import push_statements
from scepd.storage.prepared import Prepared, run
from scepd.storage.tables import metadata

_ALL = {
    name: statement
    for name, statement in vars(push_statements).items()
    if isinstance(statement, Prepared)
}


class PushStatementTests(SynchronousTestCase):
    """
    What databases make of them.
    """

    def test_indexes(self) -> None:
        """
        SQLite looks into an index for each, and sorts nothing, however many wishes there are.
        """
        engine = create_engine("sqlite://")
        self.addCleanup(engine.dispose)
        metadata.create_all(engine)
        with engine.connect() as connection:
            for name, statement in _ALL.items():
                sql = f"EXPLAIN QUERY PLAN {statement.sql(connection.dialect)}"
                cursor = run(connection, sql, [None] * sql.count("?"))
                steps = [step for *_, step in cursor.fetchall()]
                self.assertNotEqual(steps, [], name)
                for step in steps:
                    self.assertNotIn("SCAN", step, name)
                    self.assertNotIn("TEMP B-TREE", step, name)

    def test_shared_work(self) -> None:
        """
        On PostgreSQL a claim passes over what another process is claiming, and locks the wishes
        only: a device may come meanwhile.
        """
        sql = push_statements.DUE_PUSHES.sql(postgresql.dialect())
        self.assertTrue(sql.endswith("FOR UPDATE OF push SKIP LOCKED"), sql)

    def test_postgresql(self) -> None:
        """
        The others are statements there, too.
        """
        for name, statement in _ALL.items():
            sql = statement.sql(postgresql.dialect())
            self.assertTrue(sql.startswith(("SELECT", "UPDATE")), name)
