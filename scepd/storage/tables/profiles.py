"""
Certificate authorities and configuration profiles.
"""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
)

from scepd.storage.columns import EncodedCertificates, UTCDateTime, Words
from scepd.storage.tables.naming import metadata

certificate_authority = Table(
    "certificate_authority",
    metadata,
    Column("name", Text, primary_key=True),
    Column("url", Text, nullable=False),
    Column("challenge_key_id", Text),
    Column("challenge", LargeBinary),
    Column("ca_identifier", Text),
    Column("trusted_certificates", Text),
    Column("max_concurrency", Integer, nullable=False),
    Column("allow_single_des", Boolean, nullable=False),
    Column("certificates", EncodedCertificates, nullable=False),
    Column("capabilities", Words, nullable=False),
    Column("checked_at", UTCDateTime, nullable=False),
    Column("created_at", UTCDateTime, nullable=False),
    Column("requests_per_second", Float),
    Column("pinned_sha256", Text),
    Column("client_certificate", Text),
    Column("client_key_key_id", Text),
    Column("client_key", LargeBinary),
    Column("outgoing_proxy", Text),
    Column("challenge_mode", Text, nullable=False, server_default="static"),
    Column("webhook_id", Text),
    Column("webhook_secret_key_id", Text),
    Column("webhook_secret", LargeBinary),
    Index(None, "webhook_id", unique=True),
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

# The labels of its targets; without any the profile is for all hosts. The rule is any, all or none.
profile_label = Table(
    "profile_label",
    metadata,
    Column("profile_uuid", ForeignKey(profile.c.uuid, ondelete="CASCADE"), primary_key=True),
    Column("rule", Text, primary_key=True),
    Column("label", Text, primary_key=True),
)

# What of a host it depends on, so that nothing is parsed when a fact of a host changes.
profile_variable = Table(
    "profile_variable",
    metadata,
    Column("profile_uuid", ForeignKey(profile.c.uuid, ondelete="CASCADE"), primary_key=True),
    Column("name", Text, primary_key=True),
    Index(None, "name", "profile_uuid"),
)

# A change of a profile that has not reached all its hosts: how far it got, by their uuids.
profile_sweep = Table(
    "profile_sweep",
    metadata,
    Column("profile_uuid", Text, primary_key=True),
    Column("after", Text, nullable=False),
    Column("started_at", UTCDateTime, nullable=False),
)

# Profiles that were removed, so that one of the same identifier takes their place on devices.
former_profile = Table(
    "former_profile",
    metadata,
    Column("uuid", Text, primary_key=True),
    Column("identifier", Text, nullable=False),
    Column("scope", Text, nullable=False),
    Column("removed_at", UTCDateTime, nullable=False),
    Index(None, "identifier"),
)
