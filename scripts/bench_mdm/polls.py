"""
Idle polls, on each store, beside a bare site.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.progress import Progress

from scripts.bench_mdm.delays import Delays
from scripts.bench_mdm.devices import Device, enroll
from scripts.bench_mdm.fleet import add_hosts
from scripts.bench_mdm.generator import Job
from scripts.bench_mdm.processes import Generator, Site
from scripts.bench_mdm.stores import ServedStore
from scripts.bench_scep.figures import Spread
from scripts.bench_scep.generator import pack_messages
from scripts.bench_scep.processes import cpu_seconds, pin
from tests.support.postgresql_server import PostgreSQLServer

SITE = "site"
_OTHER_HOSTS = 20_000
_ROWS = 1000


@dataclass(frozen=True, slots=True)
class PollOptions:
    """
    How long, how often and how much at once.

    :param cores: for what is measured, and for the rest; None: wherever the system likes.
    """

    stores: Sequence[str]
    rounds: int
    seconds: float
    connections: int
    cores: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class PollPoint:
    """
    One measurement.

    :param target: ``site``, or the kind of store.
    :param p50: milliseconds.
    :param cpu: microseconds of CPU time a poll: of the site or daemon.
    :param store_cpu: the same of the database server; 0 where there is none.
    :param load_cpu: the same of the load generator.
    """

    target: str
    number: int
    per_second: float
    p50: float
    p99: float
    longest: float
    cpu: float
    store_cpu: float
    load_cpu: float
    failures: dict[str, int]

    @property
    def whole_cpu(self) -> float:
        """
        Microseconds of CPU time a poll, the database's own counted.
        """
        return self.cpu + self.store_cpu


@dataclass(frozen=True, slots=True)
class PollFigures:
    """
    All measurements, and how late each daemon's reactor was meanwhile.

    :param delays: by kind of store.
    """

    points: list[PollPoint]
    delays: dict[str, Delays]

    @property
    def targets(self) -> list[str]:
        """
        What was measured, the site first.
        """
        return list(dict.fromkeys(one.target for one in self.points if one.number == 0))

    def of(self, target: str) -> list[PollPoint]:
        """
        The rounds of one target.
        """
        found = [one for one in self.points if one.target == target]
        return sorted(found, key=lambda one: one.number)

    def ratio(self, target: str) -> Spread:
        """
        CPU time of a poll over that of the bare site's answer, round by round.
        """
        pairs = zip(self.of(target), self.of(SITE), strict=True)
        return Spread.of([one.whole_cpu / site.whole_cpu for one, site in pairs])


@dataclass(frozen=True, slots=True)
class _Target:
    name: str
    port: int
    pid: int
    server_pid: int | None = None


def measure_polls(
    folder: Path,
    server: PostgreSQLServer | None,
    devices: list[Device],
    options: PollOptions,
    progress: Progress,
) -> PollFigures:
    """
    Start site, daemons and load, and measure each in turn, in another order each round.
    """
    requests = folder / "polls"
    requests.write_bytes(pack_messages([one.request for one in devices]))
    with ExitStack() as exits:
        generator, site = Generator(), Site()
        exits.callback(generator.stop)
        exits.callback(site.stop)
        stores = [_served(folder, kind, server, devices, exits) for kind in options.stores]
        targets = [_Target(SITE, site.port, site.process.pid)]
        targets += [_Target(one.name, one.port, one.pid, one.server_pid) for one in stores]
        _pin(targets, generator, options.cores)
        measuring = _Measuring(generator, requests, options, len(devices))
        measuring.warm_up(targets, progress)
        before = {one.name: Delays.of(one.daemon) for one in stores}
        points = list(measuring.rounds(targets, progress))
        delays = {one.name: Delays.of(one.daemon) - before[one.name] for one in stores}
        return PollFigures(points, delays)


class _Measuring:
    """
    The rounds.
    """

    def __init__(
        self, generator: Generator, requests: Path, options: PollOptions, devices: int
    ) -> None:
        self._generator = generator
        self._requests = requests
        self._options = options
        self._devices = devices

    def warm_up(self, targets: Sequence[_Target], progress: Progress) -> None:
        """
        Let each device poll, at least once.
        """
        task = progress.add_task("warming up", total=len(targets))
        for target in targets:
            polls, least = 0, self._devices
            while polls < least:
                measured = self._generator.run(self._job(target, 1.0))
                if not measured.count:
                    raise RuntimeError(f"polls of {target.name} fail: {measured.failures}")
                polls += measured.count
            progress.advance(task)

    def rounds(self, targets: Sequence[_Target], progress: Progress) -> Iterator[PollPoint]:
        """
        Measure.
        """
        task = progress.add_task("polls", total=self._options.rounds * len(targets))
        for number in range(self._options.rounds):
            turn = number % len(targets)
            for target in (*targets[turn:], *targets[:turn]):
                yield self._point(target, number)
                progress.advance(task)

    def _job(self, target: _Target, seconds: float) -> Job:
        return Job(target.port, self._options.connections, seconds, 0, str(self._requests))

    def _point(self, target: _Target, number: int) -> PollPoint:
        pids = (target.pid, target.server_pid, self._generator.pid)
        before = [_cpu(pid) for pid in pids]
        measured = self._generator.run(self._job(target, self._options.seconds))
        spent = [_cpu(pid) - old for pid, old in zip(pids, before, strict=True)]
        count = max(measured.count, 1)
        return PollPoint(
            target.name,
            number,
            measured.count / measured.seconds,
            measured.percentile(0.5),
            measured.percentile(0.99),
            measured.percentile(1.0),
            *(1e6 * seconds / count for seconds in spent),
            measured.failures,
        )


def _served(
    folder: Path,
    kind: str,
    server: PostgreSQLServer | None,
    devices: list[Device],
    exits: ExitStack,
) -> ServedStore:
    store = ServedStore(folder / f"polls-{kind}", None if kind == "sqlite" else server)
    exits.callback(store.stop)
    with store.connection() as connection:
        # Nobody's database holds only those that poll just now.
        add_hosts(connection, "other", _OTHER_HOSTS, datetime.now(UTC))
        for at in range(0, len(devices), _ROWS):
            enroll(connection, devices[at : at + _ROWS])
    store.settle()
    store.start()
    return store


def _pin(targets: Sequence[_Target], generator: Generator, cores: tuple[int, int] | None) -> None:
    if cores is None:
        return
    for target in targets:
        pin(target.pid, cores[0])
        if target.server_pid is not None:
            pin(target.server_pid, cores[1])
    pin(generator.pid, cores[1])


def _cpu(pid: int | None) -> float:
    return 0.0 if pid is None else cpu_seconds(pid)
