"""
What tells which certificates a host had before an enrollment window opened, and which exchanges
belong to a window.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"

_OF_ROW = ("host_uuid", "profile_uuid")


def upgrade() -> None:
    """
    Number windows by the time when they were opened, and certificates by the window that was the
    newest of their host when they were first seen.
    """
    for table, name in (("enrollment_window", "number"), ("managed_certificate", "window_number")):
        number = sa.Column(name, sa.BigInteger(), nullable=False, server_default="0")
        op.add_column(table, number)
    _fill()
    _replace_index("enrollment_window", (*_OF_ROW, "opened_at"), (*_OF_ROW, "number"))
    _replace_index("scep_exchange", ("window_id",), ("window_id", "started_at", "id"))


def _fill() -> None:
    names = ("host_uuid", "opened_at", "number")
    window = sa.table("enrollment_window", *map(sa.column, names))
    op.execute(window.update().values(number=window.c.opened_at))
    names = ("host_uuid", "first_seen", "window_number")
    seen = sa.table("managed_certificate", *map(sa.column, names))
    newest = sa.select(sa.func.coalesce(sa.func.max(window.c.number), 0)).where(
        window.c.host_uuid == seen.c.host_uuid, window.c.opened_at <= seen.c.first_seen
    )
    op.execute(seen.update().values(window_number=newest.scalar_subquery()))


def _replace_index(table: str, old: tuple[str, ...], new: tuple[str, ...]) -> None:
    op.drop_index(f"ix_{table}_{'_'.join(old)}", table)
    op.create_index(f"ix_{table}_{'_'.join(new)}", table, list(new))
