"""
Ticks of the profile processor among many hosts: with nothing due, and with many rows due at once.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.progress import Progress
from sqlalchemy import Engine, func, select, update

from scepd.storage.tables import command, host_profile, profile
from scripts.bench_mdm.devices import Device, enroll
from scripts.bench_mdm.fleet import add_hosts, assign
from scripts.bench_mdm.generator import Job, percentile
from scripts.bench_mdm.processes import Generator
from scripts.bench_mdm.stores import ServedStore
from scripts.bench_scep.generator import pack_messages
from scripts.bench_scep.material import static_material
from scripts.bench_scep.processes import Python, cpu_seconds
from tests.support.daemon import SAMPLE_PROFILE
from tests.support.postgresql_server import PostgreSQLServer

_CA = "STATIC"
_HOSTS = "fleet"
# Hosts that enrolled within the hour have a turn of their own.
_LONG_AGO = timedelta(days=1)
_TICK_SECONDS = 1.0
_SLICE_SECONDS = 0.5
_QUIET_SECONDS = 3.0
_PATIENCE = 600.0
_SETTINGS = {
    "profiles.tick": str(_TICK_SECONDS),
    "profiles.deliveries_per_tick": "0",
}


@dataclass(frozen=True, slots=True)
class TickOptions:
    """
    How much there is to do, and what goes on meanwhile.

    :param hosts: with one verified profile each.
    :param due: of their rows that become due at once.
    :param ticks: that are measured with nothing due.
    :param connections: kept open by those that poll.
    :param polls_per_second: meanwhile.
    """

    stores: Sequence[str]
    hosts: int
    due: int
    ticks: int
    connections: int
    polls_per_second: float


@dataclass(frozen=True, slots=True)
class IdleTicks:
    """
    Ticks with nothing due; milliseconds of each.

    :param database: that the database's threads spent on it, commits and their sync included.
    :param reading: of that, in queries.
    """

    database: list[float]
    reading: list[float]


@dataclass(frozen=True, slots=True)
class DueTick:
    """
    Many rows due at once.

    :param queued: how many have a command in the end.
    :param seconds: from the commit that made them due until all had one; up to one second of it
        is the wait for the next tick.
    :param cpu: seconds of CPU time of the daemon meanwhile, the polls included.
    :param store_cpu: the same of the database server.
    :param quiet: milliseconds of the polls before.
    :param latencies: milliseconds of the polls meanwhile.
    :param failures: of the polls.
    """

    queued: int
    seconds: float
    cpu: float
    store_cpu: float
    quiet: list[float]
    latencies: list[float]
    failures: dict[str, int]


@dataclass(frozen=True, slots=True)
class TickFigures:
    """
    What came of one store.
    """

    store: str
    idle: IdleTicks
    due: DueTick

    @property
    def p99(self) -> float:
        """
        Milliseconds that 99 of 100 polls did not exceed while the rows were processed.
        """
        return percentile(self.due.latencies, 0.99)


def measure_ticks(
    folder: Path,
    server: PostgreSQLServer | None,
    devices: list[Device],
    options: TickOptions,
    progress: Progress,
) -> list[TickFigures]:
    """
    Measure the stores one after the other.
    """
    requests = folder / "tick-polls"
    requests.write_bytes(pack_messages([one.request for one in devices]))
    found = []
    with ExitStack() as exits:
        generator = Generator()
        exits.callback(generator.stop)
        authority = _authority(folder)
        exits.callback(authority.stop)
        for kind in options.stores:
            task = progress.add_task(f"ticks on {kind}: {options.hosts} hosts", total=3)
            of_kind = server if kind == "postgresql" else None
            store = ServedStore(folder / f"tick-{kind}", of_kind, _SETTINGS)
            exits.callback(store.stop)
            _fill(store, authority.port, devices, options)
            progress.update(task, advance=1, description=f"ticks on {kind}: nothing due")
            idle = _idle_ticks(store, options.ticks)
            progress.update(task, advance=1, description=f"ticks on {kind}: {options.due} due")
            due = _DueMeasurement(store, generator, requests, options).run()
            store.stop()
            progress.remove_task(task)
            found.append(TickFigures(kind, idle, due))
    return found


def _authority(folder: Path) -> Python:
    """
    A CA that exists; nobody asks it for a certificate.
    """
    material = static_material()
    names = []
    for name, content in (("ca.cer", material.certificate), ("ca.rep", material.cert_rep)):
        (folder / name).write_bytes(content)
        names.append(str(folder / name))
    return Python("static_ca", *names, "0")


def _fill(store: ServedStore, ca_port: int, devices: list[Device], options: TickOptions) -> None:
    store.start()
    store.daemon.add_ca(_CA, f"http://127.0.0.1:{ca_port}/scep", "bench")
    profile_uuid = store.daemon.add_profile(_sample())
    store.stop()
    now = datetime.now(UTC)
    with store.connection() as connection:
        one = select(profile.c.sha256, profile.c.identifier).where(profile.c.uuid == profile_uuid)
        content = connection.execute(one).one()
        enroll(connection, devices)
        add_hosts(connection, _HOSTS, options.hosts, now)
        assign(
            connection,
            _HOSTS,
            options.hosts,
            {
                "profile_uuid": profile_uuid,
                "operation": "install",
                "status": "verified",
                "ca_name": _CA,
                "content_sha256": content.sha256,
                "profile_identifier": content.identifier,
                "changed_at": now,
                "delivered_at": now,
                "acknowledged_at": now,
                "scope": "System",
                "enrolled_at": now - _LONG_AGO,
            },
        )
    store.settle()


def _sample() -> bytes:
    return SAMPLE_PROFILE.read_bytes().replace(b"Test_SCEP", _CA.encode())


def _idle_ticks(store: ServedStore, count: int) -> IdleTicks:
    configuration = str(store.daemon.folder / "scepd.toml")
    done = subprocess.run(
        [sys.executable, "-m", "scripts.bench_mdm.idle_ticks", configuration, str(count)],
        capture_output=True,
        text=True,
        timeout=_PATIENCE,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"the ticks on {store.name} have failed:\n{done.stderr[-2000:]}")
    return IdleTicks(**json.loads(done.stdout.splitlines()[-1]))


class _DueMeasurement:
    """
    Makes rows due in a running daemon's database, and lets devices poll until all are queued.
    """

    def __init__(
        self, store: ServedStore, generator: Generator, requests: Path, options: TickOptions
    ) -> None:
        self._store = store
        self._generator = generator
        self._requests = requests
        self._options = options
        self._failures: dict[str, int] = {}

    def run(self) -> DueTick:
        """
        Measure.
        """
        self._store.start()
        engine = self._store.engine()
        try:
            self._polls(_QUIET_SECONDS)
            quiet = self._polls(_QUIET_SECONDS)
            before = self._spent()
            self._make_due(engine)
            return self._wait(engine, time.monotonic(), before, quiet)
        finally:
            engine.dispose()

    def _wait(
        self, engine: Engine, began: float, before: tuple[float, float], quiet: list[float]
    ) -> DueTick:
        latencies: list[float] = []
        queued, seconds = 0, 0.0
        while queued < self._options.due and seconds < _PATIENCE:
            latencies += self._polls(_SLICE_SECONDS)
            queued = _queued(engine)
            seconds = time.monotonic() - began
        cpu, store_cpu = (now - old for now, old in zip(self._spent(), before, strict=True))
        return DueTick(queued, seconds, cpu, store_cpu, quiet, latencies, self._failures)

    def _polls(self, seconds: float) -> list[float]:
        options = self._options
        job = Job(
            self._store.port,
            options.connections,
            seconds,
            options.polls_per_second,
            str(self._requests),
        )
        measured = self._generator.run(job)
        for reason, count in measured.failures.items():
            self._failures[reason] = self._failures.get(reason, 0) + count
        return measured.latencies

    def _spent(self) -> tuple[float, float]:
        server = self._store.server_pid
        return cpu_seconds(self._store.pid), 0.0 if server is None else cpu_seconds(server)

    def _make_due(self, engine: Engine) -> None:
        some = (
            select(host_profile.c.host_uuid)
            .where(host_profile.c.host_uuid.startswith(f"{_HOSTS}-"))
            .order_by(host_profile.c.host_uuid)
            .limit(self._options.due)
        )
        now = datetime.now(UTC)
        due = update(host_profile).where(host_profile.c.host_uuid.in_(some))
        with engine.begin() as connection:
            connection.execute(due.values(status="pending", due_at=now, changed_at=now))


def _queued(engine: Engine) -> int:
    with engine.connect() as connection:
        return connection.scalar(select(func.count()).select_from(command)) or 0
