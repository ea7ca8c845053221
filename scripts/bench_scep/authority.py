"""
The real CA: a daemon of its own with nothing but its embedded CA in use.
"""

from __future__ import annotations

import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import httpx
from sqlalchemy import create_engine, func, insert, literal, select, true

from scepd.storage.tables import issued_certificate
from scripts.bench_scep.generator import SUCCESS
from scripts.bench_scep.messages import make_message
from tests.support.daemon import Daemon
from tests.support.processes import RunningProgram, tool

CHALLENGE = "bench"
PATH = "/mdm/scep/ca"
_SETTINGS = {"log.level": '"warn"', "log.format": '"text"'}
_DATABASE = "scepd.sqlite"
_PATIENCE = 30.0
# Columns of which each row has its own, and their bytes.
_RANDOM = {
    "serial": 16,
    "sha256": 32,
    "subject": 8,
    "transaction_id": 20,
    "request_sha256": 32,
    "public_key_sha256": 32,
}


def start_quietly(daemon: Daemon, patience: float = _PATIENCE) -> None:
    """
    Start a daemon whose log level hides that it is ready.

    :param patience: seconds.
    """
    argv = [tool("twistd"), "-n", "--pidfile=", "scepd", "--config", "scepd.toml"]
    daemon.running = RunningProgram(argv, daemon.folder)
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline and daemon.running.process.poll() is None:
        try:
            if httpx.get(f"{daemon.admin_url}/healthz", trust_env=False).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise AssertionError(f"the daemon is not ready:\n{daemon.running_program.output}")


class Authority:
    """
    An embedded CA that has issued some certificates before.

    :param issued: how many.
    :param like: another one that has the same key; it must not run.
    """

    def __init__(self, folder: Path, issued: int, like: Authority | None = None) -> None:
        settings = {**_SETTINGS, "ca.challenge_file": '"ca.challenge"', "ca.key_bits": "2048"}
        self.daemon = Daemon(folder, settings)
        self.port = self.daemon.device_port
        challenge = folder / "ca.challenge"
        challenge.write_text(CHALLENGE)
        challenge.chmod(0o600)
        if like is not None:
            shutil.copy2(like.daemon.folder / "keyring", folder / "keyring")
            _copy_database(like.daemon.folder / _DATABASE, folder / _DATABASE)
        self.certificate: bytes = self._make_key() if like is None else like.certificate
        if issued:
            _fill(self.daemon.database_url, issued)

    @property
    def pid(self) -> int:
        """
        Of its process.
        """
        return self.daemon.running_program.process.pid

    def start(self) -> None:
        """
        Start it.
        """
        start_quietly(self.daemon)

    def stop(self) -> None:
        """
        End it.
        """
        self.daemon.stop()

    def _make_key(self) -> bytes:
        """
        Start it once, so that it has a database, a key and a first certificate issued; its own
        certificate.
        """
        self.start()
        url = f"http://127.0.0.1:{self.port}{PATH}?operation="
        with httpx.Client(trust_env=False, timeout=_PATIENCE) as client:
            own = client.get(f"{url}GetCACert").raise_for_status().content
            message = make_message(own, CHALLENGE, 0)
            answer = client.post(f"{url}PKIOperation", content=message).raise_for_status()
        if SUCCESS not in answer.content:
            raise AssertionError("the embedded CA refused a certificate")
        self.stop()
        return own


def _copy_database(source: Path, target: Path) -> None:
    """
    Copy a database with what its write-ahead log still holds.
    """
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)


def _fill(url: str, count: int) -> None:
    """
    Multiply the first issued certificate, so that there are ``count`` rows besides it.
    """
    columns = issued_certificate.c
    number = select(literal(1).label("number")).cte("numbers", recursive=True)
    numbers = number.union_all(select(number.c.number + 1).where(number.c.number < count))
    first = select(issued_certificate).limit(1).subquery()
    random = {name: func.lower(func.hex(func.randomblob(size))) for name, size in _RANDOM.items()}
    rows = select(*(random.get(one.name, first.c[one.name]) for one in columns))
    rows = rows.select_from(first.join(numbers, true()))
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(insert(issued_certificate).from_select(columns.keys(), rows))
    engine.dispose()
