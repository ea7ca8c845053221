"""
The circuit breakers of certificate authorities.
"""

from __future__ import annotations

from sqlalchemy import Column, Float, Integer, Table, Text

from scepd.storage.columns import UTCDateTime
from scepd.storage.tables.naming import metadata

ca_breaker = Table(
    "ca_breaker",
    metadata,
    Column("ca_name", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("opened_at", UTCDateTime),
    Column("wait", Float, nullable=False),
    Column("next_probe_at", UTCDateTime),
    Column("trial", Text),
    Column("trial_until", UTCDateTime),
    Column("deliver_at", UTCDateTime),
    Column("reason", Text, nullable=False),
)

# Certificate authorities that appeared or were mended, while there is more of what failed of them
# until then than was made due at once.
authority_recovery = Table(
    "authority_recovery",
    metadata,
    Column("ca_name", Text, primary_key=True),
    Column("begun_at", UTCDateTime, nullable=False),
)
