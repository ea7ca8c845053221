"""
The embedded certificate authority's roll-over, renewals, revocations, and requests that wait for
an operator.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0006"

_IS_ONLY_ONE = sa.text("role <> 'previous'")
_IS_REVOKED = sa.text("revoked_at IS NOT NULL")


def upgrade() -> None:
    """
    Extend the tables of the authority and create the one of waiting requests; every row stays.
    """
    _extend_states()
    _extend_certificates()
    _create_pending_request()


def _extend_states() -> None:
    op.add_column(
        "ca_state", sa.Column("role", sa.Text(), nullable=False, server_default="current")
    )
    op.create_index(
        "uq_ca_state_role",
        "ca_state",
        ["role"],
        unique=True,
        sqlite_where=_IS_ONLY_ONE,
        postgresql_where=_IS_ONLY_ONE,
    )


def _extend_certificates() -> None:
    for column in (
        sa.Column("issuer_serial", sa.Text(), nullable=False, server_default=""),
        sa.Column("renewed_sha256", sa.Text()),
        sa.Column("revoked_at", sa.BigInteger()),
        sa.Column("revocation_reason", sa.Text()),
    ):
        op.add_column("issued_certificate", column)
    # There was one certificate of the authority so far.
    op.execute(
        "UPDATE issued_certificate SET issuer_serial = coalesce((SELECT serial FROM ca_state), '')"
    )
    op.drop_index("ix_issued_certificate_not_after", "issued_certificate")
    op.create_index(
        "ix_issued_certificate_issued_at_serial", "issued_certificate", ["issued_at", "serial"]
    )
    op.create_index(
        "ix_issued_certificate_issuer_serial_revoked_at",
        "issued_certificate",
        ["issuer_serial", "revoked_at"],
        sqlite_where=_IS_REVOKED,
        postgresql_where=_IS_REVOKED,
    )


def _create_pending_request() -> None:
    op.create_table(
        "pending_request",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("transaction_id", sa.Text(), nullable=False),
        sa.Column("request_sha256", sa.Text(), nullable=False),
        sa.Column("signer_key_sha256", sa.Text(), nullable=False),
        sa.Column("signer_certificate", sa.LargeBinary(), nullable=False),
        sa.Column("public_key_sha256", sa.Text(), nullable=False),
        sa.Column("request_key_id", sa.Text(), nullable=False),
        sa.Column("request", sa.LargeBinary(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("alternative_names", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("decided_at", sa.BigInteger()),
        sa.Column("decided_by", sa.Text()),
        sa.Column("serial", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="pk_pending_request"),
        sa.UniqueConstraint("request_sha256", name="uq_pending_request_request_sha256"),
    )
    for columns in (
        ["transaction_id", "created_at"],
        ["created_at", "id"],
        ["state", "created_at", "id"],
        ["expires_at"],
    ):
        op.create_index("_".join(["ix_pending_request", *columns]), "pending_request", columns)
