"""
What was handed to a host, as an inventory is matched with it.

These run inside a caller's unit of work.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha1

from sqlalchemy import Connection, bindparam, select

from scepd.model import Delivery
from scepd.profiles.lifecycle import Operation
from scepd.storage.prepared import Prepared, PreparedRow
from scepd.storage.row_columns import version_of
from scepd.storage.tables import (
    device_identity,
    enrollment,
    host_profile,
    inventory,
    issued_certificate,
    managed_certificate,
    profile,
    scep_exchange,
)
from scepd.storage.windows import GRANTED, NumberedWindow, newest_window

_CERTIFICATES = managed_certificate.c
_HANDED_OVER = Prepared(
    select(host_profile, profile.c.content)
    .join(profile, profile.c.uuid == host_profile.c.profile_uuid)
    .where(
        host_profile.c.host_uuid == bindparam("of_host"),
        host_profile.c.operation == Operation.INSTALL.value,
        host_profile.c.delivered_at.is_not(None),
    )
    .order_by(host_profile.c.profile_uuid)
)
_SEEN = Prepared(
    select(
        _CERTIFICATES.sha1,
        _CERTIFICATES.first_seen,
        _CERTIFICATES.profile_uuid,
        _CERTIFICATES.shown_at,
        _CERTIFICATES.window_number,
        _CERTIFICATES.retired_at,
    ).where(_CERTIFICATES.host_uuid == bindparam("of_host"))
)
_AGENT = Prepared(
    select(inventory.c.agent_certificates_at).where(inventory.c.host_uuid == bindparam("of_host"))
)
_IDENTITIES = Prepared(
    select(issued_certificate.c.certificate)
    .join(device_identity, device_identity.c.certificate_sha256 == issued_certificate.c.sha256)
    .join(enrollment, enrollment.c.id == device_identity.c.enrollment_id)
    .where(enrollment.c.host_uuid == bindparam("of_host"))
)
_SUCCESS = Prepared(
    select(scep_exchange.c.id)
    .where(
        scep_exchange.c.window_id == bindparam("of_window"), scep_exchange.c.pki_status == GRANTED
    )
    .limit(1)
)


@dataclass(frozen=True, slots=True)
class _Seen:
    """
    A certificate that was recorded for the host.
    """

    sha1: str
    first_seen: datetime
    profile_uuid: str
    shown_at: datetime | None
    window_number: int
    retired_at: datetime | None


def deliveries_of(connection: Connection, host_uuid: str) -> list[Delivery]:
    """
    The installs that were handed to a host and may be proved, by profile uuid.
    """
    rows = _HANDED_OVER.all(connection, of_host=host_uuid)
    if not rows:
        return []
    seen = [_Seen(*row) for row in _SEEN.all(connection, of_host=host_uuid)]
    identities = _identities(connection, host_uuid)
    agent_at = _AGENT.scalar(connection, of_host=host_uuid)
    return [_record(connection, row, seen, identities, agent_at) for row in rows]


def _identities(connection: Connection, host_uuid: str) -> frozenset[str]:
    """
    SHA-1 of the identities of the host's enrollments: inventories list them too.
    """
    pinned = _IDENTITIES.all(connection, of_host=host_uuid)
    return frozenset(sha1(der, usedforsecurity=False).hexdigest() for (der,) in pinned)


def _record(
    connection: Connection,
    row: PreparedRow,
    seen: Sequence[_Seen],
    identities: frozenset[str],
    agent_at: datetime | None,
) -> Delivery:
    window = None
    if row.ca_name is not None:
        window = newest_window(connection, row.host_uuid, row.profile_uuid)
    known = {one.sha1 for one in seen if window is None or one.window_number < window.number}
    counting = [one for one in seen if one.retired_at is None]
    own = {one.sha1 for one in counting if one.profile_uuid == row.profile_uuid}
    certified = [
        one.shown_at or one.first_seen
        for one in counting
        if one.profile_uuid == row.profile_uuid and one.sha1 not in known
    ]
    return Delivery(
        profile_uuid=row.profile_uuid,
        profile_identifier=row.profile_identifier,
        content=row.content,
        ca_name=row.ca_name,
        status=row.status,
        delivered_at=row.delivered_at,
        acknowledged_at=row.acknowledged_at,
        window_opened_at=None if window is None else window.opened_at,
        granted=window is not None and _was_granted(connection, window),
        known_sha1s=identities | known,
        scope=row.scope,
        detail=row.detail,
        listed_at=row.listed_at,
        certified=bool(certified),
        window_number=0 if window is None else window.number,
        own_sha1s=frozenset(own),
        others_sha1s=frozenset(one.sha1 for one in counting) - own,
        vouched=agent_at is not None and any(shown_at >= agent_at for shown_at in certified),
        version=version_of(row),
    )


def _was_granted(connection: Connection, window: NumberedWindow) -> bool:
    return window.granted or _SUCCESS.first(connection, of_window=window.id) is not None
