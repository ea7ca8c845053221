"""
What is old is found by its age: exchanges, enrollment windows, activities and issued certificates.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    """
    Let windows and certificates be kept for longer than their age tells, and keep what the records
    that go told to others.
    """
    op.add_column(
        "enrollment_window",
        sa.Column("granted", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
    for table, since in (("enrollment_window", "deadline"), ("issued_certificate", "not_after")):
        op.add_column(table, sa.Column("kept_until", sa.BigInteger()))
        age = sa.text(f"coalesce(kept_until, {since})")
        op.create_index(f"ix_{table}_age", table, [age])
    op.create_index("ix_activity_at", "activity", ["at"])
    forgotten = sa.Column("revoked_forgotten", sa.Integer(), nullable=False, server_default="0")
    op.add_column("ca_state", forgotten)
