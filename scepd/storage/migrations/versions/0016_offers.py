"""
How often a command was offered without an answer; one that was too often stands behind the others.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"

_WAITS = sa.text("finished_at IS NULL")
_BEFORE = ("enrollment_id", "priority", "created_at", "uuid")
_NOW = ("enrollment_id", "setbacks", "priority", "created_at", "uuid")


def upgrade() -> None:
    """
    Extend commands, and give the index of those that wait its new order. What was offered before is
    counted from now on.
    """
    op.add_column("command", sa.Column("offers", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("command", sa.Column("offered_since", sa.BigInteger()))
    op.add_column(
        "command", sa.Column("setbacks", sa.Integer(), nullable=False, server_default="0")
    )
    op.add_column("command", sa.Column("setback_at", sa.BigInteger()))
    op.drop_index(f"ix_command_{'_'.join(_BEFORE)}", "command")
    op.create_index(
        f"ix_command_{'_'.join(_NOW)}",
        "command",
        list(_NOW),
        sqlite_where=_WAITS,
        postgresql_where=_WAITS,
    )
