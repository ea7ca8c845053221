"""
Which tables a database has, as the migration tool notes it there.
"""

from __future__ import annotations

from sqlalchemy import Column, Connection, MetaData, String, Table, inspect, select

NEWEST = "0019"
"""
The revision of the newest migration: that of a database with the tables of this scepd.
"""
# Alembic's own table (https://alembic.sqlalchemy.org/en/latest/tutorial.html#running-our-first-migration).
_version = Table("alembic_version", MetaData(), Column("version_num", String(32)))


def revisions(connection: Connection) -> set[str]:
    """
    The revisions that a database is at: none if it is empty, else one.
    """
    if not inspect(connection).has_table(_version.name):
        return set()
    return set(connection.scalars(select(_version.c.version_num)))
