"""
The identities of enrollments as rows: pinned, used, replaced, unpinned.

These run inside a caller's unit of work.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Select,
    bindparam,
    delete,
    insert,
    or_,
    select,
    update,
)

from scepd.errors import Conflict
from scepd.model import EnrollmentChallenge, KnownIdentity
from scepd.storage.outbox import cancel_commands
from scepd.storage.prepared import Prepared
from scepd.storage.tables import (
    command,
    device_identity,
    enrollment,
    enrollment_challenge,
    enrollment_token,
    issued_certificate,
)

ENROLL, RENEW = "enroll", "renew"
"""
What MDM identities are issued for: to begin an enrollment, or to take another one's place.
"""
IS_RENEWAL = or_(
    issued_certificate.c.purpose == RENEW, issued_certificate.c.renewed_sha256.is_not(None)
)
"""
The condition for certificates that were issued to take another one's place.
"""
_COLUMNS = device_identity.c
IDENTITY_COLUMNS = (
    issued_certificate.c.purpose,
    issued_certificate.c.not_after,
    issued_certificate.c.revoked_at,
    issued_certificate.c.host_uuid,
    issued_certificate.c.serial_number,
    issued_certificate.c.renewed_sha256,
    _COLUMNS.enrollment_id,
    _COLUMNS.confirmed_at,
    _COLUMNS.retired_at,
    _COLUMNS.renewal_command,
    enrollment.c.enabled,
    enrollment.c.host_uuid,
    enrollment_token.c.labels,
    enrollment_token.c.allow_reenrollment,
)
"""
What is known of an identity, of :func:`identity_joined`.
"""
_CHALLENGES = enrollment_challenge.c


def known_identity(connection: Connection, certificate_sha256: str) -> KnownIdentity | None:
    """
    What is known of a certificate that was issued as an MDM identity; None when it is none, or is
    not pinned and there is no token that it could enroll with.
    """
    row = _IDENTITY.first(connection, sha256=certificate_sha256)
    return None if row is None else identity_record(certificate_sha256, row)


def identity_joined(certificates: FromClause) -> FromClause:
    """
    Certificates with what else is known of identities.

    :param certificates: ``issued_certificate``, or a join with it.
    """
    issued = issued_certificate.c
    return (
        certificates.outerjoin(device_identity, _COLUMNS.certificate_sha256 == issued.sha256)
        .outerjoin(enrollment, enrollment.c.id == _COLUMNS.enrollment_id)
        .outerjoin(enrollment_token, enrollment_token.c.sha256 == issued.token_sha256)
    )


def identity_record(certificate_sha256: str, row: Sequence[Any]) -> KnownIdentity | None:
    """
    The record of :data:`IDENTITY_COLUMNS`; None when it is the certificate of no identity.
    """
    purpose, not_after, revoked_at, bound_host, serial_number, renewed = row[:6]
    enrollment_id, confirmed_at, retired_at, renewal_command = row[6:10]
    enabled, host_uuid, labels, allow_reenrollment = row[10:]
    # With the token goes the right to enroll, also with what was issued for it.
    if purpose not in (ENROLL, RENEW) or (labels is None and enrollment_id is None):
        return None
    return KnownIdentity(
        certificate_sha256,
        enrollment_id,
        bool(enabled),
        host_uuid,
        labels or (),
        bool(allow_reenrollment),
        not_after,
        revoked_at is not None,
        purpose == RENEW or renewed is not None,
        enrollment_id is None or confirmed_at is not None,
        retired_at is not None,
        renewal_command,
        bound_host,
        serial_number,
    )


_IDENTITY = Prepared(
    select(*IDENTITY_COLUMNS)
    .select_from(identity_joined(issued_certificate))
    .where(issued_certificate.c.sha256 == bindparam("sha256"))
)


def refuse_pinned(connection: Connection, enrollment_id: str, certificate_sha256: str) -> bool:
    """
    Refuse an identity of another enrollment.

    :returns: whether it is pinned to this one already.
    :raises Conflict: it is pinned to another one.
    """
    one = select(_COLUMNS.enrollment_id).where(_COLUMNS.certificate_sha256 == certificate_sha256)
    pinned = connection.scalar(one)
    if pinned not in (None, enrollment_id):
        raise Conflict("this identity belongs to another enrollment")
    return pinned is not None


def pin(
    connection: Connection,
    enrollment_id: str,
    certificate_sha256: str,
    now: datetime,
    not_after: datetime | None = None,
) -> None:
    """
    Let an enrollment use one more identity; it counts as used when :func:`confirm` says so.

    :param not_after: of the certificate; None: it is read from its record of issue.
    """
    if not_after is None:
        issued = issued_certificate.c
        of_it = select(issued.not_after).where(issued.sha256 == certificate_sha256)
        not_after = connection.scalar(of_it)
    connection.execute(
        insert(device_identity).values(
            certificate_sha256=certificate_sha256,
            enrollment_id=enrollment_id,
            pinned_at=now,
            not_after=not_after,
        )
    )


def pin_only(
    connection: Connection, enrollment_id: str, certificate_sha256: str, now: datetime
) -> None:
    """
    Let an enrollment that begins use this identity and no other.
    """
    unpin(connection, _COLUMNS.enrollment_id == enrollment_id, now)
    pin(connection, enrollment_id, certificate_sha256, now)
    confirm(connection, certificate_sha256, now)


def unpin(connection: Connection, some: ColumnElement[bool], now: datetime) -> None:
    """
    Unpin some identities: a renewal of them is cancelled, and its challenges are void.
    """
    ids = select(_COLUMNS.enrollment_id).where(some)
    connection.execute(delete(enrollment_challenge).where(_CHALLENGES.enrollment_id.in_(ids)))
    renewals = select(_COLUMNS.renewal_command).where(some, _COLUMNS.renewal_command.is_not(None))
    cancel_commands(connection, connection.scalars(renewals).all(), now)
    connection.execute(delete(device_identity).where(some))


def confirm(connection: Connection, certificate_sha256: str, now: datetime) -> bool:
    """
    A device has begun to use an identity: those that were there before it are retired.

    :returns: False when it had begun before, or the identity is not pinned any more.
    """
    fresh = (
        (_COLUMNS.certificate_sha256 == certificate_sha256)
        & _COLUMNS.confirmed_at.is_(None)
        & _COLUMNS.retired_at.is_(None)
    )
    row = connection.execute(select(device_identity).where(fresh)).first()
    if row is None:
        return False
    connection.execute(update(device_identity).where(fresh).values(confirmed_at=now, look_at=now))
    # One that was issued later and has signed nothing yet may be what the device goes on to.
    before = or_(_COLUMNS.confirmed_at.is_not(None), _COLUMNS.pinned_at <= row.pinned_at)
    connection.execute(
        update(device_identity)
        .where(
            _COLUMNS.enrollment_id == row.enrollment_id,
            _COLUMNS.certificate_sha256 != certificate_sha256,
            _COLUMNS.retired_at.is_(None),
            before,
        )
        .values(
            retired_at=now,
            look_at=None,
            # What went wrong before counts no more.
            renewal_failures=0,
            renewal_failed_at=None,
            renewal_detail="",
        )
    )
    connection.execute(
        delete(enrollment_challenge).where(_CHALLENGES.enrollment_id == row.enrollment_id)
    )
    return True


def put_renewal_challenge(
    connection: Connection, challenge: EnrollmentChallenge, now: datetime
) -> None:
    """
    Store the challenge of a renewal; those of its enrollment that have expired go.
    """
    gone = (_CHALLENGES.enrollment_id == challenge.enrollment_id) & (_CHALLENGES.expires_at <= now)
    connection.execute(delete(enrollment_challenge).where(gone))
    insert_challenge(connection, challenge)


def insert_challenge(connection: Connection, challenge: EnrollmentChallenge) -> None:
    """
    Store a challenge.
    """
    connection.execute(
        insert(enrollment_challenge).values(
            sha256=challenge.sha256,
            token_sha256=challenge.token_sha256,
            subject=challenge.subject,
            expires_at=challenge.expires_at,
            used_by=challenge.used_by,
            enrollment_id=challenge.enrollment_id,
            host_uuid=challenge.host_uuid,
            serial_number=challenge.serial_number,
        )
    )


def renewal_waits(enrollment_id: ColumnElement[str] | str) -> ColumnElement[bool]:
    """
    The condition that a command which renews an identity of an enrollment has no final result.
    """
    waiting: Select[tuple[str]] = (
        select(command.c.uuid)
        .join(other := device_identity.alias(), other.c.renewal_command == command.c.uuid)
        .where(other.c.enrollment_id == enrollment_id, command.c.finished_at.is_(None))
    )
    return waiting.exists()
