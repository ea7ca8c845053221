"""
The tables, as the newest migration leaves them.

Where a foreign key is missing, that is on purpose: windows, exchanges and the names of certificate
authorities outlive what they name.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
)

from scepd.storage.columns import EncodedCertificates, Facts, UTCDateTime, Words

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

certificate_authority = Table(
    "certificate_authority",
    metadata,
    Column("name", Text, primary_key=True),
    Column("url", Text, nullable=False),
    Column("challenge_key_id", Text, nullable=False),
    Column("challenge", LargeBinary, nullable=False),
    Column("ca_identifier", Text),
    Column("trusted_certificates", Text),
    Column("max_concurrency", Integer, nullable=False),
    Column("allow_single_des", Boolean, nullable=False),
    Column("certificates", EncodedCertificates, nullable=False),
    Column("capabilities", Words, nullable=False),
    Column("checked_at", UTCDateTime, nullable=False),
    Column("created_at", UTCDateTime, nullable=False),
)

profile = Table(
    "profile",
    metadata,
    Column("uuid", Text, primary_key=True),
    Column("identifier", Text, nullable=False, unique=True),
    Column("display_name", Text, nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("scope", Text, nullable=False),
    Column("target_label", Text),
    Column("created_at", UTCDateTime, nullable=False),
)

profile_certificate_authority = Table(
    "profile_certificate_authority",
    metadata,
    Column("profile_uuid", ForeignKey(profile.c.uuid, ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("ca_name", Text, nullable=False),
    Index(None, "ca_name", "profile_uuid"),
)

host = Table(
    "host",
    metadata,
    Column("uuid", Text, primary_key=True),
    Column("serial_number", Text, nullable=False),
    Column("platform", Text, nullable=False),
    Column("facts", Facts, nullable=False),
    Column("redelivered_at", UTCDateTime),
)

host_label = Table(
    "host_label",
    metadata,
    Column("host_uuid", ForeignKey(host.c.uuid, ondelete="CASCADE"), primary_key=True),
    Column("label", Text, primary_key=True),
    Index(None, "label", "host_uuid"),
)

host_profile = Table(
    "host_profile",
    metadata,
    Column("host_uuid", ForeignKey(host.c.uuid, ondelete="CASCADE"), primary_key=True),
    Column("profile_uuid", ForeignKey(profile.c.uuid, ondelete="CASCADE"), primary_key=True),
    Column("operation", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("ca_name", Text),
    Column("detail", Text, nullable=False),
    Column("content_sha256", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due_at", UTCDateTime),
    Column("changed_at", UTCDateTime, nullable=False),
    Index(None, "ca_name", "due_at"),
    Index(None, "profile_uuid", "host_uuid"),
)

enrollment_window = Table(
    "enrollment_window",
    metadata,
    Column("id", Text, primary_key=True),
    Column("host_uuid", Text, nullable=False),
    Column("profile_uuid", Text, nullable=False),
    Column("ca_name", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("opened_at", UTCDateTime, nullable=False),
    Column("deadline", UTCDateTime, nullable=False),
    Column("reserved_by", Text),
    Column("reserved_until", UTCDateTime),
    Column("signer_key_sha256", Text),
    Column("transaction_id", Text),
    Index(None, "host_uuid", "profile_uuid", "state"),
    Index(None, "profile_uuid", "state"),
)

scep_exchange = Table(
    "scep_exchange",
    metadata,
    Column("id", Text, primary_key=True),
    Column("host_uuid", Text, nullable=False),
    Column("profile_uuid", Text, nullable=False),
    Column("ca_name", Text, nullable=False),
    Column("window_id", Text),
    Column("message_type", Text),
    Column("transaction_id", Text),
    Column("pki_status", Text),
    Column("fail_info", Text),
    Column("http_status", Integer, nullable=False),
    Column("detail", Text, nullable=False),
    Column("started_at", UTCDateTime, nullable=False),
    Column("milliseconds", BigInteger, nullable=False),
    Index(None, "host_uuid", "started_at", "id"),
    Index(None, "started_at", "id"),
)

api_token = Table(
    "api_token",
    metadata,
    Column("sha256", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("created_at", UTCDateTime, nullable=False),
)

activity = Table(
    "activity",
    metadata,
    # Only an INTEGER key counts up by itself on SQLite.
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("at", UTCDateTime, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False),
)

health_check = Table(
    "health_check",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("writes", BigInteger, nullable=False),
)
