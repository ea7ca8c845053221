"""
Certificates that an inventory lacks for sure: they count no more.

These run inside a caller's unit of work.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, and_, bindparam, or_, select, update

from scepd.model import InventoryTaken, RowEvent
from scepd.profiles.lifecycle import Event, Operation, Status
from scepd.storage.inventory_rows import AGENT
from scepd.storage.prepared import Prepared, PreparedForSome, PreparedRow
from scepd.storage.row_writes import IS_ROW
from scepd.storage.tables import host_profile, inventory, managed_certificate

_COLUMNS = managed_certificate.c
# Only for these it matters what the device still has; a certificate that only can't be told from
# others goes on bringing its renewal.
_UNDELIVERED = (Status.PENDING.value, Status.FAILED.value)
_COUNTING = Prepared(
    select(
        _COLUMNS.sha1,
        _COLUMNS.profile_uuid,
        _COLUMNS.source,
        _COLUMNS.sha256,
        _COLUMNS.shown_at,
        _COLUMNS.renew_at,
        _COLUMNS.not_after,
        _COLUMNS.not_before,
        inventory.c.agent_certificates_at,
    )
    .join(
        host_profile,
        and_(
            host_profile.c.host_uuid == _COLUMNS.host_uuid,
            host_profile.c.profile_uuid == _COLUMNS.profile_uuid,
        ),
    )
    .outerjoin(inventory, inventory.c.host_uuid == _COLUMNS.host_uuid)
    .where(
        _COLUMNS.host_uuid == bindparam("of_host"),
        _COLUMNS.retired_at.is_(None),
        host_profile.c.operation == Operation.INSTALL.value,
        or_(*[host_profile.c.status == status for status in _UNDELIVERED]),
    )
)
_RETIRE = PreparedForSome(
    lambda sha1s: (
        update(managed_certificate)
        .where(_COLUMNS.host_uuid == bindparam("of_host"), _COLUMNS.sha1.in_(sha1s))
        .values(retired_at=bindparam("now"))
    )
)
_FORGET = update(host_profile).where(IS_ROW)


def retire_missing(
    connection: Connection,
    host_uuid: str,
    taken: InventoryTaken,
    events: Sequence[RowEvent],
    now: datetime,
) -> None:
    """
    Certificates of assignments that wait for a delivery, or failed, count no more when the host
    surely lost them: a failure is a failure then, and nothing is said to expire.

    :param events: that the same inventory brought.
    """
    if taken.shown is None:
        return
    lacking = {
        event.profile_uuid for event in events if event.event is Event.PROFILE_MISSED_PAST_GRACE
    }
    of_profile = defaultdict(list)
    for row in _COUNTING.all(connection, of_host=host_uuid):
        of_profile[row.profile_uuid].append(row)
    for profile_uuid, rows in of_profile.items():
        is_lacking = profile_uuid in lacking
        gone = [row for row in rows if _is_gone(row, taken, is_lacking=is_lacking)]
        if gone:
            left = [row for row in rows if row not in gone]
            _RETIRE.change(connection, [row.sha1 for row in gone], of_host=host_uuid, now=now)
            _forget(connection, host_uuid, profile_uuid, left)


def _is_gone(row: PreparedRow, taken: InventoryTaken, *, is_lacking: bool) -> bool:
    """
    Whether a certificate that an inventory lacks is gone, and not only beyond its sight: it must
    have shown it before.

    :param is_lacking: whether it surely lacks the profile, too.
    """
    if taken.shown is None or row.sha1 in taken.shown:
        return False
    by_agent = row.source == AGENT
    if taken.source == AGENT:
        # An agent does not see everything, but with a profile goes what came with it.
        return by_agent and is_lacking
    agent_at = row.agent_certificates_at
    is_vouched = by_agent and agent_at is not None and row.shown_at >= agent_at
    return bool(row.sha256) and not is_vouched


def _forget(
    connection: Connection,
    host_uuid: str,
    profile_uuid: str,
    left: Sequence[PreparedRow],
) -> None:
    """
    Let the assignment expire as the newest certificate that is left; without one not at all.
    """
    values: dict[str, object] = {"renew_at": None, "expires_at": None, "overdue_at": None}
    if left:
        newest = max(left, key=lambda row: (row.not_before, row.sha1))
        values = {"renew_at": newest.renew_at, "expires_at": newest.not_after}
    else:
        values["alarm"] = ""
    key = {"row_host": host_uuid, "row_profile": profile_uuid}
    connection.execute(_FORGET.values(values), key)
