"""
User channels: whose each is, and which profiles go by one.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

_WAITS = "waits for a user channel of the host"


def upgrade() -> None:
    """
    Extend enrollments and assignments; what is for the users of Macs waits for their channels.
    """
    op.add_column(
        "enrollment", sa.Column("user_name", sa.Text(), nullable=False, server_default="")
    )
    op.add_column(
        "host_profile", sa.Column("scope", sa.Text(), nullable=False, server_default="System")
    )
    op.execute(
        sa.text(
            "UPDATE host_profile SET scope = 'User', enrollment_id = NULL, due_at = NULL, "
            "detail = :waits WHERE operation = 'install' AND status = 'pending' "
            "AND profile_uuid IN (SELECT uuid FROM profile WHERE scope = 'User') "
            "AND host_uuid IN (SELECT uuid FROM host WHERE platform = 'macos')"
        ).bindparams(waits=_WAITS)
    )
