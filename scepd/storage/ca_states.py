"""
The embedded certificate authority's own keys and certificates, in the database.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, Row, delete, insert, select, update

from scepd.errors import Conflict
from scepd.model import Activity, CARole, CAState
from scepd.pki.keyring import SealedSecret
from scepd.storage.activities import insert_activity
from scepd.storage.database import Database
from scepd.storage.tables import ca_state

_NEWEST_FIRST = select(ca_state).order_by(ca_state.c.created_at.desc())


class SQLCAStateStore:
    """
    Implements :class:`~scepd.ports.CAStateStore`.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def ca_states(self) -> Sequence[CAState]:
        """
        All of them, newest first; none before the first start.
        """
        return await self._database.read(
            lambda connection: [_record(row) for row in connection.execute(_NEWEST_FIRST)]
        )

    async def create_ca_state(self, state: CAState) -> CAState:
        """
        Store its first certificate and key, and return the current one: another process may have
        been faster.
        """

        def unit(connection: Connection) -> CAState:
            stored = _in_role(connection, CARole.CURRENT)
            if stored is not None:
                return stored
            _insert(connection, state)
            return state

        return await self._database.write(unit)

    async def plan_ca_state(self, state: CAState, activity: Activity) -> None:
        """
        Store the certificate and key that come next.

        :raises Conflict: there are next ones already.
        """

        def unit(connection: Connection) -> None:
            if _in_role(connection, CARole.NEXT) is not None:
                raise Conflict("a roll-over is planned already")
            _insert(connection, state)
            insert_activity(connection, activity)

        await self._database.write(unit)

    async def commit_ca_state(self, activity: Activity) -> None:
        """
        Make the next certificate the current one, and the current one a previous one.

        :raises Conflict: there is no next one.
        """

        def unit(connection: Connection) -> None:
            if _in_role(connection, CARole.NEXT) is None:
                raise Conflict("no roll-over is planned")
            _move(connection, CARole.CURRENT, CARole.PREVIOUS, replaced_at=activity.at)
            _move(connection, CARole.NEXT, CARole.CURRENT)
            insert_activity(connection, activity)

        await self._database.write(unit)

    async def cancel_ca_state(self, activity: Activity) -> None:
        """
        Forget the next certificate and its key.

        :raises Conflict: there is no next one.
        """

        def unit(connection: Connection) -> None:
            state = _in_role(connection, CARole.NEXT)
            if state is None:
                raise Conflict("no roll-over is planned")
            connection.execute(delete(ca_state).where(ca_state.c.serial == state.serial))
            insert_activity(connection, activity)

        await self._database.write(unit)


def _in_role(connection: Connection, role: CARole) -> CAState | None:
    found = [_record(row) for row in connection.execute(_NEWEST_FIRST)]
    return next((state for state in found if state.role is role), None)


def _move(connection: Connection, old: CARole, new: CARole, **values: object) -> None:
    state = _in_role(connection, old)
    if state is not None:
        change = update(ca_state).where(ca_state.c.serial == state.serial)
        connection.execute(change.values(role=new.value, **values))


def _insert(connection: Connection, state: CAState) -> None:
    connection.execute(
        insert(ca_state).values(
            serial=state.serial,
            certificate=state.certificate,
            private_key_key_id=state.private_key.key_id,
            private_key=state.private_key.data,
            created_at=state.created_at,
            role=state.role.value,
        )
    )


def _record(row: Row[tuple[object, ...]]) -> CAState:
    key = SealedSecret(row.private_key_key_id, row.private_key)
    return CAState(row.serial, row.certificate, key, row.created_at, CARole(row.role))
