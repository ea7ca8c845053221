"""
What of a host's profiles changes with its values.

These run inside a caller's unit of work.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, Row, select

from scepd.model import RowEvent
from scepd.profiles.facts import changed_values, host_values
from scepd.profiles.lifecycle import Event, Operation, RetrySettings
from scepd.profiles.variables import HostValues
from scepd.storage.rows import RowChanges
from scepd.storage.tables import host, host_profile, profile_variable

HostRow = Row[tuple[object, ...]]
"""
A row of host.
"""


def host_row(connection: Connection, host_uuid: str) -> HostRow | None:
    """
    What is known of a host, if it is there.
    """
    return connection.execute(select(host).where(host.c.uuid == host_uuid)).first()


def facts_changed(
    connection: Connection,
    before: HostRow,
    after: HostRow,
    now: datetime,
    settings: RetrySettings,
) -> None:
    """
    Let HOST_FACT_CHANGED happen to the assignments of an enrolled host whose profile uses a value
    that changed.
    """
    names = changed_values(_values(before), _values(after))
    if not names:
        return
    using = select(profile_variable.c.profile_uuid).where(profile_variable.c.name.in_(names))
    some = select(host_profile).where(
        host_profile.c.host_uuid == after.uuid,
        host_profile.c.operation == Operation.INSTALL.value,
        host_profile.c.enrollment_id.is_not(None),
        host_profile.c.profile_uuid.in_(using),
    )
    changes = RowChanges(connection, now, settings)
    for row in connection.execute(some).all():
        event = RowEvent(row.host_uuid, row.profile_uuid, Event.HOST_FACT_CHANGED)
        changes.change(row, event)
    changes.write()


def _values(row: HostRow) -> HostValues:
    return host_values(row.uuid, row.serial_number, row.platform, row.facts)
