"""
Enrollments as rows: read, stored, disabled.

These run inside a caller's unit of work.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Row, delete, insert, select, update

from scepd.model import Enrollment, PushAddress
from scepd.pki.keyring import SealedSecret
from scepd.storage.identities import unpin
from scepd.storage.tables import device_identity, enrollment, push

DEVICE_KINDS = ("device", "user-enrollment")
"""
Enrollments of whole devices, also of those that their users own.
"""
USER_KINDS = ("user", "user-enrollment-user")
"""
User channels of such devices.
"""
NO_BOOTSTRAP_TOKEN = {"bootstrap_key_id": None, "bootstrap_token": None}
"""
The columns of an enrollment without one.
"""


def enrollment_record(row: Row[tuple[object, ...]]) -> Enrollment:
    """
    The record of a row of enrollment.
    """
    address = None
    if row.push is not None:
        address = PushAddress(row.push_topic, SealedSecret(row.push_key_id, row.push))
    return Enrollment(
        row.id,
        row.host_uuid,
        row.kind,
        row.enabled,
        address,
        row.enrolled_at,
        row.last_seen,
        row.user_name,
    )


def put_enrollment(connection: Connection, new: Enrollment) -> None:
    """
    Store an enrollment, in place of one of the same id, disabled and without an address; whoever
    enrolled does not get the bootstrap token of the device that was enrolled before.
    """
    values = {
        "host_uuid": new.host_uuid,
        "kind": new.kind,
        "enabled": False,
        "push_topic": None,
        "push_key_id": None,
        "push": None,
        "token_updated_at": None,
        "enrolled_at": new.enrolled_at,
        "last_seen": new.last_seen,
        "user_name": new.user_name,
        **NO_BOOTSTRAP_TOKEN,
    }
    same = enrollment.c.id == new.id
    if not connection.execute(update(enrollment).where(same).values(values)).rowcount:
        connection.execute(insert(enrollment).values(id=new.id, **values))


def disable(connection: Connection, some: ColumnElement[bool], now: datetime) -> None:
    """
    Disable some enrollments, unpin their identities, and forget the wishes to push them and their
    bootstrap tokens.
    """
    ids = select(enrollment.c.id).where(some)
    unpin(connection, device_identity.c.enrollment_id.in_(ids), now)
    connection.execute(delete(push).where(push.c.enrollment_id.in_(ids)))
    connection.execute(update(enrollment).where(some).values(enabled=False, **NO_BOOTSTRAP_TOKEN))


def is_enabled(connection: Connection, enrollment_id: str) -> bool:
    """
    Whether an enrollment is enabled.
    """
    one = select(enrollment.c.enabled).where(enrollment.c.id == enrollment_id)
    return bool(connection.scalar(one))
