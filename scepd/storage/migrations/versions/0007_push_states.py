"""
What a push waits for, its place in the series of repetitions, and when it was sent.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

_SUSPENDED = sa.text("state = 'suspended'")


def upgrade() -> None:
    """
    Extend the pushes; no wish is lost, and each keeps its time.

    ``attempts`` counted failures and accepted pushes alike. Of those that were accepted last it is
    taken for the place in the series, and of the others for the failures.
    """
    op.add_column("push", sa.Column("state", sa.Text(), nullable=False, server_default="due"))
    op.add_column("push", sa.Column("repeats", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("push", sa.Column("pushed_at", sa.BigInteger()))
    op.create_index(
        "ix_push_suspended",
        "push",
        ["enrollment_id"],
        sqlite_where=_SUSPENDED,
        postgresql_where=_SUSPENDED,
    )
    push = sa.table(
        "push",
        *map(sa.column, ("state", "repeats", "attempts", "pushed_at", "answered_at")),
        *map(sa.column, ("last_status", "due_at", "apns_id")),
    )
    accepted = (push.c.last_status == 200) & push.c.apns_id.is_(None)
    op.execute(
        push.update()
        .where(accepted)
        .values(state="sent", repeats=push.c.attempts, attempts=0, pushed_at=push.c.answered_at)
    )
    refused = push.c.last_status.is_not(None) & push.c.due_at.is_(None) & ~accepted
    op.execute(push.update().where(refused).values(state="parked"))
