"""
The processes that are measured: their CPU time, their cores, their files.
"""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from scripts.bench_scep.generator import Job, Measured
from scripts.generator_process import GeneratorProcess
from tests.support.processes import RunningProgram


def tree(pid: int) -> Iterator[int]:
    """
    A process and all that it started.
    """
    yield pid
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            yield from tree(int(child))


def cpu_seconds(pid: int) -> float:
    """
    CPU time of a process with its threads and its children.

    The scheduler's own count, in nanoseconds; /proc/PID/stat has the same in steps of 10 ms, and
    those of threads that have ended: the larger counts.
    """
    return sum(max(_scheduled(one), _stat(one)) for one in tree(pid))


def pin(pid: int, core: int | None) -> None:
    """
    Keep a process, with its threads and children, on one core; None: let it run on all.
    """
    cores = set(range(os.cpu_count() or 1)) if core is None else {core}
    for one in tree(pid):
        for task in Path(f"/proc/{one}/task").iterdir():
            os.sched_setaffinity(int(task.name), cores)


def raise_file_limit() -> None:
    """
    Allow this process, and those that it starts, as many open files as it may.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class Python(RunningProgram):
    """
    A program of the bench that prints its port.
    """

    def __init__(self, module: str, *arguments: str) -> None:
        super().__init__([sys.executable, "-m", f"scripts.bench_scep.{module}", *arguments], Path())
        self.port = int(self.wait_for(lambda line: line.strip().isdigit(), "port"))


class Generator(GeneratorProcess):
    """
    The load generator.
    """

    def __init__(self) -> None:
        super().__init__("scripts.bench_scep.generator")

    def run(self, job: Job) -> Measured:
        """
        Do a job.
        """
        return Measured(**self.ask(asdict(job)))


def _scheduled(pid: int) -> float:
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            total += int((task / "schedstat").read_text().split()[0])
        except FileNotFoundError:
            continue
    return total / 1e9


def _stat(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
