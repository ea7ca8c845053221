"""
The renewal of device identities, and what their challenges are bound to.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

_IS_LOOKED_AT = sa.text("look_at IS NOT NULL")
_HAS_FAILED = sa.text("renewal_failed_at IS NOT NULL")
_IS_NOT_RETIRED = sa.text("retired_at IS NULL")


def upgrade() -> None:
    """
    Extend identities, challenges and certificates; the identities of now are in use, and are looked
    at soon.
    """
    _extend_identities()
    _extend_challenges()
    op.add_column("issued_certificate", sa.Column("serial_number", sa.Text()))
    op.add_column("ca_state", sa.Column("replaced_at", sa.BigInteger()))


def _extend_identities() -> None:
    for column in (
        sa.Column("pinned_at", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("not_after", sa.BigInteger()),
        sa.Column("confirmed_at", sa.BigInteger()),
        sa.Column("retired_at", sa.BigInteger()),
        sa.Column("look_at", sa.BigInteger()),
        sa.Column("renewal_command", sa.Text()),
        sa.Column("renewal_begun_at", sa.BigInteger()),
        sa.Column("renewal_failures", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("renewal_failed_at", sa.BigInteger()),
        sa.Column("renewal_detail", sa.Text(), nullable=False, server_default=""),
    ):
        op.add_column("device_identity", column)
    op.execute(
        "UPDATE device_identity SET confirmed_at = 0, look_at = 0, not_after = (SELECT not_after "
        "FROM issued_certificate WHERE issued_certificate.sha256 = certificate_sha256)"
    )
    for name, condition in (
        ("look_at", _IS_LOOKED_AT),
        ("renewal_failed_at", _HAS_FAILED),
        ("not_after", _IS_NOT_RETIRED),
    ):
        op.create_index(
            f"ix_device_identity_{name}",
            "device_identity",
            [name],
            sqlite_where=condition,
            postgresql_where=condition,
        )


def _extend_challenges() -> None:
    # SQLite can let a column be empty that could not only in a copy of the table.
    with op.batch_alter_table("enrollment_challenge") as challenge:
        challenge.alter_column("token_sha256", existing_type=sa.Text(), nullable=True)
        for name in ("enrollment_id", "host_uuid", "serial_number"):
            challenge.add_column(sa.Column(name, sa.Text()))
        challenge.create_foreign_key(
            "fk_enrollment_challenge_enrollment_id",
            "enrollment",
            ["enrollment_id"],
            ["id"],
            ondelete="CASCADE",
        )
        challenge.create_index("ix_enrollment_challenge_enrollment_id", ["enrollment_id"])
