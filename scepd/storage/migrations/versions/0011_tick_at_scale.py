"""
When the host of an assignment enrolled, and certificate authorities that are back.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"

_CAN_BE_DELIVERED = sa.text("due_at IS NOT NULL AND enrollment_id IS NOT NULL")
_HAS_FAILED = sa.text("status = 'failed'")


def upgrade() -> None:
    """
    Extend the assignments; those that are there are of their enrollments.
    """
    op.add_column("host_profile", sa.Column("enrolled_at", sa.BigInteger()))
    op.execute(
        """
        UPDATE host_profile SET enrolled_at =
        (SELECT enrolled_at FROM enrollment WHERE enrollment.id = host_profile.enrollment_id)
        """
    )
    op.create_index(
        "ix_host_profile_ca_name_enrolled_at",
        "host_profile",
        ["ca_name", "enrolled_at", "due_at"],
        sqlite_where=_CAN_BE_DELIVERED,
        postgresql_where=_CAN_BE_DELIVERED,
    )
    op.create_index(
        "ix_host_profile_failed",
        "host_profile",
        ["ca_name", "host_uuid"],
        sqlite_where=_HAS_FAILED,
        postgresql_where=_HAS_FAILED,
    )
    op.create_table(
        "authority_recovery",
        sa.Column("ca_name", sa.Text(), nullable=False),
        sa.Column("begun_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("ca_name", name="pk_authority_recovery"),
    )
