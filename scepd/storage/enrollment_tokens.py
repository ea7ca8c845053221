"""
The tokens that let devices enroll, in the database.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, Row, delete, insert, select

from scepd.errors import Conflict, NotFound
from scepd.model import Activity, EnrollmentChallenge, EnrollmentToken
from scepd.storage.activities import insert_activity
from scepd.storage.clock import utc_now
from scepd.storage.database import Database
from scepd.storage.identities import insert_challenge
from scepd.storage.tables import enrollment_challenge, enrollment_token

_MOST_TOKENS = 1000
_CHALLENGES_KEPT = timedelta(days=1)


class SQLEnrollmentTokenStore:
    """
    Implements :class:`~scepd.ports.EnrollmentTokenStore`.

    :param now: tells which challenges go.
    """

    def __init__(self, database: Database, now: Callable[[], datetime] = utc_now) -> None:
        self._database = database
        self._now = now

    async def add_enrollment_token(self, token: EnrollmentToken, activity: Activity) -> None:
        """
        Store a token.

        :raises Conflict: it is stored already.
        """

        def unit(connection: Connection) -> None:
            if _find(connection, token.sha256) is not None:
                raise Conflict("this enrollment token is stored already")
            connection.execute(
                insert(enrollment_token).values(
                    sha256=token.sha256,
                    name=token.name,
                    labels=tuple(sorted(set(token.labels))),
                    uses_left=token.uses_left,
                    allow_reenrollment=token.allow_reenrollment,
                    expires_at=token.expires_at,
                    created_at=token.created_at,
                )
            )
            insert_activity(connection, activity)

        await self._database.write(unit)

    async def enrollment_token(self, sha256: str) -> EnrollmentToken | None:
        """
        The token with that SHA-256, or None.
        """
        return await self._database.read(lambda connection: _find(connection, sha256))

    async def enrollment_tokens(self) -> Sequence[EnrollmentToken]:
        """
        All of them, newest first, at most 1,000.
        """
        columns = enrollment_token.c
        newest = select(enrollment_token).order_by(columns.created_at.desc(), columns.sha256.desc())

        def query(connection: Connection) -> list[EnrollmentToken]:
            return [_record(row) for row in connection.execute(newest.limit(_MOST_TOKENS))]

        return await self._database.read(query)

    async def remove_enrollment_token(self, sha256: str, activity: Activity) -> None:
        """
        Remove a token: nobody enrolls with it any more, nor with a challenge made for it.

        :raises NotFound: there is none.
        """
        challenges = delete(enrollment_challenge).where(
            enrollment_challenge.c.token_sha256 == sha256
        )
        token = delete(enrollment_token).where(enrollment_token.c.sha256 == sha256)

        def unit(connection: Connection) -> None:
            connection.execute(challenges)
            if not connection.execute(token).rowcount:
                raise NotFound("there is no such enrollment token")
            insert_activity(connection, activity)

        await self._database.write(unit)

    async def add_challenge(self, challenge: EnrollmentChallenge) -> None:
        """
        Store a challenge of a token; those that expired more than a day ago go.

        :raises NotFound: its token is gone.
        """
        past = enrollment_challenge.c.expires_at < self._now() - _CHALLENGES_KEPT

        def unit(connection: Connection) -> None:
            token_sha256 = challenge.token_sha256
            if token_sha256 is None or _find(connection, token_sha256) is None:
                raise NotFound("there is no such enrollment token")
            connection.execute(delete(enrollment_challenge).where(past))
            insert_challenge(connection, challenge)

        await self._database.write(unit)


def _find(connection: Connection, sha256: str) -> EnrollmentToken | None:
    one = select(enrollment_token).where(enrollment_token.c.sha256 == sha256)
    row = connection.execute(one).first()
    return None if row is None else _record(row)


def _record(row: Row[tuple[object, ...]]) -> EnrollmentToken:
    return EnrollmentToken(
        row.sha256,
        row.name,
        row.labels,
        row.uses_left,
        row.allow_reenrollment,
        row.expires_at,
        row.created_at,
    )
