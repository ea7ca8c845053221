"""
What was last seen of what hosts have, and when they are asked again, over MDM too.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"

_VERIFYING = sa.text("status = 'verifying'")
# Whoever has acknowledged something; NULL is never due, so that the time comes with what they do.
_FILL = sa.text(
    "INSERT INTO inventory (host_uuid, mdm_due_at)"
    " SELECT host_uuid, max(acknowledged_at) FROM host_profile"
    " WHERE acknowledged_at IS NOT NULL GROUP BY host_uuid"
)


def upgrade() -> None:
    """
    Add a table, two times and the search for what waits for its proof; hosts that have something
    are looked at soon.
    """
    op.create_table(
        "inventory",
        sa.Column(
            "host_uuid",
            sa.Text(),
            sa.ForeignKey("host.uuid", name="fk_inventory_host_uuid_host", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column("mdm_due_at", sa.BigInteger()),
        sa.Column("mdm_asked_at", sa.BigInteger()),
        sa.Column("agent_until", sa.BigInteger()),
        sa.Column("agent_at", sa.BigInteger()),
        sa.Column("agent_certificates_at", sa.BigInteger()),
        sa.Column("profiles_at", sa.BigInteger()),
        sa.Column("profiles_source", sa.Text(), nullable=False, server_default=""),
        sa.Column("certificates_at", sa.BigInteger()),
        sa.Column("certificates_source", sa.Text(), nullable=False, server_default=""),
        sa.Column("unreadable", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("profile_list", sa.Text()),
        sa.Column("certificate_list", sa.Text()),
        sa.Column("user_profile_list", sa.Text()),
        sa.PrimaryKeyConstraint("host_uuid", name="pk_inventory"),
    )
    op.create_index("ix_inventory_mdm_due_at", "inventory", ["mdm_due_at"])
    op.add_column("host_profile", sa.Column("listed_at", sa.BigInteger()))
    op.add_column("managed_certificate", sa.Column("shown_at", sa.BigInteger()))
    op.add_column(
        "managed_certificate", sa.Column("sha256", sa.Text(), nullable=False, server_default="")
    )
    op.create_index(
        "ix_host_profile_unproved",
        "host_profile",
        ["status", "acknowledged_at"],
        sqlite_where=_VERIFYING,
        postgresql_where=_VERIFYING,
    )
    op.execute(_FILL)
