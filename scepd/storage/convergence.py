"""
Assignments brought in line with the profiles, their content and their targets: what should be on a
host, and is not, happens to its rows.

These run inside a caller's unit of work, and change nothing when all is as it should be.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Row, and_, delete, insert, select, update

from scepd.model import RowEvent
from scepd.profiles.lifecycle import Event, Operation, RetrySettings
from scepd.storage.first_assignments import assign_targets
from scepd.storage.rows import RowChanges
from scepd.storage.tables import enrollment, host, host_profile, profile, profile_sweep
from scepd.storage.targets import is_target

SWEPT_AT_ONCE = 100
"""
Hosts that one unit of work looks at. It compares what it reads with what others change meanwhile,
as labels do, and has to be small to get through beside many busy devices.
"""

_ROWS = host_profile.c


def converge_host(
    connection: Connection, host_uuid: str, now: datetime, settings: RetrySettings
) -> None:
    """
    Bring all assignments of a host in line.
    """
    _converge(
        connection,
        _ROWS.host_uuid == host_uuid,
        enrollment.c.host_uuid == host_uuid,
        now,
        settings,
    )


def begin_sweep(
    connection: Connection,
    profile_uuid: str,
    now: datetime,
    settings: RetrySettings,
    limit: int = SWEPT_AT_ONCE,
) -> None:
    """
    Bring the first assignments of a profile that was changed or removed in line; what is left is
    remembered, and done by :func:`advance_sweep`.

    :param limit: hosts.
    """
    connection.execute(delete(profile_sweep).where(profile_sweep.c.profile_uuid == profile_uuid))
    start = {"profile_uuid": profile_uuid, "after": "", "started_at": now}
    connection.execute(insert(profile_sweep).values(start))
    advance_sweep(connection, profile_uuid, now, settings, limit)


def advance_sweep(
    connection: Connection,
    profile_uuid: str,
    now: datetime,
    settings: RetrySettings,
    limit: int = SWEPT_AT_ONCE,
) -> bool:
    """
    Bring the assignments of a profile on the next hosts in line.

    :param limit: hosts.
    :returns: whether there are more to come.
    """
    same = profile_sweep.c.profile_uuid == profile_uuid
    one = select(profile_sweep.c.after).where(same).with_for_update()
    after: str | None = connection.scalar(one)
    if after is None:
        return False
    last = _last_of_page(connection, profile_uuid, after, limit)
    rows, pairs = _ROWS.profile_uuid == profile_uuid, profile.c.uuid == profile_uuid
    _converge(
        connection,
        and_(rows, _is_between(_ROWS.host_uuid, after, last)),
        and_(pairs, _is_between(enrollment.c.host_uuid, after, last)),
        now,
        settings,
    )
    if last is None:
        connection.execute(delete(profile_sweep).where(same))
        return False
    connection.execute(update(profile_sweep).where(same).values(after=last))
    return True


def _last_of_page(connection: Connection, profile_uuid: str, after: str, limit: int) -> str | None:
    """
    The last host of a full page; None: what follows is less than one.
    """
    uuid: ColumnElement[str] = host.c.uuid
    of_page = select(uuid)
    if connection.scalar(select(profile.c.uuid).where(profile.c.uuid == profile_uuid)) is None:
        # A profile that is gone matters only where it has rows.
        uuid = _ROWS.host_uuid
        of_page = select(uuid).where(_ROWS.profile_uuid == profile_uuid)
    page = of_page.where(uuid > after).order_by(uuid)
    last: str | None = connection.scalar(page.limit(1).offset(limit - 1))
    return last


def _is_between(uuid: ColumnElement[str], after: str, last: str | None) -> ColumnElement[bool]:
    return uuid > after if last is None else and_(uuid > after, uuid <= last)


def _converge(
    connection: Connection,
    rows: ColumnElement[bool],
    pairs: ColumnElement[bool],
    now: datetime,
    settings: RetrySettings,
) -> None:
    """
    :param rows: narrows the rows that are there.
    :param pairs: narrows the pairs of ``enrollment`` and ``profile`` that get one.
    """
    changes = RowChanges(connection, now, settings)
    found = (
        select(
            host_profile,
            profile.c.sha256.label("wanted_sha256"),
            is_target(_ROWS.host_uuid).label("is_wanted"),
        )
        .select_from(host_profile.outerjoin(profile, profile.c.uuid == _ROWS.profile_uuid))
        .where(rows)
    )
    for row in connection.execute(found).all():
        event = _event_of(row)
        if event is not None:
            changes.change(row, RowEvent(row.host_uuid, row.profile_uuid, event))
    changes.write()
    assign_targets(connection, pairs, now)


def _event_of(row: Row[tuple[object, ...]]) -> Event | None:
    """
    What happens to a row that is not as it should be.
    """
    installs = row.operation == Operation.INSTALL.value
    if row.wanted_sha256 is None or not row.is_wanted:
        if not installs:
            return None
        return Event.UNASSIGNED if row.offered else Event.UNASSIGNED_UNOFFERED
    if row.enrollment_id is None:
        # It is parked; when the host enrolls again, its rows begin anew.
        return None
    if not installs:
        return Event.ASSIGNED
    return Event.CONTENT_CHANGED if row.content_sha256 != row.wanted_sha256 else None
