"""
The migrations, run by Alembic; imported only where there are some to run.
"""

from __future__ import annotations

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection

from scepd.errors import ConfigurationError
from scepd.storage.revisions import revisions


def migrate(connection: Connection) -> None:
    """
    Run the migrations that the database lacks, in the transaction of its connection.

    :raises ConfigurationError: the database was made by a newer scepd.
    """
    config = Config()
    config.set_main_option("script_location", "scepd.storage:migrations")
    config.attributes["connection"] = connection
    _refuse_newer(connection, ScriptDirectory.from_config(config))
    command.upgrade(config, "head")


def _refuse_newer(connection: Connection, scripts: ScriptDirectory) -> None:
    for revision in revisions(connection):
        try:
            scripts.get_revision(revision)
        except CommandError:
            found = f"the database is at version {revision!r}, which this scepd does not know"
            raise ConfigurationError(f"{found}; it was made by a newer one") from None
