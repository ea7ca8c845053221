"""
Measuring several targets in turn, in another order each round.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rich.progress import Progress

from scripts.bench_scep.figures import Figures, Point
from scripts.bench_scep.generator import Job, Measured
from scripts.bench_scep.processes import Generator, cpu_seconds


@dataclass(frozen=True, slots=True)
class Target:
    """
    What devices talk to.

    :param pid: of the process whose CPU time is measured; None: of none but the CA's.
    :param paths: a file with a path for each enrollment, or the one path.
    :param pace: another target, measured before, of which it gets as many enrollments a second; "":
        as many as it can take.
    """

    name: str
    port: int
    pid: int | None
    paths: str
    pace: str = ""


@dataclass(frozen=True, slots=True)
class Options:
    """
    How long, how often and how much at once.

    :param kept: whether a device keeps its connection from one enrollment to the next.
    """

    rounds: int
    seconds: float
    devices: tuple[int, ...]
    kept: bool


class Stock:
    """
    Messages and paths that were made beforehand; each is used once.

    :param messages: their file, or "" for none.
    :param count: how many there are; None: they need not be different.
    """

    def __init__(self, messages: str, count: int | None) -> None:
        self.messages = messages
        self._count = count
        self._first = 0

    def share(self, measurements: int) -> tuple[int, int]:
        """
        Where the next one begins, and how many one of that many measurements may use.
        """
        if self._count is None:
            return 0, 10**9
        return self._first, (self._count - self._first) // max(measurements, 1)

    def use(self, used: int) -> None:
        """
        So many are gone.
        """
        if self._count is not None:
            self._first += used


class Comparison:
    """
    One case: several targets with one CA.

    :param ca_pid: of the CA's process, whose CPU time is told beside.
    """

    def __init__(
        self,
        case: str,
        generator: Generator,
        stocks: dict[str, Stock],
        ca_pid: int | None = None,
    ) -> None:
        self._case = case
        self._generator = generator
        self._stocks = stocks
        self._ca_pid = ca_pid

    def run(
        self, targets: list[Target], options: Options, figures: Figures, progress: Progress
    ) -> None:
        """
        Measure all.
        """
        left = options.rounds * len(options.devices)
        task = progress.add_task(self._case, total=left * len(targets))
        for number in range(options.rounds):
            for devices in options.devices:
                turn = number % len(targets)
                for target in targets[turn:] + targets[:turn]:
                    shares = left * self._sharers(targets, target)
                    before = figures.of(self._case, devices, target.pace)
                    pace = before[-1].per_second if before else 0.0
                    point = self._point(target, devices, number, options, shares, pace)
                    figures.points.append(point)
                    progress.advance(task)
                left -= 1

    def once(self, target: Target, devices: int, seconds: float) -> Measured:
        """
        One measurement that does not count: it warms up, and tells how much is to be prepared.
        """
        stock = self._stocks[target.name]
        first, limit = stock.share(1)
        job = Job(target.port, devices, seconds, False, target.paths, stock.messages, first, limit)
        measured = self._generator.run(job)
        stock.use(measured.used)
        return measured

    def _sharers(self, targets: list[Target], target: Target) -> int:
        mine = self._stocks[target.name]
        return sum(self._stocks[other.name] is mine for other in targets)

    def _point(
        self,
        target: Target,
        devices: int,
        number: int,
        options: Options,
        shares: int,
        pace: float,
    ) -> Point:
        stock = self._stocks[target.name]
        first, limit = stock.share(shares)
        job = Job(
            target.port,
            devices,
            options.seconds,
            options.kept,
            target.paths,
            stock.messages,
            first,
            limit,
            pace,
        )
        pids = (target.pid, self._ca_pid, self._generator.pid)
        before = [_cpu(pid) for pid in pids]
        measured = self._generator.run(job)
        stock.use(measured.used)
        spent = [(_cpu(pid) - old) for pid, old in zip(pids, before, strict=True)]
        each = [1000 * seconds / max(measured.count, 1) for seconds in spent]
        return Point(self._case, target.name, devices, number, measured, *each)


def write_paths(folder: Path, name: str, paths: list[str]) -> str:
    """
    Write the paths as the generator reads them; the file's name.
    """
    path = folder / f"{name}.paths"
    path.write_text("\n".join(paths))
    return str(path)


def _cpu(pid: int | None) -> float:
    return 0.0 if pid is None else cpu_seconds(pid)
