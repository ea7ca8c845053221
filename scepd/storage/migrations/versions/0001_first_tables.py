"""
The tables of the SCEP proxy, the profiles, the hosts and the admin API.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """
    Create the first tables.
    """
    _create_authorities_and_profiles()
    _create_hosts()
    _create_enrollment()
    _create_administration()


def _create_authorities_and_profiles() -> None:
    op.create_table(
        "certificate_authority",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("challenge_key_id", sa.Text(), nullable=False),
        sa.Column("challenge", sa.LargeBinary(), nullable=False),
        sa.Column("ca_identifier", sa.Text()),
        sa.Column("trusted_certificates", sa.Text()),
        sa.Column("max_concurrency", sa.Integer(), nullable=False),
        sa.Column("allow_single_des", sa.Boolean(), nullable=False),
        sa.Column("certificates", sa.Text(), nullable=False),
        sa.Column("capabilities", sa.Text(), nullable=False),
        sa.Column("checked_at", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_certificate_authority"),
    )
    op.create_table(
        "profile",
        sa.Column("uuid", sa.Text(), nullable=False),
        sa.Column("identifier", sa.Text(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("target_label", sa.Text()),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("uuid", name="pk_profile"),
        sa.UniqueConstraint("identifier", name="uq_profile_identifier"),
    )
    op.create_table(
        "profile_certificate_authority",
        sa.Column("profile_uuid", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("ca_name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint(
            "profile_uuid", "position", name="pk_profile_certificate_authority"
        ),
        sa.ForeignKeyConstraint(
            ["profile_uuid"],
            ["profile.uuid"],
            name="fk_profile_certificate_authority_profile_uuid",
            ondelete="CASCADE",
        ),
    )
    op.create_index(
        "ix_profile_certificate_authority_ca_name_profile_uuid",
        "profile_certificate_authority",
        ["ca_name", "profile_uuid"],
    )


def _create_hosts() -> None:
    op.create_table(
        "host",
        sa.Column("uuid", sa.Text(), nullable=False),
        sa.Column("serial_number", sa.Text(), nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.Column("redelivered_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("uuid", name="pk_host"),
    )
    op.create_table(
        "host_label",
        sa.Column("host_uuid", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("host_uuid", "label", name="pk_host_label"),
        sa.ForeignKeyConstraint(
            ["host_uuid"], ["host.uuid"], name="fk_host_label_host_uuid", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_host_label_label_host_uuid", "host_label", ["label", "host_uuid"])
    op.create_table(
        "host_profile",
        sa.Column("host_uuid", sa.Text(), nullable=False),
        sa.Column("profile_uuid", sa.Text(), nullable=False),
        sa.Column("operation", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("ca_name", sa.Text()),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("content_sha256", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.BigInteger()),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("host_uuid", "profile_uuid", name="pk_host_profile"),
        sa.ForeignKeyConstraint(
            ["host_uuid"], ["host.uuid"], name="fk_host_profile_host_uuid", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["profile_uuid"],
            ["profile.uuid"],
            name="fk_host_profile_profile_uuid",
            ondelete="CASCADE",
        ),
    )
    op.create_index("ix_host_profile_ca_name_due_at", "host_profile", ["ca_name", "due_at"])
    op.create_index(
        "ix_host_profile_profile_uuid_host_uuid", "host_profile", ["profile_uuid", "host_uuid"]
    )


def _create_enrollment() -> None:
    op.create_table(
        "enrollment_window",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("host_uuid", sa.Text(), nullable=False),
        sa.Column("profile_uuid", sa.Text(), nullable=False),
        sa.Column("ca_name", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("deadline", sa.BigInteger(), nullable=False),
        sa.Column("reserved_by", sa.Text()),
        sa.Column("reserved_until", sa.BigInteger()),
        sa.Column("signer_key_sha256", sa.Text()),
        sa.Column("transaction_id", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="pk_enrollment_window"),
    )
    op.create_index(
        "ix_enrollment_window_host_uuid_profile_uuid_state",
        "enrollment_window",
        ["host_uuid", "profile_uuid", "state"],
    )
    op.create_index(
        "ix_enrollment_window_profile_uuid_state", "enrollment_window", ["profile_uuid", "state"]
    )
    op.create_table(
        "scep_exchange",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("host_uuid", sa.Text(), nullable=False),
        sa.Column("profile_uuid", sa.Text(), nullable=False),
        sa.Column("ca_name", sa.Text(), nullable=False),
        sa.Column("window_id", sa.Text()),
        sa.Column("message_type", sa.Text()),
        sa.Column("transaction_id", sa.Text()),
        sa.Column("pki_status", sa.Text()),
        sa.Column("fail_info", sa.Text()),
        sa.Column("http_status", sa.Integer(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("milliseconds", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_scep_exchange"),
    )
    op.create_index(
        "ix_scep_exchange_host_uuid_started_at_id",
        "scep_exchange",
        ["host_uuid", "started_at", "id"],
    )
    op.create_index("ix_scep_exchange_started_at_id", "scep_exchange", ["started_at", "id"])


def _create_administration() -> None:
    op.create_table(
        "api_token",
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("sha256", name="pk_api_token"),
    )
    op.create_table(
        "activity",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_activity"),
    )
    op.create_table(
        "health_check",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("writes", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_health_check"),
    )
