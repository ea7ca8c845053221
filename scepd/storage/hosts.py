"""
The hosts, in the database.
"""

from __future__ import annotations

from sqlalchemy import Connection, delete, insert, select, update

from scepd.model import Host
from scepd.storage.database import Database
from scepd.storage.tables import host, host_label


class SQLHostStore:
    """
    Implements :class:`~scepd.ports.HostStore`.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put_host(self, host: Host) -> None:
        """
        Store a host, in place of one of the same uuid; its assignments stay.
        """
        await self._database.write(lambda connection: _put(connection, host))

    async def host(self, uuid: str) -> Host | None:
        """
        The one of that uuid, or None.
        """
        return await self._database.read(lambda connection: _find(connection, uuid))


def _put(connection: Connection, new: Host) -> None:
    values = {"serial_number": new.serial_number, "platform": new.platform, "facts": new.facts}
    change = update(host).where(host.c.uuid == new.uuid).values(values)
    if not connection.execute(change).rowcount:
        connection.execute(insert(host).values(uuid=new.uuid, **values))
    connection.execute(delete(host_label).where(host_label.c.host_uuid == new.uuid))
    labels = [{"host_uuid": new.uuid, "label": label} for label in sorted(set(new.labels))]
    if labels:
        connection.execute(insert(host_label), labels)


def _find(connection: Connection, uuid: str) -> Host | None:
    row = connection.execute(select(host).where(host.c.uuid == uuid)).first()
    if row is None:
        return None
    labels = select(host_label.c.label).where(host_label.c.host_uuid == uuid)
    found = tuple(sorted(connection.scalars(labels)))
    return Host(row.uuid, row.serial_number, row.platform, found, row.facts)
