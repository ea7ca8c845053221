"""
Targets by several labels, automatic labels, the variables of profiles, and changes of profiles that
reach their hosts step by step.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"

_HOST_VARIABLES = (
    "HOST_UUID",
    "HOST_HARDWARE_SERIAL",
    "HOST_PLATFORM",
    "HOST_END_USER_EMAIL_IDP",
    "HOST_END_USER_IDP_USERNAME",
    "HOST_END_USER_IDP_USERNAME_LOCAL_PART",
    "HOST_END_USER_IDP_GROUPS",
    "HOST_END_USER_IDP_DEPARTMENT",
    "HOST_END_USER_IDP_FULL_NAME",
)
_VARIABLE = re.compile(rb"\$\{?FLEET_VAR_(HOST_[A-Z_]+)")
_MAJOR = re.compile(r"([0-9]{1,3})(?:\.|\Z)", re.ASCII)


def upgrade() -> None:
    """
    Make the tables, and fill them from the profiles and hosts that are there.
    """
    _make_tables()
    connection = op.get_bind()
    label = sa.text(
        "INSERT INTO profile_label (profile_uuid, rule, label) "
        "SELECT uuid, 'any', target_label FROM profile WHERE target_label IS NOT NULL"
    )
    connection.execute(label)
    op.drop_column("profile", "target_label")
    for uuid in connection.scalars(sa.text("SELECT uuid FROM profile")).all():
        _insert_variables(connection, uuid)
    _label_hosts(connection)
    connection.execute(
        sa.text(
            "INSERT INTO former_profile (uuid, identifier, scope, removed_at) "
            "SELECT profile_uuid, min(profile_identifier), 'System', max(changed_at) "
            "FROM host_profile WHERE operation = 'remove' "
            "AND profile_uuid NOT IN (SELECT uuid FROM profile) GROUP BY profile_uuid"
        )
    )


def _make_tables() -> None:
    op.create_table(
        "profile_label",
        sa.Column("profile_uuid", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("profile_uuid", "rule", "label", name="pk_profile_label"),
        _of_profile("profile_label"),
    )
    op.create_table(
        "profile_variable",
        sa.Column("profile_uuid", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("profile_uuid", "name", name="pk_profile_variable"),
        _of_profile("profile_variable"),
    )
    op.create_index(
        "ix_profile_variable_name_profile_uuid", "profile_variable", ["name", "profile_uuid"]
    )
    op.create_table(
        "profile_sweep",
        sa.Column("profile_uuid", sa.Text(), nullable=False),
        sa.Column("after", sa.Text(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("profile_uuid", name="pk_profile_sweep"),
    )
    op.create_table(
        "former_profile",
        sa.Column("uuid", sa.Text(), nullable=False),
        sa.Column("identifier", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("removed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("uuid", name="pk_former_profile"),
    )
    op.create_index("ix_former_profile_identifier", "former_profile", ["identifier"])
    op.create_index("ix_host_serial_number", "host", ["serial_number"])


def _of_profile(table: str) -> sa.ForeignKeyConstraint:
    name = f"fk_{table}_profile_uuid"
    return sa.ForeignKeyConstraint(
        ["profile_uuid"], ["profile.uuid"], name=name, ondelete="CASCADE"
    )


def _insert_variables(connection: sa.Connection, uuid: str) -> None:
    one = sa.text("SELECT content FROM profile WHERE uuid = :uuid")
    content = connection.scalar(one, {"uuid": uuid})
    rows = [{"uuid": uuid, "name": name} for name in _variables_of(bytes(content))]
    if rows:
        insert = sa.text("INSERT INTO profile_variable (profile_uuid, name) VALUES (:uuid, :name)")
        connection.execute(insert, rows)


def _variables_of(content: bytes) -> Iterator[str]:
    """
    The variables in a profile of any form: without the zeros UTF-16 is like ASCII. One too many
    does no harm, such as that of a binary profile whose next object begins with a letter.
    """
    found = {match[1].decode() for match in _VARIABLE.finditer(content.replace(b"\x00", b""))}
    for name in _HOST_VARIABLES:
        if any(one.startswith(name) for one in found):
            yield name


def _label_hosts(connection: sa.Connection) -> None:
    """
    Labels that begin like automatic ones become those that the host has by itself.
    """
    connection.execute(
        sa.text("DELETE FROM host_label WHERE label LIKE 'platform:%' OR label LIKE 'os:%'")
    )
    hosts = connection.execute(sa.text("SELECT uuid, platform, os_version FROM host")).all()
    rows = [
        {"uuid": host.uuid, "label": label}
        for host in hosts
        for label in _labels_of(host.platform, host.os_version)
    ]
    if rows:
        insert = sa.text("INSERT INTO host_label (host_uuid, label) VALUES (:uuid, :label)")
        connection.execute(insert, rows)


def _labels_of(platform: str, os_version: str) -> Iterator[str]:
    if platform:
        yield f"platform:{platform}"
    major = _MAJOR.match(os_version)
    if major is not None:
        yield f"os:{int(major[1])}"
