"""
The one-time challenges of deliveries.
"""

from __future__ import annotations

from sqlalchemy import Column, Index, Table, Text

from scepd.storage.columns import UTCDateTime
from scepd.storage.tables.naming import metadata

delivery_challenge = Table(
    "delivery_challenge",
    metadata,
    Column("sha256", Text, primary_key=True),
    Column("host_uuid", Text, nullable=False),
    Column("profile_uuid", Text, nullable=False),
    Column("ca_name", Text, nullable=False),
    Column("window_id", Text, nullable=False),
    Column("names", Text, nullable=False),
    Column("deadline", UTCDateTime, nullable=False),
    Column("csr_sha256", Text),
    Index(None, "host_uuid", "profile_uuid", "ca_name"),
    Index(None, "deadline"),
)
