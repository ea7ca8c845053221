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
    sweep = select(profile_sweep.c.after).where(profile_sweep.c.profile_uuid == profile_uuid)
    return TargetCount(
        _count(connection, profile_uuid, Operation.INSTALL),
        _count(connection, profile_uuid, Operation.REMOVE),
        connection.scalar(sweep) is None,
    )


def _count(connection: Connection, profile_uuid: str, operation: Operation) -> int:
    some = select(func.count()).where(
        host_profile.c.profile_uuid == profile_uuid, host_profile.c.operation == operation.value
    )
    return connection.scalar(some) or 0
