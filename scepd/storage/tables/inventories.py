"""
What was last seen of what hosts have, and when they are asked again.
"""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, Table, Text

from scepd.storage.columns import UTCDateTime
from scepd.storage.tables.hosts import host
from scepd.storage.tables.naming import metadata

inventory = Table(
    "inventory",
    metadata,
    Column("host_uuid", ForeignKey(host.c.uuid, ondelete="CASCADE"), primary_key=True),
    # When the host is to be asked over MDM; NULL: not by time.
    Column("mdm_due_at", UTCDateTime),
    Column("mdm_asked_at", UTCDateTime),
    # Until when the word of its osquery agent is enough; NULL: it is not.
    Column("agent_until", UTCDateTime),
    Column("agent_at", UTCDateTime),
    Column("agent_certificates_at", UTCDateTime),
    Column("profiles_at", UTCDateTime),
    Column("profiles_source", Text, nullable=False, server_default=""),
    Column("certificates_at", UTCDateTime),
    Column("certificates_source", Text, nullable=False, server_default=""),
    Column("unreadable", Integer, nullable=False, server_default="0"),
    # The newest command of each kind: the one before it is forgotten when it comes.
    Column("profile_list", Text),
    Column("certificate_list", Text),
    Column("user_profile_list", Text),
    Index(None, "mdm_due_at"),
)
