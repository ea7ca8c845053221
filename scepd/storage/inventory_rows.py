"""
What acknowledgements and inventories leave in the rows of inventories.

These run inside a caller's unit of work.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import cache

from sqlalchemy import Connection, Text, bindparam, case, insert, or_, select, update

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
    more: dict[str, object] = {}
    if taken.profiles or taken.certificates:
        more["source"] = taken.source
    if taken.certificates:
        more["unreadable"] = taken.unreadable
    change = _taken(
        is_agent=is_agent,
        is_enough=is_agent and taken.agent_until is not None,
        profiles=taken.profiles,
        certificates=taken.certificates,
    )
    change.change(
        connection,
        of_host=host_uuid,
        now=now,
        until=taken.agent_until,
        due_at=taken.mdm_due_at,
        **more,
    )
    if taken.agent_due_at is not None:
        _ASK_AGENT_AGAIN.change(connection, of_host=host_uuid, now=now, due_at=taken.agent_due_at)
    _LISTED.change(connection, sorted(taken.listed), of_host=host_uuid, now=now)


@cache
def _taken(*, is_agent: bool, is_enough: bool, profiles: bool, certificates: bool) -> Prepared:
    due_at = bindparam("due_at", type_=UTCDateTime)
    values: dict[str, object] = {"agent_until": bindparam("until"), "mdm_due_at": due_at}
    if not is_enough:
        # One that an acknowledgement made due meanwhile stays so.
        is_due = _COLUMNS.mdm_due_at <= _NOW
        values["mdm_due_at"] = case((is_due, _COLUMNS.mdm_due_at), else_=due_at)
    if is_agent:
        values["agent_at"] = _NOW
    if profiles:
        values |= {"profiles_at": _NOW, "profiles_source": bindparam("source")}
    if certificates:
        values |= {
            "certificates_at": _NOW,
            "certificates_source": bindparam("source"),
            "unreadable": bindparam("unreadable"),
        }
        if is_agent:
            values["agent_certificates_at"] = _NOW
    return Prepared(update(tables.inventory).where(_IS_HOST).values(values))


def begin_inventory(connection: Connection, host_uuid: str) -> None:
    """
    Let a host have a row of inventories, if it is there.
    """
    _BEGIN.change(connection, of_host=host_uuid)
