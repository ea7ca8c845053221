"""
The certificates that were seen on hosts, and when they bring a renewal.

These run inside a caller's unit of work.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Row, Text, and_, bindparam, func, insert, null, select, update

from scepd.model import ManagedCertificate
from scepd.profiles.certificate_renewal import OverdueRule
from scepd.storage.columns import UTCDateTime
from scepd.storage.prepared import Prepared
from scepd.storage.row_writes import IS_CURRENT_OF_ROW, IS_ROW
from scepd.storage.tables import host_profile, managed_certificate
from scepd.storage.windows import newest_window

_COLUMNS = managed_certificate.c
_NEWEST = Prepared(
    select(_COLUMNS.sha1, _COLUMNS.renew_at, _COLUMNS.not_after)
    .where(IS_CURRENT_OF_ROW)
    .order_by(_COLUMNS.not_before.desc(), _COLUMNS.sha1.desc())
    .limit(1)
)
_RETIRE = Prepared(
    update(managed_certificate)
    .where(IS_CURRENT_OF_ROW, _COLUMNS.sha1 != bindparam("newest"))
    .values(retired_at=bindparam("now", type_=UTCDateTime))
)
_SEEN = Prepared(
    select(_COLUMNS.sha1, _COLUMNS.renew_at, _COLUMNS.profile_uuid, _COLUMNS.window_number).where(
        _COLUMNS.host_uuid == bindparam("of_host")
    )
)
_IS_SAME = and_(_COLUMNS.host_uuid == bindparam("of_host"), _COLUMNS.sha1 == bindparam("of_sha1"))
_SAME = update(managed_certificate).where(_IS_SAME)
_TOLD = [
    *("profile_uuid", "ca_name", "subject", "issuer", "serial", "not_before", "not_after"),
    "source",
]
_INSERT = Prepared(
    insert(managed_certificate),
    ["host_uuid", "sha1", *_TOLD, "first_seen", "renew_at", "window_number"],
)
_UPDATE = Prepared(_SAME, [*_TOLD, "renew_at"])
_COUNT_AGAIN = Prepared(_SAME.values(retired_at=null()))
_SHOW = Prepared(
    _SAME.values(
        shown_at=bindparam("now"),
        sha256=func.coalesce(func.nullif(bindparam("of_sha256", type_=Text), ""), _COLUMNS.sha256),
    )
)
_HANDED_OVER = Prepared(
    select(host_profile.c.host_uuid).where(IS_ROW, host_profile.c.delivered_at.is_not(None))
)
_WITH_TIME = Prepared(
    select(host_profile.c.host_uuid).where(IS_ROW, host_profile.c.renew_at.is_not(None))
)
_TIMES = ["renew_at", "expires_at", "overdue_at"]
_EXPIRE = Prepared(update(host_profile).where(IS_ROW), _TIMES)
_EXPIRE_QUIETLY = Prepared(update(host_profile).where(IS_ROW).values(alarm=""), _TIMES)


@dataclass(frozen=True, slots=True)
class _Known:
    """
    A certificate that is recorded already.
    """

    renew_at: datetime
    profile_uuid: str
    window_number: int


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
    seen = _SEEN.all(connection, of_host=host_uuid)
    known = {row.sha1: _Known(*row[1:]) for row in seen}
    for one in certificates:
        before = known.get(one.sha1)
        if one.shared:
            # Whose it is has the record, and the time of its renewal.
            if before is not None and _is_of_delivery(connection, one, before.window_number):
                _expire(connection, one, before.renew_at, one.not_after, now, overdue)
            continue
        if before is None:
            _insert(connection, host_uuid, one)
            known[one.sha1] = _Known(one.renew_at, one.profile_uuid, one.window_number)
        else:
            _update(connection, host_uuid, one, before)
            # An assignment without a time has none on purpose: no old certificate gives it one.
            if not _has_time(connection, host_uuid, one.profile_uuid) and not _is_of_delivery(
                connection, one, before.window_number
            ):
                continue
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
    for one in certificates:
        _SHOW.change(connection, of_host=host_uuid, of_sha1=one.sha1, now=now, of_sha256=one.sha256)


def _insert(connection: Connection, host_uuid: str, one: ManagedCertificate) -> None:
    _INSERT.change(
        connection,
        host_uuid=host_uuid,
        sha1=one.sha1,
        first_seen=one.first_seen,
        renew_at=one.renew_at,
        window_number=one.window_number,
        **_told(one),
    )


def _update(
    connection: Connection, host_uuid: str, one: ManagedCertificate, before: _Known
) -> None:
    same = {"of_host": host_uuid, "of_sha1": one.sha1}
    renew_at = min(before.renew_at, one.renew_at)
    _UPDATE.change(connection, **same, **_told(one), renew_at=renew_at)
    if one.profile_uuid != before.profile_uuid:
        # With the profile that it was taken for it may have counted no more.
        _COUNT_AGAIN.change(connection, **same)


def _is_of_delivery(connection: Connection, one: ManagedCertificate, window_number: int) -> bool:
    """
    Whether a certificate was recorded since the assignment was handed over, with no other hand-over
    since it was judged.
    """
    key = {"row_host": one.host_uuid, "row_profile": one.profile_uuid}
    if _HANDED_OVER.first(connection, **key) is None:
        return False
    window = newest_window(connection, one.host_uuid, one.profile_uuid)
    return window is not None and window.number <= min(window_number, one.window_number)


def _has_time(connection: Connection, host_uuid: str, profile_uuid: str) -> bool:
    key = {"row_host": host_uuid, "row_profile": profile_uuid}
    return _WITH_TIME.first(connection, **key) is not None


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
    row = _NEWEST.first(connection, **key)
    if row is None:
        # One that was taken for another's retired it; it is there, and there is no other one.
        if not _is_of_delivery(connection, seen, seen.window_number):
            return
        _COUNT_AGAIN.change(connection, of_host=host_uuid, of_sha1=seen.sha1)
        row = _NEWEST.first(connection, **key)
        assert row is not None
    _RETIRE.change(connection, **key, newest=row.sha1, now=now)
    _expire(connection, seen, row.renew_at, row.not_after, now, overdue)


def _expire(
    connection: Connection,
    seen: ManagedCertificate,
    renew_at: datetime,
    not_after: datetime,
    now: datetime,
    overdue: OverdueRule,
) -> None:
    overdue_at = overdue.overdue_at(renew_at, not_after)
    # What operators were told before is over, so that they are told of the next case.
    is_over = not_after > now and overdue_at > now
    change = _EXPIRE_QUIETLY if is_over else _EXPIRE
    change.change(
        connection,
        row_host=seen.host_uuid,
        row_profile=seen.profile_uuid,
        renew_at=renew_at,
        expires_at=not_after,
        overdue_at=overdue_at,
    )


def _told(one: ManagedCertificate) -> dict[str, object]:
    return {name: getattr(one, name) for name in _TOLD}
