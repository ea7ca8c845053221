"""
The admin API's tokens, in the database.
"""

from __future__ import annotations

from sqlalchemy import Connection, insert, select

from scepd.errors import Conflict
from scepd.model import APIToken
from scepd.storage.database import Database
from scepd.storage.tables import api_token


class SQLAPITokenStore:
    """
    Implements :class:`~scepd.ports.APITokenStore`.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add_api_token(self, token: APIToken) -> None:
        """
        Store a token.

        :raises Conflict: it is stored already.
        """
        await self._database.write(lambda connection: insert_api_token(connection, token))

    async def api_token(self, sha256: str) -> APIToken | None:
        """
        The token with that SHA-256, or None.
        """
        return await self._database.read(lambda connection: _find(connection, sha256))


def insert_api_token(connection: Connection, token: APIToken) -> None:
    """
    Store a token.

    :raises Conflict: it is stored already.
    """
    if _find(connection, token.sha256) is not None:
        raise Conflict("this API token is stored already")
    connection.execute(
        insert(api_token).values(
            sha256=token.sha256, name=token.name, role=token.role, created_at=token.created_at
        )
    )


def _find(connection: Connection, sha256: str) -> APIToken | None:
    row = connection.execute(select(api_token).where(api_token.c.sha256 == sha256)).first()
    return None if row is None else APIToken(row.sha256, row.name, row.role, row.created_at)
