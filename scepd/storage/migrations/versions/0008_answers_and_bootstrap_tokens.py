"""
What devices answered to commands, the search for those that are old, and bootstrap tokens.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

_FINISHED = sa.text("finished_at IS NOT NULL")


def upgrade() -> None:
    """
    Extend commands and enrollments; the answers to those that were finished before were not kept.
    """
    op.add_column("command", sa.Column("answer_size", sa.Integer()))
    op.add_column("command", sa.Column("answer", sa.LargeBinary()))
    op.add_column("enrollment", sa.Column("bootstrap_key_id", sa.Text()))
    op.add_column("enrollment", sa.Column("bootstrap_token", sa.LargeBinary()))
    op.create_index(
        "ix_command_finished_at",
        "command",
        ["finished_at"],
        sqlite_where=_FINISHED,
        postgresql_where=_FINISHED,
    )
