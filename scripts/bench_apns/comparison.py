"""
Measuring the clients in turn, in another order each round.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from rich.progress import Progress

from scripts.bench_apns.load import Job, Measured
from scripts.bench_scep.processes import cpu_seconds
from tests.support.nghttpd import Nghttpd

CLIENTS = ("h2", "aioapns", "pycurl", "scepd")
_PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class Point:
    """
    One measurement.

    :param number: of the round, from 0.
    :param server_cpu: seconds of CPU time of the server meanwhile, warming up included.
    """

    client: str
    in_flight: int
    number: int
    measured: Measured
    server_cpu: float

    @property
    def per_second(self) -> float:
        """
        Pushes per second that were answered with 200.
        """
        return self.measured.count / self.measured.seconds

    @property
    def cpu(self) -> float:
        """
        Microseconds of the client's CPU time per push.
        """
        return 1e6 * self.measured.cpu / max(self.measured.count, 1)


@dataclass(frozen=True, slots=True)
class Options:
    """
    What is measured, how long and how often.

    :param cores: the server's and the client's; None: not pinned.
    """

    clients: Sequence[str]
    in_flight: Sequence[int]
    rounds: int
    seconds: float
    cores: tuple[int, int] | None


def measure(server: Nghttpd, options: Options, progress: Progress) -> list[Point]:
    """
    Measure all clients.
    """
    clients, points = list(options.clients), []
    total = options.rounds * len(options.in_flight) * len(clients)
    task = progress.add_task("pushes", total=total)
    for number in range(options.rounds):
        for in_flight in options.in_flight:
            turn = number % len(clients)
            for client in clients[turn:] + clients[:turn]:
                before = cpu_seconds(server.pid)
                measured = _run(client, _job(server, in_flight, options), options.cores)
                spent = cpu_seconds(server.pid) - before
                points.append(Point(client, in_flight, number, measured, spent))
                progress.advance(task)
    return points


def _job(server: Nghttpd, in_flight: int, options: Options) -> Job:
    files = str(server.certificate), str(server.roots)
    return Job(server.port, in_flight, options.seconds, *files)


def _run(client: str, job: Job, cores: tuple[int, int] | None) -> Measured:
    """
    One client's process, from its start to its end.
    """
    argv = [sys.executable, "-m", f"scripts.bench_apns.client_{client}", json.dumps(asdict(job))]
    own = os.sched_getaffinity(0)
    # A child has its parent's cores.
    os.sched_setaffinity(0, own if cores is None else {cores[1]})
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=_PATIENCE, check=False)
    finally:
        os.sched_setaffinity(0, own)
    lines = done.stdout.splitlines()
    if done.returncode or not lines:
        raise RuntimeError(
            f"{client} with {job.in_flight} in flight has failed:\n{done.stderr[-2000:]}"
        )
    return Measured(**json.loads(lines[-1]))
