"""
What devices answered to commands, and the search for those that are old.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

_FINISHED = sa.text("finished_at IS NOT NULL")


def upgrade() -> None:
    """
    Extend the commands; the answers to those that were finished before were not kept.
    """
    op.add_column("command", sa.Column("answer_size", sa.Integer()))
    op.add_column("command", sa.Column("answer", sa.LargeBinary()))
    op.create_index(
        "ix_command_finished_at",
        "command",
        ["finished_at"],
        sqlite_where=_FINISHED,
        postgresql_where=_FINISHED,
    )
