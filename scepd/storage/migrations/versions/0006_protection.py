"""
Circuit breakers of certificate authorities, the tokens of one-time URLs, and the kinds of failures.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """
    Create the new table and extend the windows; every row stays.
    """
    op.create_table(
        "ca_breaker",
        sa.Column("ca_name", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("opened_at", sa.BigInteger()),
        sa.Column("wait", sa.Float(), nullable=False),
        sa.Column("next_probe_at", sa.BigInteger()),
        sa.Column("trial", sa.Text()),
        sa.Column("trial_until", sa.BigInteger()),
        sa.Column("deliver_at", sa.BigInteger()),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("ca_name", name="pk_ca_breaker"),
    )
    op.add_column("enrollment_window", sa.Column("token_sha256", sa.Text()))
    op.add_column("scep_exchange", sa.Column("failure", sa.Text()))
