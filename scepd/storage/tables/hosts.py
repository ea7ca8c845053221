"""
Hosts, what they should have, and the certificates that were seen on them.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    false,
    text,
)

from scepd.storage.columns import Facts, UTCDateTime
from scepd.storage.tables.naming import metadata

host = Table(
    "host",
    metadata,
    Column("uuid", Text, primary_key=True),
    Column("serial_number", Text, nullable=False),
    Column("platform", Text, nullable=False),
    Column("facts", Facts, nullable=False),
    Column("redelivered_at", UTCDateTime),
    # The uuid in lower case: osquery's agents write it as they like.
    Column("folded_uuid", Text, nullable=False, server_default="", index=True),
    Column("model", Text, nullable=False, server_default=""),
    Column("os_version", Text, nullable=False, server_default=""),
    Column("last_seen", UTCDateTime),
    Column("node_key_sha256", Text),
    Column("inventory_due_at", UTCDateTime),
    Index(None, "node_key_sha256", unique=True),
    Index(None, "serial_number"),
)

host_label = Table(
    "host_label",
    metadata,
    Column("host_uuid", ForeignKey(host.c.uuid, ondelete="CASCADE"), primary_key=True),
    Column("label", Text, primary_key=True),
    Index(None, "label", "host_uuid"),
)

_CAN_BE_DELIVERED = text("due_at IS NOT NULL AND enrollment_id IS NOT NULL")
_IS_REMOVED = text("operation = 'remove'")
_HAS_FAILED = text("status = 'failed'")
_IS_WATCHED = text("enrollment_id IS NOT NULL AND ca_name IS NOT NULL AND operation = 'install'")
_IS_VERIFYING = text("status = 'verifying'")

host_profile = Table(
    "host_profile",
    metadata,
    Column("host_uuid", ForeignKey(host.c.uuid, ondelete="CASCADE"), primary_key=True),
    Column("profile_uuid", Text, primary_key=True),
    Column("operation", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("ca_name", Text),
    Column("detail", Text, nullable=False),
    Column("content_sha256", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due_at", UTCDateTime),
    Column("changed_at", UTCDateTime, nullable=False),
    Column("profile_identifier", Text, nullable=False, server_default=""),
    # By which it goes while that is enabled, so that a tick never reads rows of the others: the
    # host's own enrollment, or its user channel.
    Column("enrollment_id", Text),
    # Whether the device was ever handed the profile since it enrolled: it may have it.
    Column("offered", Boolean, nullable=False, server_default=false()),
    Column("command_uuid", Text),
    Column("delivered_at", UTCDateTime),
    Column("acknowledged_at", UTCDateTime),
    # Of the newest certificate, so that the search for renewals reads no older ones.
    Column("renew_at", UTCDateTime),
    Column("expires_at", UTCDateTime),
    # User: it goes by the user channel of a Mac.
    Column("scope", Text, nullable=False, server_default="System"),
    # When the host's enrollment began, so that a tick finds those of hosts that enrolled just now.
    Column("enrolled_at", UTCDateTime),
    # When an inventory over MDM listed the profile, which tells no date, since it was acknowledged.
    Column("listed_at", UTCDateTime),
    # From then on operators have to know, unless a (newer) certificate is seen before.
    Column("overdue_at", UTCDateTime),
    # Of what they were told last: nothing, overdue or expired.
    Column("alarm", Text, nullable=False, server_default=""),
    Index(
        None,
        "ca_name",
        "due_at",
        sqlite_where=_CAN_BE_DELIVERED,
        postgresql_where=_CAN_BE_DELIVERED,
    ),
    Index(
        "ix_host_profile_ca_name_enrolled_at",
        "ca_name",
        "enrolled_at",
        "due_at",
        sqlite_where=_CAN_BE_DELIVERED,
        postgresql_where=_CAN_BE_DELIVERED,
    ),
    Index(
        "ix_host_profile_failed",
        "ca_name",
        "host_uuid",
        sqlite_where=_HAS_FAILED,
        postgresql_where=_HAS_FAILED,
    ),
    Index(None, "profile_uuid", "host_uuid"),
    Index(None, "status", "renew_at"),
    Index(None, "expires_at", sqlite_where=_IS_WATCHED, postgresql_where=_IS_WATCHED),
    Index(None, "overdue_at", sqlite_where=_IS_WATCHED, postgresql_where=_IS_WATCHED),
    Index(None, "profile_identifier", sqlite_where=_IS_REMOVED, postgresql_where=_IS_REMOVED),
    # What waits for its proof, so that the search for the overdue reads nothing else.
    Index(
        "ix_host_profile_unproved",
        "status",
        "acknowledged_at",
        sqlite_where=_IS_VERIFYING,
        postgresql_where=_IS_VERIFYING,
    ),
)

managed_certificate = Table(
    "managed_certificate",
    metadata,
    Column("host_uuid", ForeignKey(host.c.uuid, ondelete="CASCADE"), primary_key=True),
    Column("sha1", Text, primary_key=True),
    Column("profile_uuid", Text, nullable=False),
    Column("ca_name", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("issuer", Text, nullable=False),
    Column("serial", Text, nullable=False),
    Column("not_before", UTCDateTime, nullable=False),
    Column("not_after", UTCDateTime, nullable=False),
    Column("source", Text, nullable=False),
    Column("first_seen", UTCDateTime, nullable=False),
    Column("renew_at", UTCDateTime, nullable=False),
    # When an inventory showed it last.
    Column("shown_at", UTCDateTime),
    # What MDM lists; osquery tells the SHA-1 alone.
    Column("sha256", Text, nullable=False, server_default=""),
    # When a newer one was seen, or the host or the profile left; None: it counts.
    Column("retired_at", UTCDateTime),
    # Of the host's newest enrollment window when it was first seen.
    Column("window_number", BigInteger, nullable=False, server_default="0"),
    Index(None, "host_uuid", "not_before", "sha1"),
)
