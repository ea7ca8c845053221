"""
The one write that comes from outside the daemon: the first API token.
"""

from __future__ import annotations

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from scepd.errors import StorageUnavailable
from scepd.model import APIToken
from scepd.storage.api_tokens import insert_api_token
from scepd.storage.engines import create_database_file, database_path, writing_engine
from scepd.storage.faults import sentence
from scepd.storage.postgresql_engines import is_postgresql, server_url, upgrading_engine
from scepd.storage.upgrade import upgrade_database

_BUSY_SECONDS = 10.0


def add_first_token(url: str, token: APIToken) -> None:
    """
    Make the database if there is none, bring it to the newest tables and store ``token``.

    A daemon may use the database meanwhile: its batches and this write wait for each other.

    :raises ConfigurationError: the database can't be used.
    :raises Conflict: this token is stored already.
    :raises StorageUnavailable: another process holds the database, or its server can't be reached.
    """
    engine = _engine(url)
    try:
        upgrade_database(engine)
        with engine.begin() as connection:
            insert_api_token(connection, token)
    except SQLAlchemyError as error:
        text = f"the database {engine.url.database} did not take the token: {sentence(error)}"
        raise StorageUnavailable(text) from error
    finally:
        engine.dispose()


def _engine(url: str) -> Engine:
    if is_postgresql(url):
        return upgrading_engine(server_url(url), _BUSY_SECONDS)
    path = database_path(url)
    create_database_file(path)
    return writing_engine(path, _BUSY_SECONDS)
