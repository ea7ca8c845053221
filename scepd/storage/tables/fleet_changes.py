"""
Changes of many assignments that are under way.
"""

from __future__ import annotations

from sqlalchemy import Column, Table, Text

from scepd.storage.columns import UTCDateTime
from scepd.storage.tables.naming import metadata

fleet_change = Table(
    "fleet_change",
    metadata,
    Column("kind", Text, primary_key=True),
    # The uuid of a profile, or the name of a certificate authority.
    Column("subject", Text, primary_key=True),
    # Of a profile that is gone, as devices know it.
    Column("profile_identifier", Text, nullable=False, server_default=""),
    # The last host or enrollment that it came to.
    Column("after", Text, nullable=False, server_default=""),
    Column("begun_at", UTCDateTime, nullable=False),
)
