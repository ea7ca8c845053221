"""
From a storage URL to the driver of its kind of database.
"""

from __future__ import annotations

from collections.abc import Callable

from scepd.storage.driver import Driver, DriverSettings
from scepd.storage.engines import database_path
from scepd.storage.postgresql import PostgreSQLDriver
from scepd.storage.postgresql_engines import is_postgresql, server_url
from scepd.storage.sqlite import SQLiteDriver
from scepd.storage.units import ThreadedReactor

Opener = Callable[[ThreadedReactor, DriverSettings], Driver]
"""
Opens a database; holds its caller that long.
"""


def driver_opener(url: str) -> Opener:
    """
    What opens the database that a storage URL names.

    :raises ConfigurationError: it is not one of those that can be.
    """
    if is_postgresql(url):
        server = server_url(url)
        return lambda reactor, settings: PostgreSQLDriver(server, reactor, settings)
    path = database_path(url)
    return lambda reactor, settings: SQLiteDriver(path, reactor, settings)
