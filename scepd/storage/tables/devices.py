"""
Enrollments, their identities, and what waits to be sent to them.
"""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    text,
)

from scepd.storage.columns import UTCDateTime
from scepd.storage.tables.hosts import host
from scepd.storage.tables.naming import metadata

enrollment = Table(
    "enrollment",
    metadata,
    Column("id", Text, primary_key=True),
    Column("host_uuid", ForeignKey(host.c.uuid, ondelete="CASCADE"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("push_topic", Text),
    Column("push_key_id", Text),
    Column("push", LargeBinary),
    Column("token_updated_at", UTCDateTime),
    Column("enrolled_at", UTCDateTime, nullable=False),
    Column("last_seen", UTCDateTime),
    Column("bootstrap_key_id", Text),
    Column("bootstrap_token", LargeBinary),
    Column("user_name", Text, nullable=False, server_default=""),
    Index(None, "host_uuid", "kind"),
)

_IS_LOOKED_AT = text("look_at IS NOT NULL")
_HAS_FAILED = text("renewal_failed_at IS NOT NULL")
_IS_NOT_RETIRED = text("retired_at IS NULL")

device_identity = Table(
    "device_identity",
    metadata,
    Column("certificate_sha256", Text, primary_key=True),
    Column("enrollment_id", ForeignKey(enrollment.c.id, ondelete="CASCADE"), nullable=False),
    Column("pinned_at", UTCDateTime, nullable=False, server_default="0"),
    # Of the certificate, so that what expires soon is found.
    Column("not_after", UTCDateTime),
    # Since when the device uses it; without one it was issued, but has signed nothing yet.
    Column("confirmed_at", UTCDateTime),
    # Since when another one has its place.
    Column("retired_at", UTCDateTime),
    # When somebody looks whether it should be renewed; without one nobody does.
    Column("look_at", UTCDateTime),
    # The command that renews it, whatever became of it.
    Column("renewal_command", Text),
    Column("renewal_begun_at", UTCDateTime),
    Column("renewal_failures", Integer, nullable=False, server_default="0"),
    Column("renewal_failed_at", UTCDateTime),
    Column("renewal_detail", Text, nullable=False, server_default=""),
    Index(None, "enrollment_id"),
    Index(
        None,
        "look_at",
        sqlite_where=_IS_LOOKED_AT,
        postgresql_where=_IS_LOOKED_AT,
    ),
    Index(
        None,
        "renewal_failed_at",
        sqlite_where=_HAS_FAILED,
        postgresql_where=_HAS_FAILED,
    ),
    Index(
        None,
        "not_after",
        sqlite_where=_IS_NOT_RETIRED,
        postgresql_where=_IS_NOT_RETIRED,
    ),
)

_WAITS = text("finished_at IS NULL")
_FINISHED = text("finished_at IS NOT NULL")
_SUSPENDED = text("state = 'suspended'")

command = Table(
    "command",
    metadata,
    Column("uuid", Text, primary_key=True),
    Column("enrollment_id", ForeignKey(enrollment.c.id, ondelete="CASCADE"), nullable=False),
    Column("host_uuid", Text, nullable=False),
    Column("request_type", Text, nullable=False),
    Column("profile_uuid", Text),
    Column("body", LargeBinary),
    Column("priority", Integer, nullable=False),
    Column("status", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("created_at", UTCDateTime, nullable=False),
    Column("offered_at", UTCDateTime),
    Column("not_now_at", UTCDateTime),
    Column("not_now_count", Integer, nullable=False),
    Column("finished_at", UTCDateTime),
    Column("answer_size", Integer),
    Column("answer", LargeBinary),
    # Since the last answer of any kind.
    Column("offers", Integer, nullable=False, server_default="0"),
    Column("offered_since", UTCDateTime),
    # How far it stands behind others, because it was offered often and not answered.
    Column("setbacks", Integer, nullable=False, server_default="0"),
    Column("setback_at", UTCDateTime),
    # To make it for the device, since the last offer.
    Column("failures", Integer, nullable=False, server_default="0"),
    Column("failing_since", UTCDateTime),
    # Holds what waits and no history: the device's poll reads its first entry.
    Index(
        None,
        "enrollment_id",
        "setbacks",
        "priority",
        "created_at",
        "uuid",
        sqlite_where=_WAITS,
        postgresql_where=_WAITS,
    ),
    Index(None, "host_uuid", "created_at", "uuid"),
    # By age, for what is forgotten.
    Index(
        "ix_command_finished_at",
        "finished_at",
        sqlite_where=_FINISHED,
        postgresql_where=_FINISHED,
    ),
)

push = Table(
    "push",
    metadata,
    Column("enrollment_id", ForeignKey(enrollment.c.id, ondelete="CASCADE"), primary_key=True),
    Column("due_at", UTCDateTime),
    Column("apns_id", Text),
    Column("attempts", Integer, nullable=False),
    Column("last_status", Integer),
    Column("last_reason", Text, nullable=False),
    Column("answered_at", UTCDateTime),
    Column("state", Text, nullable=False, server_default="due"),
    Column("repeats", Integer, nullable=False, server_default="0"),
    Column("pushed_at", UTCDateTime),
    Index(None, "due_at"),
    # Empty but for the time after Apple refused the push certificate.
    Index(
        "ix_push_suspended", "enrollment_id", sqlite_where=_SUSPENDED, postgresql_where=_SUSPENDED
    ),
)
