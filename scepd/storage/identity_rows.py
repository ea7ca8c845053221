"""
Identities as rows: read, for renewals and for operators.

These run inside a caller's unit of work.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, select

from scepd.model import DeviceIdentity, LookedAtIdentity, PendingRenewal
from scepd.storage import tables
from scepd.storage.enrollments import DEVICE_KINDS
from scepd.storage.identities import IS_RENEWAL, renewal_waits
from scepd.storage.tables import ca_state, device_identity, issued_certificate

_COLUMNS = device_identity.c
_ISSUED = issued_certificate.c
_ENROLLMENT = tables.enrollment.c
IN_USE = and_(
    _COLUMNS.confirmed_at.is_not(None),
    _COLUMNS.retired_at.is_(None),
    _ENROLLMENT.enabled.is_(True),
    _ENROLLMENT.kind.in_(DEVICE_KINDS),
)
"""
The condition for identities that enabled devices use.
"""


def looked_at() -> Select[tuple[object, ...]]:
    """
    Identities, as somebody looks at them who may have to renew them; to be narrowed down.
    """
    return (
        select(
            _COLUMNS.certificate_sha256,
            _COLUMNS.enrollment_id,
            _ENROLLMENT.host_uuid,
            _ISSUED.issued_at,
            _ISSUED.not_after,
            ca_state.c.replaced_at,
            _COLUMNS.renewal_failures,
            renewal_waits(_COLUMNS.enrollment_id).label("pending"),
        )
        .select_from(device_identity)
        .join(tables.enrollment, _ENROLLMENT.id == _COLUMNS.enrollment_id)
        .join(issued_certificate, _ISSUED.sha256 == _COLUMNS.certificate_sha256)
        .outerjoin(ca_state, ca_state.c.serial == _ISSUED.issuer_serial)
    )


def looked_at_record(row: Row[tuple[object, ...]]) -> LookedAtIdentity:
    """
    The record of a row of :func:`looked_at`.
    """
    return LookedAtIdentity(
        row.certificate_sha256,
        row.enrollment_id,
        row.host_uuid,
        row.issued_at,
        row.not_after,
        row.replaced_at,
        row.renewal_failures,
        bool(row.pending),
    )


def is_renewed_by(command_uuid: str) -> ColumnElement[bool]:
    """
    The condition for the identity that a command renews, which is one of the command's enrollment.
    """
    columns = tables.command.c
    of_it = select(columns.enrollment_id).where(columns.uuid == command_uuid).scalar_subquery()
    return and_(_COLUMNS.enrollment_id == of_it, _COLUMNS.renewal_command == command_uuid)


def pending_renewal(connection: Connection, command_uuid: str) -> PendingRenewal | None:
    """
    What a command renews; None: it renews nothing, or the enrollment has begun anew or ended.
    """
    one = (
        select(
            _COLUMNS.enrollment_id,
            _ENROLLMENT.host_uuid,
            _ENROLLMENT.push_topic,
            _COLUMNS.not_after,
            _COLUMNS.renewal_failures,
            tables.command.c.created_at,
        )
        .select_from(device_identity)
        .join(tables.enrollment, _ENROLLMENT.id == _COLUMNS.enrollment_id)
        .join(tables.command, tables.command.c.uuid == _COLUMNS.renewal_command)
        .where(is_renewed_by(command_uuid))
    )
    row = connection.execute(one).first()
    if row is None:
        return None
    newer = (
        select(_COLUMNS.certificate_sha256)
        .join(issued_certificate, _ISSUED.sha256 == _COLUMNS.certificate_sha256)
        .where(
            _COLUMNS.enrollment_id == row.enrollment_id,
            _COLUMNS.confirmed_at.is_not(None),
            _COLUMNS.retired_at.is_(None),
            _COLUMNS.pinned_at > row.created_at,
            IS_RENEWAL,
        )
        .limit(1)
    )
    return PendingRenewal(
        row.enrollment_id,
        row.host_uuid,
        row.push_topic,
        row.not_after,
        row.renewal_failures,
        connection.scalar(newer) is not None,
    )


def described() -> Select[tuple[object, ...]]:
    """
    Identities with what operators see of them; to be narrowed down.
    """
    return (
        select(
            device_identity,
            _ENROLLMENT.host_uuid,
            _ISSUED.serial,
            _ISSUED.subject,
            _ISSUED.issued_at,
            _ISSUED.revoked_at,
            ca_state.c.replaced_at,
            tables.command.c.status,
        )
        .select_from(device_identity)
        .join(tables.enrollment, _ENROLLMENT.id == _COLUMNS.enrollment_id)
        .outerjoin(issued_certificate, _ISSUED.sha256 == _COLUMNS.certificate_sha256)
        .outerjoin(ca_state, ca_state.c.serial == _ISSUED.issuer_serial)
        .outerjoin(tables.command, tables.command.c.uuid == _COLUMNS.renewal_command)
    )


def identity_record(row: Row[tuple[object, ...]]) -> DeviceIdentity:
    """
    The record of a row of :func:`described`.
    """
    return DeviceIdentity(
        certificate_sha256=row.certificate_sha256,
        enrollment_id=row.enrollment_id,
        host_uuid=row.host_uuid,
        serial=row.serial or "",
        subject=row.subject or "",
        issued_at=row.issued_at,
        not_after=row.not_after,
        issuer_replaced_at=row.replaced_at,
        pinned_at=row.pinned_at,
        confirmed_at=row.confirmed_at,
        retired_at=row.retired_at,
        revoked_at=row.revoked_at,
        look_at=row.look_at,
        renewal_command=row.renewal_command,
        renewal_status=row.status or "",
        renewal_begun_at=row.renewal_begun_at,
        renewal_failures=row.renewal_failures,
        renewal_failed_at=row.renewal_failed_at,
        renewal_detail=row.renewal_detail,
    )
