"""
The wishes to push, in the database.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from datetime import datetime

from sqlalchemy import Connection, Row, RowMapping, bindparam, exists, select, update

from scepd.model import PushAddress, PushState, WishedPush
from scepd.pki.keyring import SealedSecret
from scepd.storage.database import Database
from scepd.storage.outbox import anything_waits
from scepd.storage.tables import command, enrollment, push

_ACCEPTED = 200


def _new_id() -> str:
    return str(uuid.uuid4())


_delivers = exists().where(
    command.c.enrollment_id == push.c.enrollment_id,
    command.c.finished_at.is_(None),
    command.c.profile_uuid.is_not(None),
)


class SQLPushStore:
    """
    Implements :class:`~scepd.ports.PushStore`.

    :param new_id: makes apns-ids.
    """

    def __init__(self, database: Database, new_id: Callable[[], str] = _new_id) -> None:
        self._database = database
        self._new_id = new_id

    async def claim_pushes(
        self, now: datetime, until: datetime, limit: int
    ) -> Sequence[WishedPush]:
        """
        At most ``limit`` wishes that are due, which are nobody else's until ``until``. An apns-id
        is made when a wish has none.
        """
        due = (
            select(
                push.c.enrollment_id,
                push.c.apns_id,
                push.c.attempts,
                enrollment.c.push_topic,
                enrollment.c.push_key_id,
                enrollment.c.push,
                _delivers.label("delivers"),
            )
            .join_from(push, enrollment)
            .where(
                push.c.due_at <= now,
                enrollment.c.enabled.is_(True),
                enrollment.c.push.is_not(None),
            )
            .order_by(push.c.due_at)
            .limit(limit)
            .with_for_update(of=push, skip_locked=True)
        )

        def unit(connection: Connection) -> list[WishedPush]:
            wished = [self._record(row) for row in connection.execute(due).mappings()]
            _claim(connection, wished, until)
            return wished

        return await self._database.write(unit)

    async def push_answered(
        self,
        enrollment_id: str,
        apns_id: str,
        *,
        status: int | None,
        reason: str,
        next_due: datetime | None,
        counted: bool,
        now: datetime,
    ) -> None:
        """
        Record what came of a push. ``next_due``: when it is due again if the device stays silent;
        None: not by itself. A wish that was renewed meanwhile stays as it is.

        A push that was accepted is due again only while a command waits, and with a new apns-id.
        """
        values: dict[str, object] = {
            "last_status": status,
            "last_reason": reason,
            "answered_at": now,
            "attempts": push.c.attempts + int(counted),
            "due_at": next_due,
        }
        same = (push.c.enrollment_id == enrollment_id) & (push.c.apns_id == apns_id)

        def unit(connection: Connection) -> None:
            if status == _ACCEPTED:
                values["apns_id"] = None
                if not anything_waits(connection, enrollment_id):
                    values["due_at"] = None
            connection.execute(update(push).where(same).values(values))

        await self._database.write(unit)

    async def forget_push_address(self, enrollment_id: str, since: datetime) -> None:
        """
        The token is dead: unless a TokenUpdate came after ``since``, push there no more.
        """
        dead = (
            update(enrollment)
            .where(enrollment.c.id == enrollment_id, enrollment.c.token_updated_at <= since)
            .values(push_topic=None, push_key_id=None, push=None)
        )
        undue = update(push).where(push.c.enrollment_id == enrollment_id).values(due_at=None)

        def unit(connection: Connection) -> None:
            if connection.execute(dead).rowcount:
                connection.execute(undue)

        await self._database.write(unit)

    async def push_state(self, enrollment_id: str) -> PushState | None:
        """
        How pushing to an enrollment went; None: no push was ever wished.
        """
        one = (
            select(push, enrollment.c.push.is_not(None).label("has_address"))
            .join_from(push, enrollment)
            .where(push.c.enrollment_id == enrollment_id)
        )

        def query(connection: Connection) -> PushState | None:
            row = connection.execute(one).first()
            return None if row is None else _state(row)

        return await self._database.read(query)

    async def earliest_push(self) -> datetime | None:
        """
        When the next wish is due.
        """
        first = select(push.c.due_at).where(push.c.due_at.is_not(None)).order_by(push.c.due_at)

        def query(connection: Connection) -> datetime | None:
            due_at: datetime | None = connection.scalar(first.limit(1))
            return due_at

        return await self._database.read(query)

    def _record(self, row: RowMapping) -> WishedPush:
        address = PushAddress(row["push_topic"], SealedSecret(row["push_key_id"], row["push"]))
        apns_id = row["apns_id"] or self._new_id()
        return WishedPush(row["enrollment_id"], address, apns_id, row["attempts"], row["delivers"])


def _claim(connection: Connection, wished: Sequence[WishedPush], until: datetime) -> None:
    values = [{"claimed": one.enrollment_id, "apns_id": one.apns_id} for one in wished]
    if values:
        claimed = update(push).where(push.c.enrollment_id == bindparam("claimed"))
        connection.execute(claimed, [one | {"due_at": until} for one in values])


def _state(row: Row[tuple[object, ...]]) -> PushState:
    return PushState(
        row.enrollment_id,
        row.has_address,
        row.due_at,
        row.attempts,
        row.last_status,
        row.last_reason,
        row.answered_at,
    )
