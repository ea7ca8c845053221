"""
The admin API's tokens, in the database.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, Row, delete, insert, select

from scepd.errors import Conflict, NotFound
from scepd.model import Activity, APIToken
from scepd.storage.activities import insert_activity
from scepd.storage.database import Database
from scepd.storage.tables import api_token

_MOST_TOKENS = 1000
_ADMIN = "admin"


class SQLAPITokenStore:
    """
    Implements :class:`~scepd.ports.APITokenStore`.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add_api_token(self, token: APIToken, activity: Activity | None = None) -> None:
        """
        Store a token.

        :raises Conflict: it is stored already; or another has its name, when there is an
            ``activity``: then it is an operator who adds it.
        """

        def unit(connection: Connection) -> None:
            if activity is not None:
                _refuse_name(connection, token.name)
                insert_activity(connection, activity)
            insert_api_token(connection, token)

        await self._database.write(unit)

    async def api_token(self, sha256: str) -> APIToken | None:
        """
        The token with that SHA-256, or None.
        """
        return await self._database.read(lambda connection: _find(connection, sha256))

    async def api_tokens(self) -> Sequence[APIToken]:
        """
        All of them, the newest first, at most 1,000.
        """
        newest = select(api_token).order_by(api_token.c.created_at.desc(), api_token.c.sha256)

        def query(connection: Connection) -> list[APIToken]:
            return [_record(row) for row in connection.execute(newest.limit(_MOST_TOKENS))]

        return await self._database.read(query)

    async def remove_api_token(self, sha256: str, activity: Activity) -> None:
        """
        Remove a token: nobody is let in with it any more.

        :raises NotFound: there is none.
        :raises Conflict: it is the last one of the role admin.
        """

        def unit(connection: Connection) -> None:
            if _find(connection, sha256) is None:
                raise NotFound("there is no such API token")
            connection.execute(delete(api_token).where(api_token.c.sha256 == sha256))
            _refuse_last(connection)
            insert_activity(connection, activity)

        await self._database.write(unit)


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
    return None if row is None else _record(row)


def _refuse_name(connection: Connection, name: str) -> None:
    same = select(api_token.c.sha256).where(api_token.c.name == name).limit(1)
    if connection.scalar(same) is not None:
        raise Conflict(f"there is an API token {name!r} already")


def _refuse_last(connection: Connection) -> None:
    admins = select(api_token.c.sha256).where(api_token.c.role == _ADMIN).limit(1)
    if connection.scalar(admins) is None:
        raise Conflict("the last API token of the role admin can't be revoked")


def _record(row: Row[tuple[object, ...]]) -> APIToken:
    return APIToken(row.sha256, row.name, row.role, row.created_at)
