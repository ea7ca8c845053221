"""
The stores under test: a SQLite file, and a PostgreSQL server of the bench's own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, text

from scepd.storage.postgresql_engines import server_url
from scripts.bench_scep.authority import start_quietly
from tests.support.daemon import Daemon
from tests.support.postgresql_server import PostgreSQLServer

KINDS = ("sqlite", "postgresql")
_QUIET = {"log.level": '"warn"', "log.format": '"text"'}
# As after an installation, but for what is written less often.
_SERVER = {"fsync": "on", "shared_buffers": "128MB"}
_DATABASE = "bench"


class ServedStore:
    """
    A daemon on a store of its own.

    :param server: the PostgreSQL server; None: the store is a SQLite file.
    :param settings: besides the bench's own, ``section.key`` → TOML value.
    """

    def __init__(
        self, folder: Path, server: PostgreSQLServer | None, settings: dict[str, str] | None = None
    ) -> None:
        self.server = server
        own = {**_QUIET, **(settings or {})}
        if server is not None:
            self._url = server.create(_DATABASE)
            own["storage.url"] = f'"{self._url}"'
        self.daemon = Daemon(folder, own)
        if server is None:
            self._url = self.daemon.database_url
        self.port = self.daemon.device_port

    @property
    def name(self) -> str:
        """
        Of its kind.
        """
        return KINDS[0] if self.server is None else KINDS[1]

    @property
    def pid(self) -> int:
        """
        Of the daemon.
        """
        return self.daemon.running_program.process.pid

    @property
    def server_pid(self) -> int | None:
        """
        Of the database server, if there is one.
        """
        return None if self.server is None else self.server.pid

    def start(self) -> None:
        """
        Start the daemon.
        """
        start_quietly(self.daemon)

    def stop(self) -> None:
        """
        End the daemon.
        """
        self.daemon.stop()

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """
        A transaction of its database, from outside.
        """
        engine = self.engine()
        try:
            with engine.begin() as connection:
                yield connection
        finally:
            engine.dispose()

    def engine(self) -> Engine:
        """
        Its database, from outside.
        """
        return create_engine(self._url if self.server is None else server_url(self._url))

    def settle(self) -> None:
        """
        Let the database do now what it does by itself some time after much was written.
        """
        if self.server is not None:
            self.server.execute("VACUUM ANALYZE", _DATABASE)
            self.server.execute("CHECKPOINT", _DATABASE)
        else:
            with self.engine().connect() as connection:
                connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))


@contextmanager
def postgresql_server(wanted: bool) -> Iterator[PostgreSQLServer | None]:
    """
    A server for as long as the block runs, where one is wanted.
    """
    server = PostgreSQLServer(_SERVER) if wanted else None
    try:
        yield server
    finally:
        if server is not None:
            server.remove()
