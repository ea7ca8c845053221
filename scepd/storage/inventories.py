"""
What was last seen of hosts, and who is to be asked over MDM, in the database.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from sqlalchemy import (
    ColumnElement,
    Connection,
    ScalarSelect,
    Select,
    bindparam,
    delete,
    func,
    select,
    text,
    true,
    update,
)

from scepd.mdm.commands import CERTIFICATE_LIST, PROFILE_LIST
from scepd.model import (
    USER_PROFILE_LIST,
    Activity,
    HostInventory,
    InventoryAsk,
    Lease,
    QueuedCommand,
    UnprovedDelivery,
    list_name,
)
from scepd.profiles.lifecycle import Status
from scepd.storage import tables
from scepd.storage.activities import insert_activity
from scepd.storage.clock import utc_now
from scepd.storage.database import Database
from scepd.storage.inventory_rows import begin_inventory
from scepd.storage.leases import refuse_lost
from scepd.storage.outbox import insert_commands, wish_pushes
from scepd.storage.prepared import Prepared, PreparedRow
from scepd.storage.tables import command, enrollment, host, host_profile

_COLUMNS = tables.inventory.c
_PROFILES = command.alias("profile_list")
_CERTIFICATES = command.alias("certificate_list")
_USER_PROFILES = command.alias("user_profile_list")
_COLUMN_OF = {
    PROFILE_LIST: "profile_list",
    CERTIFICATE_LIST: "certificate_list",
    USER_PROFILE_LIST: "user_profile_list",
}
# The condition of the index of what waits for its proof, word for word.
_IS_VERIFYING = text("status = 'verifying'")


class SQLInventoryStore:
    """
    Implements :class:`~scepd.ports.InventoryStore`.

    :param now: tells when a lease has ended.
    """

    def __init__(self, database: Database, now: Callable[[], datetime] = utc_now) -> None:
        self._database = database
        self._now = now

    async def inventory(self, host_uuid: str) -> HostInventory | None:
        """
        How the looks at a host went; None: it never acknowledged anything.
        """

        def query(connection: Connection) -> HostInventory | None:
            row = _OF_HOST.first(connection, of_host=host_uuid)
            return None if row is None else _record(row)

        return await self._database.read(query, glance=True)

    async def due_inventories(self, now: datetime, limit: int) -> Sequence[HostInventory]:
        """
        At most ``limit`` hosts that are to be asked over MDM by now, the longest due first.
        """

        def query(connection: Connection) -> list[HostInventory]:
            return [_record(row) for row in _DUE.all(connection, of_now=now, most=limit)]

        return await self._database.read(query)

    async def ask(self, asks: Sequence[InventoryAsk], now: datetime, lease: Lease | None) -> int:
        """
        Queue what hosts are asked, wish their pushes now, and set when they are due again.

        :param lease: None: an operator asks.
        :returns: how many hosts were sent a command that did not wait already.
        :raises Conflict: the lease has passed to another owner.
        """

        def unit(connection: Connection) -> int:
            if lease is not None:
                refuse_lost(connection, lease, self._now)
            asked = [_ask(connection, one, now) for one in asks]
            queued = [
                (each, one.host_uuid) for one, new in zip(asks, asked, strict=True) for each in new
            ]
            insert_commands(connection, queued)
            wish_pushes(connection, {each.enrollment_id for each, _ in queued}, now)
            return sum(map(bool, asked))

        return await self._database.write(unit, locks=lease is not None)

    async def ask_agent(self, host_uuid: str, now: datetime, activity: Activity) -> None:
        """
        Let a host's agent have its queries at once, and store the activity.
        """

        def unit(connection: Connection) -> None:
            change = update(host).where(host.c.uuid == host_uuid).values(inventory_due_at=now)
            connection.execute(change)
            insert_activity(connection, activity)

        await self._database.write(unit)

    async def unproved(self, before: datetime, limit: int) -> Sequence[UnprovedDelivery]:
        """
        At most ``limit`` deliveries that were acknowledged before that time, that nothing was said
        of since, and that are still verifying, the oldest first.
        """
        rows = host_profile.c
        page = (
            select(
                rows.host_uuid,
                rows.profile_uuid,
                rows.ca_name,
                rows.acknowledged_at,
                _COLUMNS.profiles_at,
                _COLUMNS.certificates_at,
            )
            .outerjoin(tables.inventory, _COLUMNS.host_uuid == rows.host_uuid)
            .where(_IS_VERIFYING, rows.acknowledged_at <= before, rows.detail == "")
            .order_by(rows.acknowledged_at)
            .limit(limit)
        )

        def query(connection: Connection) -> list[UnprovedDelivery]:
            return [UnprovedDelivery(*row) for row in connection.execute(page)]

        return await self._database.read(query)

    async def count_unproved(self, before: datetime) -> int:
        """
        How many deliveries that were acknowledged before that time are still verifying.
        """
        count = select(func.count(host_profile.c.acknowledged_at)).where(
            _IS_VERIFYING, host_profile.c.acknowledged_at <= before
        )

        def query(connection: Connection) -> int:
            return connection.scalar(count) or 0

        return await self._database.read(query)


# -- asking ----------------------------------------------------------------------------------------


def _ask(connection: Connection, ask: InventoryAsk, now: datetime) -> list[QueuedCommand]:
    """
    The commands that are to be queued now; what they replace is forgotten.
    """
    begin_inventory(connection, ask.host_uuid)
    one = select(tables.inventory).where(_COLUMNS.host_uuid == ask.host_uuid).with_for_update()
    row = connection.execute(one).first()
    if row is None:
        return []
    columns = {each.uuid: _COLUMN_OF[list_name(each, ask.host_uuid)] for each in ask.commands}
    new = [
        each
        for each in ask.commands
        if _forget_answered(connection, getattr(row, columns[each.uuid]))
    ]
    values: dict[str, object] = {"mdm_due_at": ask.again_at, "agent_until": ask.agent_until}
    if ask.commands:
        values["mdm_asked_at"] = now
    for each in new:
        values[columns[each.uuid]] = each.uuid
    change = update(tables.inventory).where(_COLUMNS.host_uuid == ask.host_uuid)
    connection.execute(change.values(values))
    return new


def _forget_answered(connection: Connection, uuid: str | None) -> bool:
    """
    Forget a command that has its answer.

    :returns: False when it still waits for one.
    """
    if uuid is None:
        return True
    one = select(command.c.finished_at).where(command.c.uuid == uuid)
    row = connection.execute(one).first()
    if row is None:
        return True
    if row.finished_at is None:
        return False
    connection.execute(delete(command).where(command.c.uuid == uuid))
    return True


def _user_channel(some: ColumnElement[bool]) -> ScalarSelect[str]:
    # What goes by another enrollment than the device's own goes to its user.
    return (
        select(host_profile.c.enrollment_id)
        .where(
            host_profile.c.host_uuid == _COLUMNS.host_uuid,
            host_profile.c.enrollment_id != _COLUMNS.host_uuid,
            some,
        )
        .limit(1)
        .scalar_subquery()
    )


def _looks() -> Select[tuple[object, ...]]:
    # Of several users that one who has something to prove.
    user_channel = func.coalesce(
        _user_channel(host_profile.c.status == Status.VERIFYING.value), _user_channel(true())
    )
    return (
        select(
            tables.inventory,
            host.c.platform,
            enrollment.c.enabled,
            _PROFILES.c.uuid.label("waiting_profiles"),
            _CERTIFICATES.c.uuid.label("waiting_certificates"),
            _USER_PROFILES.c.uuid.label("waiting_user_profiles"),
            user_channel.label("user_channel"),
        )
        .join(host, host.c.uuid == _COLUMNS.host_uuid)
        # The enrollment of the device itself has the host's uuid as its id.
        .outerjoin(enrollment, enrollment.c.id == _COLUMNS.host_uuid)
        .outerjoin(
            _PROFILES,
            (_PROFILES.c.uuid == _COLUMNS.profile_list) & _PROFILES.c.finished_at.is_(None),
        )
        .outerjoin(
            _CERTIFICATES,
            (_CERTIFICATES.c.uuid == _COLUMNS.certificate_list)
            & _CERTIFICATES.c.finished_at.is_(None),
        )
        .outerjoin(
            _USER_PROFILES,
            (_USER_PROFILES.c.uuid == _COLUMNS.user_profile_list)
            & _USER_PROFILES.c.finished_at.is_(None),
        )
    )


_OF_HOST = Prepared(_looks().where(_COLUMNS.host_uuid == bindparam("of_host")))
_DUE = Prepared(
    _looks()
    .where(_COLUMNS.mdm_due_at <= bindparam("of_now"))
    .order_by(_COLUMNS.mdm_due_at)
    .limit(bindparam("most"))
)


def _record(row: PreparedRow) -> HostInventory:
    waiting = {
        PROFILE_LIST: row.waiting_profiles,
        CERTIFICATE_LIST: row.waiting_certificates,
        USER_PROFILE_LIST: row.waiting_user_profiles,
    }
    return HostInventory(
        row.host_uuid,
        row.platform,
        bool(row.enabled),
        row.mdm_due_at,
        row.mdm_asked_at,
        row.agent_until,
        row.agent_at,
        row.profiles_at,
        row.profiles_source,
        row.certificates_at,
        row.certificates_source,
        row.unreadable,
        row.profile_list,
        row.certificate_list,
        frozenset(name for name, uuid in waiting.items() if uuid is not None),
        row.user_channel,
        row.user_profile_list,
    )
