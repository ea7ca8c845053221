"""
One-time challenges: those of deliveries, and the certificate authorities that ask about them.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """
    Create the table of challenges, and extend those of authorities and of what was issued.
    """
    op.create_table(
        "delivery_challenge",
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("host_uuid", sa.Text(), nullable=False),
        sa.Column("profile_uuid", sa.Text(), nullable=False),
        sa.Column("ca_name", sa.Text(), nullable=False),
        sa.Column("window_id", sa.Text(), nullable=False),
        sa.Column("names", sa.Text(), nullable=False),
        sa.Column("deadline", sa.BigInteger(), nullable=False),
        sa.Column("csr_sha256", sa.Text()),
        sa.PrimaryKeyConstraint("sha256", name="pk_delivery_challenge"),
    )
    op.create_index(
        "ix_delivery_challenge_host_uuid_profile_uuid_ca_name",
        "delivery_challenge",
        ["host_uuid", "profile_uuid", "ca_name"],
    )
    op.create_index("ix_delivery_challenge_deadline", "delivery_challenge", ["deadline"])
    _extend_authorities()
    for name in ("host_uuid", "profile_uuid"):
        op.add_column("issued_certificate", sa.Column(name, sa.Text()))


def _extend_authorities() -> None:
    with op.batch_alter_table("certificate_authority") as batch:
        batch.alter_column("challenge_key_id", existing_type=sa.Text(), nullable=True)
        batch.alter_column("challenge", existing_type=sa.LargeBinary(), nullable=True)
        batch.add_column(
            sa.Column("challenge_mode", sa.Text(), nullable=False, server_default="static")
        )
        batch.add_column(sa.Column("webhook_id", sa.Text()))
        batch.add_column(sa.Column("webhook_secret_key_id", sa.Text()))
        batch.add_column(sa.Column("webhook_secret", sa.LargeBinary()))
    op.create_index(
        "ix_certificate_authority_webhook_id", "certificate_authority", ["webhook_id"], unique=True
    )
