"""
A day of a fleet in one process: a whole daemon on a clock of its own, with a real SQLite database,
whose fakes are only at the edge: connections in memory, and devices that need no CA.

As a program: ``FOLDER HOSTS``; it prints a JSON object.
"""

from __future__ import annotations

import heapq
import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from rich.console import Console
from rich.progress import Progress
from sqlalchemy import create_engine, func, select
from twisted.internet.defer import Deferred

from scepd.config import load
from scepd.model import Activity, challenge_place
from scepd.storage.certificate_authorities import SQLCertificateAuthorityStore
from scepd.storage.profiles import SQLProfileStore
from scepd.storage.tables import host_profile, managed_certificate
from scepd.tap.composition import Composition
from scepd.tap.files import device_secrets, read_keyring
from scripts.bench_mdm.database_time import DatabaseTime
from scripts.bench_mdm.day_clock import DayClock
from scripts.bench_mdm.day_host import FleetHost, Script
from scripts.bench_mdm.devices import enroll, make_devices_of
from tests.support.daemon import Daemon
from tests.support.fake_mdm_world import authority, scep_profile
from tests.support.http_device import DeviceEnd

HOURS = 24
# Who has something to say within so many seconds says it at once: commits are shared, as they are
# when thousands of devices are there.
_SLOT = 10.0
_POLL_SECONDS = 3600.0
_AGENT_SECONDS = 1800.0
# Half of it is left when it is renewed, so that all are, once.
_VALIDITY = timedelta(hours=30)
_SECRET = "bench"
_CA = "CORP"
_ROWS = 1000


@dataclass(frozen=True, slots=True)
class Day:
    """
    What came of it.

    :param seconds: that it took.
    :param cpu: seconds of CPU time.
    :param database: seconds that the database's threads worked, commits and their sync included.
    :param reading: of these, in queries.
    :param rows: written, changed or deleted.
    :param units: of work that were written.
    :param statuses: of the hosts' profile, in the end.
    :param certificates: that were recorded.
    :param failures: of requests, by status and path.
    """

    hosts: int
    seconds: float
    cpu: float
    database: float
    reading: float
    rows: int
    units: int
    polls: int
    inventories: int
    deliveries: int
    statuses: dict[str, int]
    certificates: int
    failures: dict[str, int]


