"""
What certificate authorities are trusted by, how we prove who we are, and the way to them.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """
    Add the new columns; without values they change nothing.
    """
    for column in (
        sa.Column("requests_per_second", sa.Float()),
        sa.Column("pinned_sha256", sa.Text()),
        sa.Column("client_certificate", sa.Text()),
        sa.Column("client_key_key_id", sa.Text()),
        sa.Column("client_key", sa.LargeBinary()),
        sa.Column("outgoing_proxy", sa.Text()),
    ):
        op.add_column("certificate_authority", column)
