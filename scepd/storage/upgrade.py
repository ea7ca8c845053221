"""
Bring a database to the newest tables.
"""

from __future__ import annotations

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from scepd.errors import ConfigurationError, StorageUnavailable
from scepd.storage.faults import is_disconnected, is_passing, sentence
from scepd.storage.postgresql_engines import KIND
from scepd.storage.revisions import NEWEST, revisions
from scepd.storage.tables import metadata

# Any number that nobody else uses in this database.
_UPGRADE_LOCK = 0x7363657064
_SORTED_OTHERWISE = """
    SELECT table_name, column_name FROM information_schema.columns
    WHERE table_schema = current_schema() AND data_type = 'text' AND table_name = ANY(:tables)
    AND collation_name IS DISTINCT FROM 'C'
    ORDER BY table_name, ordinal_position
"""


def upgrade_database(engine: Engine) -> None:
    """
    Run the migrations that the database lacks, all of them in one transaction.

    :raises ConfigurationError: the database can't be opened or written, is not one of scepd, or was
        made by a newer scepd.
    :raises StorageUnavailable: another process holds it, the disk is full, or the server can't be
        reached.
    """
    try:
        with engine.begin() as connection:
            _upgrade(connection)
    except SQLAlchemyError as error:
        why = f"the database {engine.url.database} can't be used: {sentence(error)}"
        if is_passing(error) or is_disconnected(error):
            raise StorageUnavailable(why) from error
        raise ConfigurationError(why) from error


def _upgrade(connection: Connection) -> None:
    is_server = connection.dialect.name == KIND
    if is_server:
        _hold_others(connection)
    else:
        _refuse_without_log(connection)
    if revisions(connection) != {NEWEST}:
        # Only few starts need the migration tool, which takes long to import.
        from scepd.storage.migrating import migrate

        migrate(connection)
        if is_server:
            _order_by_bytes(connection)


def _hold_others(connection: Connection) -> None:
    """
    Let no other process upgrade at the same time: on SQLite the transaction does it.

    :raises ConfigurationError: the database can't hold every text.
    """
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _UPGRADE_LOCK})
    encoding = connection.scalar(text("SHOW server_encoding"))
    if encoding != "UTF8":
        raise ConfigurationError(f"the encoding of the database is {encoding}; it has to be UTF8")


def _order_by_bytes(connection: Connection) -> None:
    """
    Make each text column sort by its bytes, as on SQLite, whatever the language of the database.
    """
    found = connection.execute(text(_SORTED_OTHERWISE), {"tables": list(metadata.tables)})
    for table, column in found.all():
        change = f'ALTER TABLE "{table}" ALTER COLUMN "{column}" TYPE text COLLATE "C"'
        connection.exec_driver_sql(change)


def _refuse_without_log(connection: Connection) -> None:
    # SQLite keeps its old mode without a word where the file system has no shared memory.
    if connection.scalar(text("PRAGMA journal_mode")) != "wal":
        found = f"the file system of {connection.engine.url.database} can't hold a SQLite log"
        raise ConfigurationError(f"{found} (WAL); use a local disk")
