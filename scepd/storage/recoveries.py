"""
What failed because of a certificate authority that is there now, or was mended: all of it is made
due, some in a transaction.

These run inside a caller's unit of work.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, delete, insert, literal_column, select

from scepd.model import RowEvent
from scepd.profiles.lifecycle import Event, RetrySettings, Status
from scepd.storage.outages import end_pauses
from scepd.storage.rows import RowChanges
from scepd.storage.tables import authority_recovery, host_profile

RECOVERED_AT_ONCE = 500
"""
Assignments; they hold the database for about a twentieth of a second.
"""

_ROWS = host_profile.c


def begin_recovery(
    connection: Connection,
    ca_name: str,
    now: datetime,
    settings: RetrySettings,
    limit: int = RECOVERED_AT_ONCE,
) -> None:
    """
    Let AUTHORITY_RECOVERED happen to some assignments of enrolled hosts that failed of that
    certificate authority. The rest is remembered, for :func:`go_on_recovering`: there may be more,
    and a tick that is under way may let some fail yet.
    What waits for it in a longer pause is due.
    """
    end_pauses(connection, ca_name, now)
    _forget(connection, ca_name)
    connection.execute(insert(authority_recovery).values(ca_name=ca_name, begun_at=now))
    _recover(connection, ca_name, now, settings, limit)


def go_on_recovering(
    connection: Connection, now: datetime, settings: RetrySettings, limit: int
) -> bool:
    """
    Go on with the oldest recovery that was begun.

    :returns: whether there may be more to do.
    """
    columns = authority_recovery.c
    oldest = select(columns.ca_name).order_by(columns.begun_at).limit(1)
    ca_name = connection.scalar(oldest)
    if ca_name is None:
        return False
    if _recover(connection, ca_name, now, settings, limit) < limit:
        _forget(connection, ca_name)
    return True


def _recover(
    connection: Connection,
    ca_name: str,
    now: datetime,
    settings: RetrySettings,
    limit: int,
) -> int:
    failed = (
        select(host_profile)
        .where(
            _ROWS.ca_name == ca_name,
            # Spelled out, so that the index of failures serves.
            _ROWS.status == literal_column(f"'{Status.FAILED.value}'"),
            _ROWS.enrollment_id.is_not(None),
        )
        .order_by(_ROWS.host_uuid)
        .limit(limit)
        .with_for_update()
    )
    changes = RowChanges(connection, now, settings)
    rows = connection.execute(failed).all()
    for row in rows:
        changes.change(row, RowEvent(row.host_uuid, row.profile_uuid, Event.AUTHORITY_RECOVERED))
    changes.write()
    return len(rows)


def _forget(connection: Connection, ca_name: str) -> None:
    same = authority_recovery.c.ca_name == ca_name
    connection.execute(delete(authority_recovery).where(same))
