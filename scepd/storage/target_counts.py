"""
How many hosts a profile has.

These run inside a caller's unit of work.
"""

from __future__ import annotations

from sqlalchemy import Connection, func, select

from scepd.model import TargetCount
from scepd.profiles.lifecycle import Operation
from scepd.storage.tables import host_profile, profile_sweep


def target_count(connection: Connection, profile_uuid: str) -> TargetCount:
    """
    Count the hosts that should have a profile, and those that are still to lose it.
    """
    by_operation = (
        select(host_profile.c.operation, func.count())
        .where(host_profile.c.profile_uuid == profile_uuid)
        .group_by(host_profile.c.operation)
    )
    counts = {row[0]: row[1] for row in connection.execute(by_operation)}
    sweep = select(profile_sweep.c.after).where(profile_sweep.c.profile_uuid == profile_uuid)
    return TargetCount(
        counts.get(Operation.INSTALL.value, 0),
        counts.get(Operation.REMOVE.value, 0),
        connection.scalar(sweep) is None,
    )
