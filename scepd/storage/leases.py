"""
Who does periodic work, in the database.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import Connection, Row, and_, insert, select, update

from scepd.errors import Conflict
from scepd.model import Lease
from scepd.storage import tables
from scepd.storage.clock import database_now
from scepd.storage.database import Database

_FIRST_EPOCH = 1


class SQLLeaseStore:
    """
    Implements :class:`~scepd.ports.LeaseStore`.

    Leases need not outlast a power cut: who held one that was forgotten with it is refused, as its
    writes look for their owner and epoch.

    :param now: tells when a lease has ended; None: the database's clock, as those of several
        machines may differ. It is asked within the unit: one that waited long for the database must
        not count with an old time.
    """

    def __init__(self, database: Database, now: Callable[[], datetime] | None = None) -> None:
        self._database = database
        self._now = now

    async def take_lease(self, name: str, owner: str, seconds: float) -> Lease | None:
        """
        Take or prolong a lease for ``seconds``; None while another owner holds it.
        """

        def unit(connection: Connection) -> Lease | None:
            if self._is_of_another(connection, name, owner):
                return None
            held = _find(connection, name)
            # Now that nobody else can change it.
            now = database_now(connection, self._now)
            until = now + timedelta(seconds=seconds)
            if held is None:
                lease = Lease(name, owner, _FIRST_EPOCH)
                connection.execute(
                    insert(tables.lease).values(
                        name=name, owner=owner, epoch=lease.epoch, expires_at=until
                    )
                )
                return lease
            if held.owner != owner and held.expires_at > now:
                return None
            lease = Lease(name, owner, held.epoch + (held.owner != owner))
            connection.execute(
                update(tables.lease)
                .where(tables.lease.c.name == name)
                .values(owner=owner, epoch=lease.epoch, expires_at=until)
            )
            return lease

        return await self._database.write(unit, durable=False)

    def _is_of_another(self, connection: Connection, name: str, owner: str) -> bool:
        """
        Whether another holds it, without a wait for what that one does under it just now: units of
        devices would wait, too, that share this transaction.
        """
        columns = tables.lease.c
        one = select(columns.owner, columns.expires_at).where(columns.name == name)
        row = connection.execute(one).first()
        if row is None or row.owner == owner:
            return False
        expires_at: datetime = row.expires_at
        return expires_at > database_now(connection, self._now)

    async def give_lease_back(self, lease: Lease, seconds: float = 0.0) -> None:
        """
        Let another have it after ``seconds``.
        """
        columns = tables.lease.c
        held = and_(
            columns.name == lease.name,
            columns.owner == lease.owner,
            columns.epoch == lease.epoch,
        )

        def unit(connection: Connection) -> None:
            until = database_now(connection, self._now) + timedelta(seconds=seconds)
            connection.execute(update(tables.lease).where(held).values(expires_at=until))

        await self._database.write(unit, durable=False)


def refuse_lost(
    connection: Connection, lease: Lease, now: Callable[[], datetime] | None = None
) -> None:
    """
    Refuse the rest of a unit of work whose lease is not held any more.

    :param now: tells the time; None: the database's clock.
    :raises Conflict: another owner took it, or it has ended.
    """
    held = _find(connection, lease.name)
    if (
        held is None
        or (held.owner, held.epoch) != (lease.owner, lease.epoch)
        or held.expires_at <= database_now(connection, now)
    ):
        raise Conflict(f"the lease {lease.name!r} is not held by {lease.owner!r} any more")


def _find(connection: Connection, name: str) -> Row[tuple[object, ...]] | None:
    # On a database with several writers nobody else takes it until this unit has committed.
    one = select(tables.lease).where(tables.lease.c.name == name).with_for_update()
    return connection.execute(one).first()
