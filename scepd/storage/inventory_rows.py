"""
What acknowledgements and inventories leave in the rows of inventories.

These run inside a caller's unit of work.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection, Text, bindparam, case, func, insert, or_, select, update

from scepd.model import InventoryTaken
from scepd.storage import tables
from scepd.storage.columns import UTCDateTime
from scepd.storage.prepared import Prepared, PreparedForSome
from scepd.storage.tables import host, host_profile

AGENT = "osquery"
"""
The source of inventories that are no device's answer.
"""
_COLUMNS = tables.inventory.c
_NOW = bindparam("now", type_=UTCDateTime)
_IS_HOST = _COLUMNS.host_uuid == bindparam("of_host")
_IS_KNOWN = select(_COLUMNS.host_uuid).where(_IS_HOST).exists()
_BEGIN = Prepared(
    insert(tables.inventory).from_select(
        ["host_uuid"], select(host.c.uuid).where(host.c.uuid == bindparam("of_host"), ~_IS_KNOWN)
    )
)
_BEGIN_DUE = Prepared(
    insert(tables.inventory).from_select(
        ["host_uuid", "mdm_due_at"],
        select(bindparam("of_host", type_=Text), _NOW).where(~_IS_KNOWN),
    )
)
_ASK_SOON = Prepared(
    update(tables.inventory)
    .where(
        _IS_HOST,
        or_(_COLUMNS.agent_until.is_(None), _COLUMNS.agent_until <= _NOW),
        or_(_COLUMNS.mdm_due_at.is_(None), _COLUMNS.mdm_due_at > _NOW),
    )
    .values(mdm_due_at=_NOW)
)
_ASK_AGENT_SOON = Prepared(
    update(host)
    .where(host.c.uuid == bindparam("of_host"), host.c.inventory_due_at > _NOW)
    .values(inventory_due_at=_NOW)
)
# One that an acknowledgement made due meanwhile stays so.
_ASK_AGENT_AGAIN = Prepared(
    update(host)
    .where(
        host.c.uuid == bindparam("of_host"),
        or_(host.c.inventory_due_at.is_(None), host.c.inventory_due_at > _NOW),
    )
    .values(inventory_due_at=bindparam("due_at"))
)
# What an inventory does not tell, None, stays as it is.
_NEW_OR_KEPT = {
    column.name: func.coalesce(bindparam(f"new_{column.name}", type_=column.type), column)
    for column in (
        _COLUMNS.agent_at,
        _COLUMNS.profiles_at,
        _COLUMNS.profiles_source,
        _COLUMNS.certificates_at,
        _COLUMNS.certificates_source,
        _COLUMNS.unreadable,
        _COLUMNS.agent_certificates_at,
    )
}
# One that an acknowledgement made due by then stays so; None: it does not.
_IS_DUE = _COLUMNS.mdm_due_at <= bindparam("due_before", type_=UTCDateTime)
_TAKE = Prepared(
    update(tables.inventory)
    .where(_IS_HOST)
    .values(
        **_NEW_OR_KEPT,
        agent_until=bindparam("until"),
        mdm_due_at=case(
            (_IS_DUE, _COLUMNS.mdm_due_at), else_=bindparam("due_at", type_=UTCDateTime)
        ),
    )
)
_LISTED = PreparedForSome(
    lambda profiles: (
        update(host_profile)
        .where(
            host_profile.c.host_uuid == bindparam("of_host"),
            host_profile.c.profile_uuid.in_(profiles),
            host_profile.c.acknowledged_at <= _NOW,
        )
        .values(listed_at=_NOW)
    )
)


def acknowledged(connection: Connection, host_uuids: Iterable[str], now: datetime) -> None:
    """
    Some hosts have just acknowledged something: their agents are to be asked now, and those whose
    osquery agent is not enough over MDM, too.
    """
    for uuid in sorted(host_uuids):
        _ASK_AGENT_SOON.change(connection, of_host=uuid, now=now)
        _BEGIN_DUE.change(connection, of_host=uuid, now=now)
        _ASK_SOON.change(connection, of_host=uuid, now=now)


def record_taken(
    connection: Connection, host_uuid: str, taken: InventoryTaken, now: datetime
) -> None:
    """
    Record that an inventory came, and when the next one is wanted.
    """
    begin_inventory(connection, host_uuid)
    is_agent = taken.source == AGENT
    is_enough = is_agent and taken.agent_until is not None
    profiles, certificates = taken.profiles, taken.certificates
    _TAKE.change(
        connection,
        of_host=host_uuid,
        until=taken.agent_until,
        due_at=taken.mdm_due_at,
        due_before=None if is_enough else now,
        new_agent_at=now if is_agent else None,
        new_profiles_at=now if profiles else None,
        new_profiles_source=taken.source if profiles else None,
        new_certificates_at=now if certificates else None,
        new_certificates_source=taken.source if certificates else None,
        new_unreadable=taken.unreadable if certificates else None,
        new_agent_certificates_at=now if certificates and is_agent else None,
    )
    if taken.agent_due_at is not None:
        _ASK_AGENT_AGAIN.change(connection, of_host=host_uuid, now=now, due_at=taken.agent_due_at)
    _LISTED.change(connection, sorted(taken.listed), of_host=host_uuid, now=now)


def begin_inventory(connection: Connection, host_uuid: str) -> None:
    """
    Let a host have a row of inventories, if it is there.
    """
    _BEGIN.change(connection, of_host=host_uuid)
