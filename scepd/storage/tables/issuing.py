"""
The embedded certificate authority: its keys, who may enroll, and what was issued.
"""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, LargeBinary, Table, Text

from scepd.storage.columns import UTCDateTime, Words
from scepd.storage.tables.naming import metadata

ca_state = Table(
    "ca_state",
    metadata,
    Column("serial", Text, primary_key=True),
    Column("certificate", LargeBinary, nullable=False),
    Column("private_key_key_id", Text, nullable=False),
    Column("private_key", LargeBinary, nullable=False),
    Column("created_at", UTCDateTime, nullable=False),
    Index(None, "created_at"),
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
    Column(
        "token_sha256", ForeignKey(enrollment_token.c.sha256, ondelete="CASCADE"), nullable=False
    ),
    Column("subject", Text, nullable=False),
    Column("expires_at", UTCDateTime, nullable=False),
    Column("used_by", Text),
    Index(None, "token_sha256"),
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
    Index(None, "transaction_id"),
    Index(None, "not_after"),
)
