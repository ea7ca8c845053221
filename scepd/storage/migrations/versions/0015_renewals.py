"""
When certificates are overdue, what operators were told of them, and which ones count no more.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0013"

_WATCHED = sa.text("enrollment_id IS NOT NULL AND ca_name IS NOT NULL AND operation = 'install'")
_MICROSECONDS = 1_000_000
_THREE_DAYS = 3 * 86_400 * _MICROSECONDS
_FOUR_HOURS = 4 * 3600 * _MICROSECONDS


def upgrade() -> None:
    """
    Extend assignments and certificates; the times are those of the default settings.
    """
    op.add_column("host_profile", sa.Column("overdue_at", sa.BigInteger()))
    op.add_column("host_profile", sa.Column("alarm", sa.Text(), nullable=False, server_default=""))
    op.add_column("managed_certificate", sa.Column("retired_at", sa.BigInteger()))
    for column in ("expires_at", "overdue_at"):
        op.create_index(
            f"ix_host_profile_{column}",
            "host_profile",
            [column],
            sqlite_where=_WATCHED,
            postgresql_where=_WATCHED,
        )
    _fill_overdue()
    _retire()


def _fill_overdue() -> None:
    times = ("renew_at", "expires_at", "overdue_at", "acknowledged_at")
    row = sa.table(
        "host_profile",
        *(sa.column(name, sa.BigInteger()) for name in times),
        *map(sa.column, ("ca_name", "operation")),
    )
    left = (row.c.expires_at - row.c.renew_at) // 2
    soon = sa.case((left < 0, 0), (left < _THREE_DAYS, left), else_=_THREE_DAYS)
    is_known = row.c.renew_at.is_not(None) & row.c.expires_at.is_not(None)
    op.execute(row.update().where(is_known).values(overdue_at=row.c.renew_at + soon))
    is_unseen = (
        row.c.renew_at.is_(None)
        & row.c.acknowledged_at.is_not(None)
        & row.c.ca_name.is_not(None)
        & (row.c.operation == "install")
    )
    op.execute(row.update().where(is_unseen).values(overdue_at=row.c.acknowledged_at + _FOUR_HOURS))


def _retire() -> None:
    """
    Of the certificates of a profile on a host only the newest counts.
    """
    names = ("host_uuid", "profile_uuid", "sha1", "not_before", "first_seen", "retired_at")
    old = sa.table("managed_certificate", *map(sa.column, names))
    new = old.alias("newer")
    is_newer = sa.or_(
        new.c.not_before > old.c.not_before,
        sa.and_(new.c.not_before == old.c.not_before, new.c.sha1 > old.c.sha1),
    )
    seen = sa.select(sa.func.min(new.c.first_seen)).where(
        new.c.host_uuid == old.c.host_uuid, new.c.profile_uuid == old.c.profile_uuid, is_newer
    )
    op.execute(old.update().values(retired_at=seen.scalar_subquery()))
