"""
The certificates that were seen on hosts, and when they bring a renewal.

These run inside a caller's unit of work.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, Row, bindparam, insert, select, update

from scepd.model import ManagedCertificate
from scepd.profiles.certificate_renewal import OverdueRule
from scepd.storage.columns import UTCDateTime
from scepd.storage.row_writes import IS_CURRENT_OF_ROW
from scepd.storage.rows import is_of
from scepd.storage.tables import host_profile, managed_certificate

# Made once: each inventory runs them.
_COLUMNS = managed_certificate.c
_NEWEST = (
    select(_COLUMNS.sha1, _COLUMNS.renew_at, _COLUMNS.not_after)
    .where(IS_CURRENT_OF_ROW)
    .order_by(_COLUMNS.not_before.desc(), _COLUMNS.sha1.desc())
    .limit(1)
)
_RETIRE = (
    update(managed_certificate)
    .where(IS_CURRENT_OF_ROW, _COLUMNS.sha1 != bindparam("newest"))
    .values(retired_at=bindparam("now", type_=UTCDateTime))
)
_SEEN = select(_COLUMNS.sha1, _COLUMNS.renew_at).where(_COLUMNS.host_uuid == bindparam("of_host"))


def certificate_record(row: Row[tuple[object, ...]]) -> ManagedCertificate:
    """
    The record of a row of managed_certificate.
    """
    return ManagedCertificate(
        row.host_uuid,
        row.sha1,
        row.profile_uuid,
        row.ca_name,
        row.subject,
        row.issuer,
        row.serial,
        row.not_before,
        row.not_after,
        row.source,
        row.first_seen,
        row.renew_at,
        row.retired_at,
        sha256=row.sha256,
        window_number=row.window_number,
    )


def record_certificates(
    connection: Connection,
    host_uuid: str,
    certificates: Sequence[ManagedCertificate],
    now: datetime,
    overdue: OverdueRule,
) -> None:
    """
    Record the certificates that an inventory showed; of each profile only the newest counts from
    then on.

    The first sight of each is kept, and a time of renewal that was counted from it moves to no
    later one.

    :param overdue: when the renewal of one is overdue.
    """
    seen = connection.execute(_SEEN, {"of_host": host_uuid})
    known: dict[str, datetime] = {row.sha1: row.renew_at for row in seen}
    for one in certificates:
        if one.sha1 in known:
            renew_at = min(known[one.sha1], one.renew_at)
            _update(connection, host_uuid, one, renew_at)
            # An assignment without a time has none on purpose: no old certificate gives it one.
            if not _has_time(connection, host_uuid, one.profile_uuid):
                continue
        else:
            values = _values(one) | {"host_uuid": host_uuid, "sha1": one.sha1}
            connection.execute(
                insert(managed_certificate).values(
                    values
                    | {
                        "first_seen": one.first_seen,
                        "renew_at": one.renew_at,
                        "window_number": one.window_number,
                    }
                )
            )
            known[one.sha1] = one.renew_at
        _renew_with_newest(connection, host_uuid, one, now, overdue)


def show_certificates(
    connection: Connection,
    host_uuid: str,
    certificates: Sequence[ManagedCertificate],
    now: datetime,
) -> None:
    """
    Record that an inventory showed these certificates now; a SHA-256 that is known stays known.
    """
    columns = managed_certificate.c
    for one in certificates:
        values: dict[str, object] = {"shown_at": now}
        if one.sha256:
            values["sha256"] = one.sha256
        same = (columns.host_uuid == host_uuid) & (columns.sha1 == one.sha1)
        connection.execute(update(managed_certificate).where(same).values(values))


def _update(
    connection: Connection, host_uuid: str, one: ManagedCertificate, renew_at: datetime
) -> None:
    same = (managed_certificate.c.host_uuid == host_uuid) & (managed_certificate.c.sha1 == one.sha1)
    values = _values(one) | {"renew_at": renew_at}
    connection.execute(update(managed_certificate).where(same).values(values))


def _has_time(connection: Connection, host_uuid: str, profile_uuid: str) -> bool:
    has_one = select(host_profile.c.host_uuid).where(
        is_of(host_uuid, profile_uuid), host_profile.c.renew_at.is_not(None)
    )
    return connection.scalar(has_one) is not None


def _renew_with_newest(
    connection: Connection,
    host_uuid: str,
    seen: ManagedCertificate,
    now: datetime,
    overdue: OverdueRule,
) -> None:
    """
    Let the assignment be renewed, and expire, as its newest certificate; those before it count no
    more.
    """
    key = {"row_host": host_uuid, "row_profile": seen.profile_uuid}
    row = connection.execute(_NEWEST, key).first()
    if row is None:
        return
    connection.execute(_RETIRE, key | {"newest": row.sha1, "now": now})
    overdue_at = overdue.overdue_at(row.renew_at, row.not_after)
    values = {"renew_at": row.renew_at, "expires_at": row.not_after, "overdue_at": overdue_at}
    if row.not_after > now and overdue_at > now:
        # What operators were told before is over, so that they are told of the next case.
        values["alarm"] = ""
    connection.execute(
        update(host_profile).where(is_of(host_uuid, seen.profile_uuid)).values(values)
    )


def _values(one: ManagedCertificate) -> dict[str, object]:
    return {
        "profile_uuid": one.profile_uuid,
        "ca_name": one.ca_name,
        "subject": one.subject,
        "issuer": one.issuer,
        "serial": one.serial,
        "not_before": one.not_before,
        "not_after": one.not_after,
        "source": one.source,
    }
