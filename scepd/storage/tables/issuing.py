"""
The embedded certificate authority: its keys, who may enroll, and what was issued.
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

from scepd.storage.columns import UTCDateTime, Words
from scepd.storage.tables.naming import metadata

_IS_ONLY_ONE = text("role <> 'previous'")
_IS_REVOKED = text("revoked_at IS NOT NULL")

ca_state = Table(
    "ca_state",
    metadata,
    Column("serial", Text, primary_key=True),
    Column("certificate", LargeBinary, nullable=False),
    Column("private_key_key_id", Text, nullable=False),
    Column("private_key", LargeBinary, nullable=False),
    Column("created_at", UTCDateTime, nullable=False),
    Column("role", Text, nullable=False, server_default="current"),
    # Since when another one issues.
    Column("replaced_at", UTCDateTime),
    # How many revoked certificates of it there were that are forgotten.
    Column("revoked_forgotten", Integer, nullable=False, server_default="0"),
    Index(None, "created_at"),
    Index(
        "uq_ca_state_role",
        "role",
        unique=True,
        sqlite_where=_IS_ONLY_ONE,
        postgresql_where=_IS_ONLY_ONE,
    ),
)

enrollment_token = Table(
    "enrollment_token",
    metadata,
    Column("sha256", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("labels", Words, nullable=False),
    Column("uses_left", Integer),
    Column("allow_reenrollment", Boolean, nullable=False),
    Column("expires_at", UTCDateTime, nullable=False),
    Column("created_at", UTCDateTime, nullable=False),
    Index(None, "created_at", "sha256"),
)

enrollment_challenge = Table(
    "enrollment_challenge",
    metadata,
    Column("sha256", Text, primary_key=True),
    # Either for a token, or for the enrollment whose identity is renewed.
    Column("token_sha256", ForeignKey(enrollment_token.c.sha256, ondelete="CASCADE")),
    Column("subject", Text, nullable=False),
    Column("expires_at", UTCDateTime, nullable=False),
    Column("used_by", Text),
    Column("enrollment_id", ForeignKey("enrollment.id", ondelete="CASCADE")),
    # The device that it is bound to.
    Column("host_uuid", Text),
    Column("serial_number", Text),
    Index(None, "token_sha256"),
    Index(None, "enrollment_id"),
    Index(None, "expires_at"),
)

issued_certificate = Table(
    "issued_certificate",
    metadata,
    Column("serial", Text, primary_key=True),
    Column("certificate", LargeBinary, nullable=False),
    Column("sha256", Text, nullable=False, unique=True),
    Column("subject", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("transaction_id", Text, nullable=False),
    Column("request_sha256", Text, nullable=False, unique=True),
    Column("public_key_sha256", Text, nullable=False),
    Column("challenge_sha256", Text),
    # Challenges go a day after they expire; what their token says counts as long as the identity.
    Column("token_sha256", Text),
    Column("not_after", UTCDateTime, nullable=False),
    Column("issued_at", UTCDateTime, nullable=False),
    Column("host_uuid", Text),
    Column("profile_uuid", Text),
    Column("issuer_serial", Text, nullable=False, server_default=""),
    Column("renewed_sha256", Text),
    Column("revoked_at", UTCDateTime),
    Column("revocation_reason", Text),
    # Of the device that an MDM identity is bound to, as host_uuid is.
    Column("serial_number", Text),
    # Until when it is kept, where that is longer than its expiry tells.
    Column("kept_until", UTCDateTime),
    Index("ix_issued_certificate_age", text("coalesce(kept_until, not_after)")),
    Index(None, "transaction_id"),
    Index(None, "issued_at", "serial"),
    # Holds what is revoked only: the revocation lists are read from it.
    Index(
        None,
        "issuer_serial",
        "revoked_at",
        sqlite_where=_IS_REVOKED,
        postgresql_where=_IS_REVOKED,
    ),
)

pending_request = Table(
    "pending_request",
    metadata,
    Column("id", Text, primary_key=True),
    Column("transaction_id", Text, nullable=False),
    Column("request_sha256", Text, nullable=False, unique=True),
    Column("signer_key_sha256", Text, nullable=False),
    Column("signer_certificate", LargeBinary, nullable=False),
    Column("public_key_sha256", Text, nullable=False),
    Column("request_key_id", Text, nullable=False),
    Column("request", LargeBinary, nullable=False),
    Column("subject", Text, nullable=False),
    Column("alternative_names", Words, nullable=False),
    Column("created_at", UTCDateTime, nullable=False),
    Column("expires_at", UTCDateTime, nullable=False),
    Column("state", Text, nullable=False),
    Column("decided_at", UTCDateTime),
    Column("decided_by", Text),
    Column("serial", Text),
    Index(None, "transaction_id", "created_at"),
    Index(None, "created_at", "id"),
    Index(None, "state", "created_at", "id"),
    Index(None, "expires_at"),
)
