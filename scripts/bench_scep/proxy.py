"""
The daemon under test, and the windows through which devices enroll.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Table, create_engine, insert

from scepd.storage.tables import enrollment_window, host, host_profile
from scripts.bench_scep.authority import start_quietly
from tests.support.daemon import SAMPLE_PROFILE, Daemon

_ROWS = 5000
_OPEN_FOR = timedelta(hours=2)


class Proxy:
    """
    A daemon that knows some CAs.

    :param settings: besides the bench's own, ``section.key`` → TOML value.
    :param floor: whether it ends transfers that are slow, where it can do so at all.
    """

    def __init__(
        self, folder: Path, settings: dict[str, str] | None = None, floor: bool = True
    ) -> None:
        own = {"log.level": '"warn"', "log.format": '"text"'}
        self.daemon = Daemon(folder, {**own, **(settings or {})})
        if not floor and "minimum_speed = " in (folder / "scepd.toml").read_text():
            self.daemon.configure({"scep_proxy.minimum_speed": "0"})
        self.port = self.daemon.device_port
        start_quietly(self.daemon)
        self._profiles: dict[str, str] = {}

    @property
    def pid(self) -> int:
        """
        Of its process.
        """
        return self.daemon.running_program.process.pid

    def add_authority(self, name: str, url: str, concurrency: int) -> None:
        """
        Add a CA, and a profile that asks it for certificates.
        """
        self.daemon.add_ca(name, url, "bench", max_concurrency=concurrency)
        sample = SAMPLE_PROFILE.read_bytes().replace(b"Test_SCEP", name.encode())
        unique = sample.replace(b"Fleet.custom.SCEP", b"bench." + name.encode())
        self._profiles[name] = self.daemon.add_profile(unique)

    def open_windows(self, name: str, count: int) -> list[str]:
        """
        As many hosts with an open window each; the paths of their proxy URLs.
        """
        run, profile = uuid.uuid4().hex[:8], self._profiles[name]
        hosts = [f"{name}-{run}-{number}" for number in range(count)]
        engine = create_engine(self.daemon.database_url)
        for at in range(0, count, _ROWS):
            some = hosts[at : at + _ROWS]
            with engine.begin() as connection:
                for table, rows in _rows(some, profile, name):
                    connection.execute(insert(table), rows)
        engine.dispose()
        return [f"/mdm/scep/proxy/{one}%2C{profile}%2C{name}" for one in hosts]

    def stop(self) -> None:
        """
        End it.
        """
        self.daemon.stop()


def _rows(
    hosts: list[str], profile: str, name: str
) -> Iterator[tuple[Table, list[dict[str, object]]]]:
    now = datetime.now(UTC)
    yield (
        host,
        [
            {
                "uuid": one,
                "folded_uuid": one.lower(),
                "serial_number": one,
                "platform": "macos",
                "facts": {},
            }
            for one in hosts
        ],
    )
    yield (
        host_profile,
        [
            {
                "host_uuid": one,
                "profile_uuid": profile,
                "operation": "install",
                "status": "pending",
                "ca_name": name,
                "detail": "",
                "content_sha256": "",
                "attempts": 0,
                "changed_at": now,
            }
            for one in hosts
        ],
    )
    yield (
        enrollment_window,
        [
            {
                "id": str(uuid.uuid4()),
                "host_uuid": one,
                "profile_uuid": profile,
                "ca_name": name,
                "state": "open",
                "opened_at": now,
                "deadline": now + _OPEN_FOR,
            }
            for one in hosts
        ],
    )
