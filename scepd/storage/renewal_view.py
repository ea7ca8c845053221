"""
The certificates that operators look at, in the database.

These run inside a caller's unit of work.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy import Connection, Select, and_, literal_column, or_, select

from scepd.model import (
    CertificateQuery,
    CertificateState,
    ManagedCertificate,
    WatchedCertificate,
)
from scepd.profiles.lifecycle import Operation
from scepd.storage.assignments import assignment_record
from scepd.storage.certificates import certificate_record
from scepd.storage.row_columns import AssignmentRow
from scepd.storage.tables import host, host_profile, managed_certificate

_COLUMNS = host_profile.c
# The condition of the indexes of expiry, word for word.
IS_WATCHED = and_(
    _COLUMNS.enrollment_id.is_not(None),
    _COLUMNS.ca_name.is_not(None),
    _COLUMNS.operation == literal_column(f"'{Operation.INSTALL.value}'"),
)
"""
Whether a host is enrolled and should have a profile with a certificate: only then it is renewed.
"""


def watched_page(connection: Connection, query: CertificateQuery) -> list[WatchedCertificate]:
    """
    A page of the certificates in a state: the longest overdue first, else the soonest expiry.
    """
    rows = connection.execute(_page(query)).all()
    certificates = _certificates(connection, rows, retired=query.retired)
    return [_record(row, certificates[row.host_uuid, row.profile_uuid]) for row in rows]


def _page(query: CertificateQuery) -> Select[tuple[object, ...]]:
    time = _COLUMNS.expires_at
    some = {
        CertificateState.CURRENT: time.is_not(None),
        CertificateState.EXPIRING: and_(time > query.now, time <= query.expires_before),
        CertificateState.EXPIRED: time <= query.now,
        CertificateState.OVERDUE: _COLUMNS.overdue_at <= query.now,
    }[query.state]
    if query.state is CertificateState.OVERDUE:
        time = _COLUMNS.overdue_at
    page = (
        select(host_profile, host.c.serial_number)
        .join(host, host.c.uuid == _COLUMNS.host_uuid)
        .where(IS_WATCHED, some)
        .order_by(time, _COLUMNS.host_uuid, _COLUMNS.profile_uuid)
        .limit(query.limit)
    )
    if query.host_uuid is not None:
        page = page.where(_COLUMNS.host_uuid == query.host_uuid)
    if query.after is not None:
        moment, host_uuid, profile_uuid = query.after
        later_there = or_(
            _COLUMNS.host_uuid > host_uuid,
            and_(_COLUMNS.host_uuid == host_uuid, _COLUMNS.profile_uuid > profile_uuid),
        )
        page = page.where(time >= moment, or_(time > moment, later_there))
    return page


def _certificates(
    connection: Connection, rows: Sequence[AssignmentRow], *, retired: bool
) -> dict[tuple[str, str], list[ManagedCertificate]]:
    columns = managed_certificate.c
    some = (
        select(managed_certificate)
        .where(columns.host_uuid.in_(sorted({row.host_uuid for row in rows})))
        .order_by(columns.not_before.desc(), columns.sha1.desc())
    )
    if not retired:
        some = some.where(columns.retired_at.is_(None))
    found: dict[tuple[str, str], list[ManagedCertificate]] = defaultdict(list)
    for row in connection.execute(some):
        found[row.host_uuid, row.profile_uuid].append(certificate_record(row))
    return found


def _record(row: AssignmentRow, certificates: Sequence[ManagedCertificate]) -> WatchedCertificate:
    # Without a time nobody knows which certificate the device uses.
    that_count = [
        one for one in certificates if one.retired_at is None and row.expires_at is not None
    ]
    return WatchedCertificate(
        assignment_record(row),
        row.serial_number,
        row.renew_at,
        row.expires_at,
        row.overdue_at,
        that_count[0] if that_count else None,
        tuple(one for one in certificates if one not in that_count[:1]),
    )
