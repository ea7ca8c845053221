"""
The bootstrap tokens of Macs, in the database.
"""

from __future__ import annotations

from sqlalchemy import Connection, select, update

from scepd.errors import NotFound
from scepd.model import Activity
from scepd.pki.keyring import SealedSecret
from scepd.storage.activities import insert_activity
from scepd.storage.database import Database
from scepd.storage.enrollments import NO_BOOTSTRAP_TOKEN
from scepd.storage.tables import device_identity, enrollment


class SQLBootstrapTokenStore:
    """
    Implements :class:`~scepd.ports.BootstrapTokenStore`.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def keep(self, enrollment_id: str, token: SealedSecret | None) -> None:
        """
        Keep the token of an enrollment, in place of the one before; None: there is none any more.

        :raises NotFound: there is no such enrollment, or it has ended.
        """
        values: dict[str, object] = dict(NO_BOOTSTRAP_TOKEN)
        if token is not None:
            values = {"bootstrap_key_id": token.key_id, "bootstrap_token": token.data}
        pinned = select(device_identity.c.enrollment_id).where(
            device_identity.c.enrollment_id == enrollment_id
        )
        change = (
            update(enrollment)
            .where(enrollment.c.id == enrollment_id, enrollment.c.id.in_(pinned))
            .values(values)
        )

        def unit(connection: Connection) -> None:
            if not connection.execute(change).rowcount:
                raise NotFound(f"there is no enrollment {enrollment_id!r}")

        await self._database.write(unit)

    async def read(self, enrollment_id: str, activity: Activity) -> SealedSecret | None:
        """
        The token of an enrollment, or None; that it was read is an activity, stored by then.
        """
        columns = enrollment.c
        one = select(columns.bootstrap_key_id, columns.bootstrap_token).where(
            columns.id == enrollment_id, columns.bootstrap_token.is_not(None)
        )

        def unit(connection: Connection) -> SealedSecret | None:
            row = connection.execute(one).first()
            if row is None:
                return None
            insert_activity(connection, activity)
            return SealedSecret(row.bootstrap_key_id, row.bootstrap_token)

        return await self._database.write(unit)
