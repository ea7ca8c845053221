"""
The daemon on a PostgreSQL server.
"""

from __future__ import annotations

import psycopg

from tests.acceptance import test_flow
from tests.support.fleet import Fleet
from tests.support.postgresql_server import the_server

NAME = "flow"


class PostgreSQLFlowTests(test_flow.FlowTests):
    """
    Both sequences whole, as on SQLite.
    """

    def setUp(self) -> None:
        """
        Without a server there is nothing to end either.
        """
        the_server()

    async def _fleet(self, settings: dict[str, str] | None = None) -> Fleet:
        url = the_server().create(NAME)
        return await super()._fleet({"storage.url": f'"{url}"'} | (settings or {}))

    def tearDown(self) -> None:
        """
        It is this server that holds what was verified.
        """
        with psycopg.connect(the_server().url(NAME)) as connection:
            found = connection.execute("SELECT DISTINCT status FROM host_profile").fetchall()
        self.assertEqual(found, [("verified",)])
