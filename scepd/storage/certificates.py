"""
The certificates that were seen on hosts, and when they bring a renewal.

These run inside a caller's unit of work.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, Row, insert, select, update

from scepd.model import ManagedCertificate
from scepd.storage.rows import is_of
from scepd.storage.tables import host_profile, managed_certificate


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
        sha256=row.sha256,
    )


def record_certificates(
    connection: Connection, host_uuid: str, certificates: Sequence[ManagedCertificate]
) -> None:
    """
    Record the certificates that an inventory showed.

    The first sight of each is kept, and a time of renewal that was counted from it moves to no
    later one.
    """
    columns = managed_certificate.c
    seen = select(columns.sha1, columns.renew_at).where(columns.host_uuid == host_uuid)
    known: dict[str, datetime] = {row.sha1: row.renew_at for row in connection.execute(seen)}
    for one in certificates:
        if one.sha1 in known:
            renew_at = min(known[one.sha1], one.renew_at)
            _update(connection, host_uuid, one, renew_at)
        else:
            values = _values(one) | {"host_uuid": host_uuid, "sha1": one.sha1}
            connection.execute(
                insert(managed_certificate).values(
                    values | {"first_seen": one.first_seen, "renew_at": one.renew_at}
                )
            )
            known[one.sha1] = one.renew_at
            _renew_with_newest(connection, host_uuid, one.profile_uuid)


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
    # An assignment without a time has none on purpose: no old certificate gives it one.
    has_one = host_profile.c.renew_at.is_not(None)
    if connection.scalar(
        select(host_profile.c.host_uuid).where(is_of(host_uuid, one.profile_uuid), has_one)
    ):
        _renew_with_newest(connection, host_uuid, one.profile_uuid)


def _renew_with_newest(connection: Connection, host_uuid: str, profile_uuid: str) -> None:
    """
    Let the assignment be renewed, and expire, as its newest certificate.
    """
    columns = managed_certificate.c
    newest = (
        select(columns.renew_at, columns.not_after)
        .where(columns.host_uuid == host_uuid, columns.profile_uuid == profile_uuid)
        .order_by(columns.not_before.desc(), columns.sha1.desc())
        .limit(1)
    )
    row = connection.execute(newest).one()
    connection.execute(
        update(host_profile)
        .where(is_of(host_uuid, profile_uuid))
        .values(renew_at=row.renew_at, expires_at=row.not_after)
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