def measure_day(folder: Path, hosts: int) -> Day:
    """
    Let a day pass, in a process of its own.
    """
    done = subprocess.run(
        [sys.executable, "-m", "scripts.bench_mdm.day", str(folder), str(hosts)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return Day(**json.loads(done.stdout.splitlines()[-1]))


class FleetDay:
    """
    The daemon, its hosts, and what they do.
    """

    def __init__(self, folder: Path, count: int, progress: Progress) -> None:
        self._progress = progress
        settings = {
            "log.level": '"warn"',
            "profiles.deliveries_per_tick": "0",
            "osquery.enroll_secret_file": '"osquery.secret"',
        }
        (secret := folder.parent / "secret").write_text(_SECRET)
        self._daemon = Daemon(folder, settings)
        secret.rename(folder / "osquery.secret").chmod(0o600)
        os.chdir(folder)
        self.clock = DayClock()
        self.clock.advance(datetime(2026, 6, 1, tzinfo=UTC).timestamp())
        self._parts = self._composed(folder / "scepd.toml")
        self._time = DatabaseTime(self._parts.database, self._parts.metrics, self._count_busy)
        self._parts.database.start()
        self.hosts = self._hosts(count)
        self._polls = 0
        self._failures: Counter[str] = Counter()

    def run(self) -> Day:
        """
        Let the day pass.
        """
        before, began, cpu = self._changes(), time.perf_counter(), time.process_time()
        self._parts.management.start()
        task = self._progress.add_task("a day", total=HOURS * 3600)
        start = self.clock.seconds()
        # Whoever does what when is the same each time.
        chance = random.Random(1)
        events: list[tuple[float, int, Callable[[], Script], float]] = []
        for number, host in enumerate(self.hosts):
            scripts = ((host.poll, _POLL_SECONDS), (host.tell, _AGENT_SECONDS))
            for kind, (script, every) in enumerate(scripts):
                first = start + chance.random() * every
                events.append((first, 2 * number + kind, script, every))
        heapq.heapify(events)
        at = start
        while at < start + HOURS * 3600:
            at += _SLOT
            self.clock.run_until(at)
            due = []
            while events and events[0][0] <= at:
                when, number, script, again = heapq.heappop(events)
                due.append(script())
                self._polls += again == _POLL_SECONDS
                heapq.heappush(events, (when + again, number, script, again))
            self._play(due)
            self._progress.update(task, completed=at - start)
        seconds, spent = time.perf_counter() - began, time.process_time() - cpu
        rows = self._changes() - before
        self._stop()
        return self._told(seconds, spent, rows)

    def _play(self, scripts: Iterable[Script]) -> None:
        """
        Let hosts talk at the same time.
        """
        talking = [(script, next(script)) for script in scripts]
        while talking:
            ends = []
            for script, request in talking:
                end = DeviceEnd(self._parts.device_site)
                end.send(request)
                ends.append((script, request, end))
            self.clock.settle()
            talking = []
            for script, request, end in ends:
                answer = end.answer()
                end.vanish()
                if answer.status != 200:
                    path = request.split(b" ", 2)[1].decode("ascii")
                    self._failures[f"HTTP {answer.status} at {path}"] += 1
                    continue
                try:
                    talking.append((script, script.send(answer.body)))
                except StopIteration:
                    continue

    def _composed(self, path: Path) -> Composition:
        configuration = load(path)
        self._keyring = keyring = read_keyring(configuration)
        return Composition(
            configuration,
            self.clock,
            lambda: keyring,
            device_secrets(configuration, self.clock.seconds),
            lambda: "",
            lambda level: False,
            now=lambda: datetime.fromtimestamp(self.clock.seconds(), UTC),
        )

    def _hosts(self, count: int) -> list[FleetHost]:
        keys = [rsa.generate_private_key(65537, 2048) for _ in range(8)]
        now = datetime.fromtimestamp(self.clock.seconds(), UTC)
        devices = make_devices_of(keys, count, self._progress, now=now)
        engine = create_engine(self._daemon.database_url)
        with engine.begin() as connection:
            for first in range(0, count, _ROWS):
                enroll(connection, devices[first : first + _ROWS], now)
        engine.dispose()
        activity = Activity(now, "bench", "began", _CA)
        database = self._parts.database
        sealed = self._keyring.seal(b"challenge", challenge_place(_CA), os.urandom)
        ca = authority(_CA, self._keyring)
        assert ca.challenge is not None and sealed.key_id
        self._wait(SQLCertificateAuthorityStore(database).add_certificate_authority(ca, activity))
        self._wait(SQLProfileStore(database).add_profile(scep_profile(ca=_CA), activity))
        return [
            FleetHost(device, keys[number % len(keys)], self.clock.seconds, _VALIDITY, _SECRET)
            for number, device in enumerate(devices)
        ]

    def _wait(self, work: Any) -> Any:
        done: list[Any] = []
        Deferred.fromCoroutine(work).addBoth(done.append)
        self.clock.settle()
        if isinstance(done[0], BaseException) or hasattr(done[0], "raiseException"):
            done[0].raiseException()
        return done[0]

    def _changes(self) -> int:
        """
        Rows that the writer's connection has changed so far.
        """

        def unit(connection: Any) -> int:
            count: int = connection.connection.driver_connection.total_changes
            return count

        found: int = self._wait(self._parts.database.write(unit))
        return found

    def _count_busy(self, change: int) -> None:
        self.clock.busy += change

    def _stop(self) -> None:
        self._wait(self._parts.management.stop())
        self.clock.busy += 1
        stopped = Deferred.fromCoroutine(self._parts.database.stop())
        stopped.addBoth(lambda result: self._count_busy(-1))
        self.clock.settle()

    def _told(self, seconds: float, cpu: float, rows: int) -> Day:
        engine = create_engine(self._daemon.database_url)
        by_status = select(host_profile.c.status, func.count()).group_by(host_profile.c.status)
        with engine.connect() as connection:
            statuses = {status: count for status, count in connection.execute(by_status)}
            certificates = connection.scalar(select(func.count()).select_from(managed_certificate))
        engine.dispose()
        return Day(
            len(self.hosts),
            seconds,
            cpu,
            self._time.reading + self._time.writing,
            self._time.reading,
            rows,
            self._time.units,
            self._polls,
            sum(host.inventories for host in self.hosts),
            sum(host.deliveries for host in self.hosts),
            statuses,
            certificates or 0,
            dict(self._failures),
        )


def main() -> None:
    """
    Run it as a program.
    """
    with Progress(console=Console(stderr=True), transient=True) as progress:
        day = FleetDay(Path(sys.argv[1]) / "day", int(sys.argv[2]), progress).run()
    print(json.dumps(asdict(day)), flush=True)


if __name__ == "__main__":
    main()
