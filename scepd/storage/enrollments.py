"""
Enrollments and identities as rows: read, stored, disabled.

These run inside a caller's unit of work.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Row,
    bindparam,
    delete,
    insert,
    select,
    update,
)

from scepd.errors import Conflict
from scepd.model import Enrollment, KnownIdentity, PushAddress
from scepd.pki.keyring import SealedSecret
from scepd.storage.prepared import Prepared
from scepd.storage.tables import (
    device_identity,
    enrollment,
    enrollment_token,
    issued_certificate,
    push,
)

_MDM_IDENTITY = "enroll"
DEVICE_KINDS = ("device", "user-enrollment")
"""
Enrollments of whole devices, also of those that their users own.
"""
USER_KINDS = ("user", "user-enrollment-user")
"""
User channels of such devices.
"""
IDENTITY_COLUMNS = (
    issued_certificate.c.purpose,
    issued_certificate.c.not_after,
    issued_certificate.c.revoked_at,
    device_identity.c.enrollment_id,
    enrollment.c.enabled,
    enrollment.c.host_uuid,
    enrollment_token.c.labels,
    enrollment_token.c.allow_reenrollment,
)
"""
What is read of an identity, from :func:`identity_joined`.
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
        row.id, row.host_uuid, row.kind, row.enabled, address, row.enrolled_at, row.last_seen
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
        **NO_BOOTSTRAP_TOKEN,
    }
    same = enrollment.c.id == new.id
    if not connection.execute(update(enrollment).where(same).values(values)).rowcount:
        connection.execute(insert(enrollment).values(id=new.id, **values))


def disable(connection: Connection, some: ColumnElement[bool]) -> None:
    """
    Disable some enrollments, unpin their identities, and forget the wishes to push them and their
    bootstrap tokens.
    """
    ids = select(enrollment.c.id).where(some)
    connection.execute(delete(device_identity).where(device_identity.c.enrollment_id.in_(ids)))
    connection.execute(delete(push).where(push.c.enrollment_id.in_(ids)))
    connection.execute(update(enrollment).where(some).values(enabled=False, **NO_BOOTSTRAP_TOKEN))


def refuse_pinned(connection: Connection, enrollment_id: str, certificate_sha256: str) -> bool:
    """
    Refuse an identity of another enrollment.

    :returns: whether it is pinned to this one already.
    :raises Conflict: it is pinned to another one.
    """
    one = select(device_identity.c.enrollment_id).where(
        device_identity.c.certificate_sha256 == certificate_sha256
    )
    pinned = connection.scalar(one)
    if pinned not in (None, enrollment_id):
        raise Conflict("this identity belongs to another enrollment")
    return pinned is not None


def refuse_enabled(connection: Connection, enrollment_id: str) -> None:
    """
    Refuse to begin an enabled enrollment anew.

    :raises Conflict: it is enabled.
    """
    if connection.scalar(select(enrollment.c.enabled).where(enrollment.c.id == enrollment_id)):
        raise Conflict("the device is enrolled already")


def known_identity(connection: Connection, certificate_sha256: str) -> KnownIdentity | None:
    """
    What is known of a certificate that was issued for an enrollment challenge, or renews such a
    one.
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
        certificates.outerjoin(
            device_identity, device_identity.c.certificate_sha256 == issued.sha256
        )
        .outerjoin(enrollment, enrollment.c.id == device_identity.c.enrollment_id)
        .outerjoin(enrollment_token, enrollment_token.c.sha256 == issued.token_sha256)
    )


def identity_record(certificate_sha256: str, row: Sequence[Any]) -> KnownIdentity | None:
    """
    The record of :data:`IDENTITY_COLUMNS`; None when it is the certificate of no identity.
    """
    purpose, not_after, revoked_at, enrollment_id, enabled, host_uuid, labels, replaces = row
    # With the token goes the right to enroll, also with what was issued for it.
    if purpose != _MDM_IDENTITY or (labels is None and enrollment_id is None):
        return None
    return KnownIdentity(
        certificate_sha256,
        enrollment_id,
        bool(enabled),
        host_uuid,
        labels or (),
        bool(replaces),
        not_after,
        revoked_at is not None,
    )


_IDENTITY = Prepared(
    select(*IDENTITY_COLUMNS)
    .select_from(identity_joined(issued_certificate))
    .where(issued_certificate.c.sha256 == bindparam("sha256"))
)
