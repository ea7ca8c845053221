"""
How often a command could not be made for its device.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """
    Extend commands.
    """
    op.add_column(
        "command", sa.Column("failures", sa.Integer(), nullable=False, server_default="0")
    )
    op.add_column("command", sa.Column("failing_since", sa.BigInteger()))
