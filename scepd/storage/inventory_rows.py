"""
What acknowledgements and inventories leave in the rows of inventories.

These run inside a caller's unit of work.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection, and_, case, insert, literal, or_, select, update

from scepd.model import InventoryTaken
from scepd.storage import tables
from scepd.storage.columns import UTCDateTime
from scepd.storage.tables import host, host_profile

_COLUMNS = tables.inventory.c


def acknowledged(connection: Connection, host_uuids: Iterable[str], now: datetime) -> None:
    """
    Some hosts have just acknowledged something: those whose osquery agent is not enough are to be
    asked over MDM now.
    """
    for uuid in sorted(host_uuids):
        known = select(_COLUMNS.host_uuid).where(_COLUMNS.host_uuid == uuid)
        new = select(literal(uuid), literal(now, UTCDateTime)).where(~known.exists())
        added = insert(tables.inventory).from_select(["host_uuid", "mdm_due_at"], new)
        connection.execute(added)
        is_wanted = and_(
            or_(_COLUMNS.agent_until.is_(None), _COLUMNS.agent_until <= now),
            or_(_COLUMNS.mdm_due_at.is_(None), _COLUMNS.mdm_due_at > now),
        )
        connection.execute(
            update(tables.inventory)
            .where(_COLUMNS.host_uuid == uuid, is_wanted)
            .values(mdm_due_at=now)
        )


def record_taken(
    connection: Connection, host_uuid: str, taken: InventoryTaken, now: datetime
) -> None:
    """
    Record that an inventory came, and when the next one is wanted.
    """
    begin_inventory(connection, host_uuid)
    change = update(tables.inventory).where(_COLUMNS.host_uuid == host_uuid)
    connection.execute(change.values(_taken_columns(taken, now)))
    if taken.agent_due_at is not None:
        # One that an acknowledgement made due meanwhile stays so.
        is_idle = or_(host.c.inventory_due_at.is_(None), host.c.inventory_due_at > now)
        connection.execute(
            update(host)
            .where(host.c.uuid == host_uuid, is_idle)
            .values(inventory_due_at=taken.agent_due_at)
        )
    if taken.listed:
        rows = host_profile.c
        connection.execute(
            update(host_profile)
            .where(
                rows.host_uuid == host_uuid,
                rows.profile_uuid.in_(sorted(taken.listed)),
                rows.acknowledged_at <= now,
            )
            .values(listed_at=now)
        )


def _taken_columns(taken: InventoryTaken, now: datetime) -> dict[str, object]:
    is_agent = taken.source == "osquery"
    due_at = literal(taken.mdm_due_at, UTCDateTime)
    values: dict[str, object] = {"agent_until": taken.agent_until, "mdm_due_at": due_at}
    if not (is_agent and taken.agent_until is not None):
        # One that an acknowledgement made due meanwhile stays so.
        values["mdm_due_at"] = case((_COLUMNS.mdm_due_at <= now, _COLUMNS.mdm_due_at), else_=due_at)
    if is_agent:
        values["agent_at"] = now
    if taken.profiles:
        values |= {"profiles_at": now, "profiles_source": taken.source}
    if taken.certificates:
        values |= {
            "certificates_at": now,
            "certificates_source": taken.source,
            "unreadable": taken.unreadable,
        }
        if is_agent:
            values["agent_certificates_at"] = now
    return values


def begin_inventory(connection: Connection, host_uuid: str) -> None:
    """
    Let a host have a row of inventories, if it is there.
    """
    known = select(_COLUMNS.host_uuid).where(_COLUMNS.host_uuid == host_uuid)
    is_there = select(host.c.uuid).where(host.c.uuid == host_uuid, ~known.exists())
    connection.execute(insert(tables.inventory).from_select(["host_uuid"], is_there))
