"""
A look at a database from outside the daemon, which changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from scepd.errors import ConfigurationError
from scepd.storage.engines import database_path, reading_engine
from scepd.storage.faults import sentence
from scepd.storage.postgresql_engines import is_postgresql, server_url, upgrading_engine
from scepd.storage.push_topics import topics_of_enrollments
from scepd.storage.revisions import NEWEST, revisions

_BUSY_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Inspection:
    """
    What a database holds.

    :param newest: whether its tables are those of this scepd; else its start makes them so, or
        refuses, if a newer scepd made them.
    :param topics: push topic → number of enabled enrollments; empty unless ``newest``.
    """

    newest: bool
    topics: Mapping[str, int]


def inspect_database(url: str) -> Inspection:
    """
    Look at the database; a daemon may use it meanwhile.

    :raises ConfigurationError: it is not there, or can't be read.
    """
    engine = _engine(url)
    try:
        with engine.begin() as connection:
            newest = revisions(connection) == {NEWEST}
            return Inspection(newest, topics_of_enrollments(connection) if newest else {})
    except SQLAlchemyError as error:
        raise ConfigurationError(_refusal(engine, error)) from error
    finally:
        engine.dispose()


def _engine(url: str) -> Engine:
    if is_postgresql(url):
        return upgrading_engine(server_url(url), _BUSY_SECONDS)
    path = database_path(url)
    if not path.is_file():
        raise ConfigurationError(f"there is no database {path}; scepd makes it when it starts")
    return reading_engine(path, _BUSY_SECONDS)


def _refusal(engine: Engine, error: SQLAlchemyError) -> str:
    return f"the database {engine.url.database} can't be read: {sentence(error)}"
