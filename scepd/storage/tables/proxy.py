"""
Enrollment windows and the exchanges that pass through them.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, Table, Text, false, text

from scepd.storage.columns import UTCDateTime
from scepd.storage.tables.naming import metadata

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
    Column("token_sha256", Text),
    # That one of its exchanges brought a certificate, once that exchange is forgotten.
    Column("granted", Boolean, nullable=False, server_default=false()),
    # Until when it is kept, where that is longer than its deadline tells.
    Column("kept_until", UTCDateTime),
    Index("ix_enrollment_window_age", text("coalesce(kept_until, deadline)")),
    # The windows of a host are counted: what came before what is never told by two clocks.
    Column("number", BigInteger, nullable=False, server_default="0"),
    Index(None, "host_uuid", "profile_uuid", "state"),
    Index(None, "host_uuid", "profile_uuid", "number"),
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
    Column("failure", Text),
    Index(None, "host_uuid", "started_at", "id"),
    Index(None, "started_at", "id"),
    Index(None, "window_id", "started_at", "id"),
)
