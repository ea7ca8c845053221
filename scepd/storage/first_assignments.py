"""
The assignments that follow from the profiles' targets.

These run inside a caller's unit of work.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import (
    ColumnElement,
    Connection,
    ScalarSelect,
    and_,
    case,
    func,
    insert,
    literal,
    null,
    select,
    true,
)

from scepd.profiles.transitions import FIRST_ASSIGNED, WAITS_FOR_USER_CHANNEL
from scepd.storage.columns import UTCDateTime
from scepd.storage.enrollments import DEVICE_KINDS
from scepd.storage.tables import (
    enrollment,
    host_profile,
    profile,
    profile_certificate_authority,
)
from scepd.storage.targets import is_target
from scepd.storage.user_scope import SYSTEM_SCOPE, USER_SCOPE, is_for_user, newest_channel


def assign_targets(connection: Connection, some: ColumnElement[bool], now: datetime) -> None:
    """
    Assign profiles to the hosts with an enabled device enrollment that they target, due now; hosts
    that have an assignment of a profile keep that one. What is for the user of a Mac goes by its
    newest user channel, or waits for one.

    :param some: narrows the pairs of ``enrollment`` and ``profile``.
    """
    for_user = is_for_user(enrollment.c.host_uuid)
    channel = newest_channel(enrollment.c.host_uuid)
    waits = and_(for_user, channel.is_(None))
    values = {
        "enrolled_at": enrollment.c.enrolled_at,
        "host_uuid": enrollment.c.host_uuid,
        "profile_uuid": profile.c.uuid,
        "operation": literal(FIRST_ASSIGNED.operation.value),
        "status": literal(FIRST_ASSIGNED.status.value),
        "ca_name": _first_ca_name(),
        "detail": case((waits, WAITS_FOR_USER_CHANNEL), else_=""),
        "content_sha256": profile.c.sha256,
        "attempts": literal(0),
        "due_at": case((waits, null()), else_=literal(now, UTCDateTime)),
        "changed_at": literal(now, UTCDateTime),
        "profile_identifier": profile.c.identifier,
        "enrollment_id": case((for_user, channel), else_=enrollment.c.id),
        "scope": case((for_user, USER_SCOPE), else_=SYSTEM_SCOPE),
    }
    pairs = (
        select(*values.values())
        .select_from(enrollment.join(profile, true()))
        .where(some, _is_enabled_device(), is_target(enrollment.c.host_uuid), ~_is_assigned())
    )
    connection.execute(insert(host_profile).from_select(list(values), pairs))


def enabled_device(connection: Connection, host_uuid: str) -> str | None:
    """
    The id of the host's enabled device enrollment, if it has one.
    """
    found = enrollment.alias()
    one = select(func.min(found.c.id)).where(
        found.c.host_uuid == host_uuid, found.c.kind.in_(DEVICE_KINDS), found.c.enabled.is_(True)
    )
    id: str | None = connection.scalar(one)
    return id


def device_enrolled_at(connection: Connection, host_uuid: str) -> datetime | None:
    """
    When the host's enabled device enrollment began, if it has one.
    """
    found = enrollment.alias()
    one = select(func.min(found.c.enrolled_at)).where(
        found.c.host_uuid == host_uuid, found.c.kind.in_(DEVICE_KINDS), found.c.enabled.is_(True)
    )
    at: datetime | None = connection.scalar(one)
    return at


@dataclass(frozen=True, slots=True)
class ProfileContent:
    """
    What an assignment remembers of its profile's content.

    :param ca_name: the certificate authority that its certificate comes from, if any.
    """

    sha256: str
    ca_name: str | None


def profile_content(connection: Connection, profile_uuid: str) -> ProfileContent | None:
    """
    What an assignment of the profile is to remember; None: there is no such profile.
    """
    one = select(profile.c.sha256, _first_ca_name()).where(profile.c.uuid == profile_uuid)
    row = connection.execute(one).first()
    return None if row is None else ProfileContent(*row)


def _first_ca_name() -> ScalarSelect[str]:
    names = profile_certificate_authority
    first = select(names.c.ca_name).where(names.c.profile_uuid == profile.c.uuid)
    return first.order_by(names.c.position).limit(1).scalar_subquery()


def _is_enabled_device() -> ColumnElement[bool]:
    """
    Whether it is the host's enabled device enrollment: the first, should there be two.
    """
    other = enrollment.alias()
    first = select(func.min(other.c.id)).where(
        other.c.host_uuid == enrollment.c.host_uuid,
        other.c.kind.in_(DEVICE_KINDS),
        other.c.enabled.is_(True),
    )
    return enrollment.c.id == first.scalar_subquery()


def _is_assigned() -> ColumnElement[bool]:
    same = select(host_profile.c.host_uuid).where(
        host_profile.c.host_uuid == enrollment.c.host_uuid,
        host_profile.c.profile_uuid == profile.c.uuid,
    )
    return same.exists()
