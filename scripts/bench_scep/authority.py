"""
The real CA: a daemon of its own with nothing but its embedded CA in use.
"""

from __future__ import annotations

import os
import shutil
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
from sqlalchemy import create_engine, insert

from scepd.storage.tables import issued_certificate
from tests.support.daemon import Daemon
from tests.support.processes import RunningProgram, tool

CHALLENGE = "bench"
PATH = "/mdm/scep/ca"
_SETTINGS = {"log.level": '"warn"', "log.format": '"text"'}
_PATIENCE = 30.0
_ROWS = 5000


def start_quietly(daemon: Daemon) -> None:
    """
    Start a daemon whose log level hides that it is ready.
    """
    argv = [tool("twistd"), "-n", "--pidfile=", "scepd", "--config", "scepd.toml"]
    daemon.running = RunningProgram(argv, daemon.folder)
    deadline = time.monotonic() + _PATIENCE
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
        if like is None:
            self._make_key()
        else:
            for name in ("keyring", "scepd.sqlite"):
                shutil.copy2(like.daemon.folder / name, folder / name)
            self.certificate = like.certificate
        _fill(self.daemon.database_url, issued, self.certificate)

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

    def _make_key(self) -> None:
        """
        Start it once, so that it has a database and a key.
        """
        self.start()
        url = f"http://127.0.0.1:{self.port}{PATH}?operation=GetCACert"
        answer = httpx.get(url, trust_env=False, timeout=_PATIENCE)
        answer.raise_for_status()
        self.certificate = answer.content
        self.stop()


def _fill(url: str, count: int, certificate: bytes) -> None:
    """
    Add rows as ``count`` enrollments leave them.
    """
    engine = create_engine(url)
    with engine.begin() as connection:
        for at in range(0, count, _ROWS):
            rows = [_row(certificate) for _ in range(min(_ROWS, count - at))]
            connection.execute(insert(issued_certificate), rows)
    engine.dispose()


def _row(certificate: bytes) -> dict[str, object]:
    now = datetime.now(UTC)
    return {
        "serial": os.urandom(16).hex(),
        "certificate": certificate,
        "sha256": os.urandom(32).hex(),
        "subject": f"CN=before-{os.urandom(4).hex()}",
        "purpose": "profile",
        "transaction_id": os.urandom(20).hex(),
        "request_sha256": os.urandom(32).hex(),
        "public_key_sha256": os.urandom(32).hex(),
        "challenge_sha256": None,
        "token_sha256": None,
        "not_after": now + timedelta(days=365),
        "issued_at": now,
    }
