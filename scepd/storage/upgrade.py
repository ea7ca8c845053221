"""
Bring a database to the newest tables.
"""

from __future__ import annotations

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from scepd.errors import ConfigurationError, StorageUnavailable
from scepd.storage.faults import is_passing, sentence


def upgrade_database(engine: Engine) -> None:
    """
    Run the migrations that the database lacks, all of them in one transaction.

    :raises ConfigurationError: the database can't be opened or written, is not one of scepd, or was
        made by a newer scepd.
    :raises StorageUnavailable: another process holds it, or the disk is full.
    """
    try:
        with engine.begin() as connection:
            _upgrade(connection)
    except SQLAlchemyError as error:
        why = f"the database {engine.url.database} can't be used: {sentence(error)}"
        if is_passing(error):
            raise StorageUnavailable(why) from error
        raise ConfigurationError(why) from error


def _upgrade(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", "scepd.storage:migrations")
    config.attributes["connection"] = connection
    _refuse_without_log(connection)
    _refuse_newer(connection, ScriptDirectory.from_config(config))
    command.upgrade(config, "head")


def _refuse_without_log(connection: Connection) -> None:
    # SQLite keeps its old mode without a word where the file system has no shared memory.
    if connection.scalar(text("PRAGMA journal_mode")) != "wal":
        found = f"the file system of {connection.engine.url.database} can't hold a SQLite log"
        raise ConfigurationError(f"{found} (WAL); use a local disk")


def _refuse_newer(connection: Connection, scripts: ScriptDirectory) -> None:
    for revision in MigrationContext.configure(connection).get_current_heads():
        try:
            scripts.get_revision(revision)
        except CommandError:
            found = f"the database is at version {revision!r}, which this scepd does not know"
            raise ConfigurationError(f"{found}; it was made by a newer one") from None
