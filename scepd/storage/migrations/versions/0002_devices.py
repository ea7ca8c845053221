"""
The tables of the embedded certificate authority, the enrollments, commands, pushes, certificates
and leases; what deliveries and inventories add to hosts and assignments.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_CAN_BE_DELIVERED = sa.text("due_at IS NOT NULL AND enrollment_id IS NOT NULL")
_WAITS = sa.text("finished_at IS NULL")


def upgrade() -> None:
    """
    Create the new tables and extend the old ones; every row stays.
    """
    _extend_hosts()
    _extend_assignments()
    _extend_exchanges()
    _create_managed_certificate()
    _create_enrollments()
    _create_outbox()
    _create_issuing()
    op.create_table(
        "lease",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_lease"),
    )


def _extend_hosts() -> None:
    # Columns are added one by one: to make this table anew would drop the old one, and with it, by
    # their foreign keys, the labels and assignments.
    for column in (
        sa.Column("folded_uuid", sa.Text(), nullable=False, server_default=""),
        sa.Column("model", sa.Text(), nullable=False, server_default=""),
        sa.Column("os_version", sa.Text(), nullable=False, server_default=""),
        sa.Column("last_seen", sa.BigInteger()),
        sa.Column("node_key_sha256", sa.Text()),
        sa.Column("inventory_due_at", sa.BigInteger()),
    ):
        op.add_column("host", column)
    op.execute("UPDATE host SET folded_uuid = lower(uuid)")
    op.create_index("ix_host_folded_uuid", "host", ["folded_uuid"])
    op.create_index("ix_host_node_key_sha256", "host", ["node_key_sha256"], unique=True)


def _extend_assignments() -> None:
    with op.batch_alter_table("host_profile") as batch:
        batch.drop_constraint("fk_host_profile_profile_uuid", type_="foreignkey")
        batch.drop_index("ix_host_profile_ca_name_due_at")
        batch.add_column(
            sa.Column("profile_identifier", sa.Text(), nullable=False, server_default="")
        )
        batch.add_column(sa.Column("enrollment_id", sa.Text()))
        batch.add_column(
            sa.Column("offered", sa.Boolean(), nullable=False, server_default=sa.false())
        )
        batch.add_column(sa.Column("command_uuid", sa.Text()))
        batch.add_column(sa.Column("delivered_at", sa.BigInteger()))
        batch.add_column(sa.Column("acknowledged_at", sa.BigInteger()))
        batch.add_column(sa.Column("renew_at", sa.BigInteger()))
        batch.add_column(sa.Column("expires_at", sa.BigInteger()))
    op.create_index(
        "ix_host_profile_ca_name_due_at",
        "host_profile",
        ["ca_name", "due_at"],
        sqlite_where=_CAN_BE_DELIVERED,
        postgresql_where=_CAN_BE_DELIVERED,
    )
    op.create_index("ix_host_profile_status_renew_at", "host_profile", ["status", "renew_at"])
    removed = sa.text("operation = 'remove'")
    op.create_index(
        "ix_host_profile_profile_identifier",
        "host_profile",
        ["profile_identifier"],
        sqlite_where=removed,
        postgresql_where=removed,
    )
    op.execute(
        "UPDATE host_profile SET profile_identifier = "
        "(SELECT identifier FROM profile WHERE profile.uuid = host_profile.profile_uuid)"
    )


def _extend_exchanges() -> None:
    op.create_index(
        "ix_enrollment_window_host_uuid_profile_uuid_opened_at",
        "enrollment_window",
        ["host_uuid", "profile_uuid", "opened_at"],
    )
    op.create_index("ix_scep_exchange_window_id", "scep_exchange", ["window_id"])


def _create_managed_certificate() -> None:
    op.create_table(
        "managed_certificate",
        sa.Column("host_uuid", sa.Text(), nullable=False),
        sa.Column("sha1", sa.Text(), nullable=False),
        sa.Column("profile_uuid", sa.Text(), nullable=False),
        sa.Column("ca_name", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("serial", sa.Text(), nullable=False),
        sa.Column("not_before", sa.BigInteger(), nullable=False),
        sa.Column("not_after", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("first_seen", sa.BigInteger(), nullable=False),
        sa.Column("renew_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("host_uuid", "sha1", name="pk_managed_certificate"),
        sa.ForeignKeyConstraint(
            ["host_uuid"],
            ["host.uuid"],
            name="fk_managed_certificate_host_uuid",
            ondelete="CASCADE",
        ),
    )
    op.create_index(
        "ix_managed_certificate_host_uuid_not_before_sha1",
        "managed_certificate",
        ["host_uuid", "not_before", "sha1"],
    )


def _create_enrollments() -> None:
    op.create_table(
        "enrollment",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("host_uuid", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("push_topic", sa.Text()),
        sa.Column("push_key_id", sa.Text()),
        sa.Column("push", sa.LargeBinary()),
        sa.Column("token_updated_at", sa.BigInteger()),
        sa.Column("enrolled_at", sa.BigInteger(), nullable=False),
        sa.Column("last_seen", sa.BigInteger()),
        sa.PrimaryKeyConstraint("id", name="pk_enrollment"),
        sa.ForeignKeyConstraint(
            ["host_uuid"], ["host.uuid"], name="fk_enrollment_host_uuid", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_enrollment_host_uuid_kind", "enrollment", ["host_uuid", "kind"])
    op.create_table(
        "device_identity",
        sa.Column("certificate_sha256", sa.Text(), nullable=False),
        sa.Column("enrollment_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("certificate_sha256", name="pk_device_identity"),
        sa.ForeignKeyConstraint(
            ["enrollment_id"],
            ["enrollment.id"],
            name="fk_device_identity_enrollment_id",
            ondelete="CASCADE",
        ),
    )
    op.create_index("ix_device_identity_enrollment_id", "device_identity", ["enrollment_id"])


def _create_outbox() -> None:
    op.create_table(
        "command",
        sa.Column("uuid", sa.Text(), nullable=False),
        sa.Column("enrollment_id", sa.Text(), nullable=False),
        sa.Column("host_uuid", sa.Text(), nullable=False),
        sa.Column("request_type", sa.Text(), nullable=False),
        sa.Column("profile_uuid", sa.Text()),
        sa.Column("body", sa.LargeBinary()),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("offered_at", sa.BigInteger()),
        sa.Column("not_now_at", sa.BigInteger()),
        sa.Column("not_now_count", sa.Integer(), nullable=False),
        sa.Column("finished_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("uuid", name="pk_command"),
        sa.ForeignKeyConstraint(
            ["enrollment_id"],
            ["enrollment.id"],
            name="fk_command_enrollment_id",
            ondelete="CASCADE",
        ),
    )
    op.create_index(
        "ix_command_enrollment_id_priority_created_at_uuid",
        "command",
        ["enrollment_id", "priority", "created_at", "uuid"],
        sqlite_where=_WAITS,
        postgresql_where=_WAITS,
    )
    op.create_index(
        "ix_command_host_uuid_created_at_uuid", "command", ["host_uuid", "created_at", "uuid"]
    )
    op.create_table(
        "push",
        sa.Column("enrollment_id", sa.Text(), nullable=False),
        sa.Column("due_at", sa.BigInteger()),
        sa.Column("apns_id", sa.Text()),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("last_status", sa.Integer()),
        sa.Column("last_reason", sa.Text(), nullable=False),
        sa.Column("answered_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("enrollment_id", name="pk_push"),
        sa.ForeignKeyConstraint(
            ["enrollment_id"], ["enrollment.id"], name="fk_push_enrollment_id", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_push_due_at", "push", ["due_at"])


def _create_issuing() -> None:
    op.create_table(
        "ca_state",
        sa.Column("serial", sa.Text(), nullable=False),
        sa.Column("certificate", sa.LargeBinary(), nullable=False),
        sa.Column("private_key_key_id", sa.Text(), nullable=False),
        sa.Column("private_key", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("serial", name="pk_ca_state"),
    )
    op.create_index("ix_ca_state_created_at", "ca_state", ["created_at"])
    op.create_table(
        "enrollment_token",
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("labels", sa.Text(), nullable=False),
        sa.Column("uses_left", sa.Integer()),
        sa.Column("allow_reenrollment", sa.Boolean(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("sha256", name="pk_enrollment_token"),
    )
    op.create_index(
        "ix_enrollment_token_created_at_sha256", "enrollment_token", ["created_at", "sha256"]
    )
    op.create_table(
        "enrollment_challenge",
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("token_sha256", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("used_by", sa.Text()),
        sa.PrimaryKeyConstraint("sha256", name="pk_enrollment_challenge"),
        sa.ForeignKeyConstraint(
            ["token_sha256"],
            ["enrollment_token.sha256"],
            name="fk_enrollment_challenge_token_sha256",
            ondelete="CASCADE",
        ),
    )
    op.create_index(
        "ix_enrollment_challenge_token_sha256", "enrollment_challenge", ["token_sha256"]
    )
    op.create_index("ix_enrollment_challenge_expires_at", "enrollment_challenge", ["expires_at"])
    _create_issued_certificate()


def _create_issued_certificate() -> None:
    op.create_table(
        "issued_certificate",
        sa.Column("serial", sa.Text(), nullable=False),
        sa.Column("certificate", sa.LargeBinary(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("transaction_id", sa.Text(), nullable=False),
        sa.Column("request_sha256", sa.Text(), nullable=False),
        sa.Column("public_key_sha256", sa.Text(), nullable=False),
        sa.Column("challenge_sha256", sa.Text()),
        sa.Column("token_sha256", sa.Text()),
        sa.Column("not_after", sa.BigInteger(), nullable=False),
        sa.Column("issued_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("serial", name="pk_issued_certificate"),
        sa.UniqueConstraint("sha256", name="uq_issued_certificate_sha256"),
        sa.UniqueConstraint("request_sha256", name="uq_issued_certificate_request_sha256"),
    )
    op.create_index(
        "ix_issued_certificate_transaction_id", "issued_certificate", ["transaction_id"]
    )
    op.create_index("ix_issued_certificate_not_after", "issued_certificate", ["not_after"])
