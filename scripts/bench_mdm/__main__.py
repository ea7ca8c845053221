"""
The command line.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from scripts.bench_mdm.day import measure_day
from scripts.bench_mdm.devices import Device, make_devices
from scripts.bench_mdm.polls import PollOptions, measure_polls
from scripts.bench_mdm.report import day_lines, poll_json, poll_lines, tick_lines
from scripts.bench_mdm.stores import KINDS, postgresql_server
from scripts.bench_mdm.tick import TickOptions, measure_ticks
from scripts.bench_scep.processes import raise_file_limit
from scripts.bench_scep.stage import two_cores
from tests.support.postgresql_server import PostgreSQLServer

_TICKS = 50
_DESCRIPTION = """\
What devices that have nothing to report cost, what a tick of the profile processor costs, and what
a day of a fleet does to the database.

  poll  PUT /mdm/connect with Status Idle and nothing waiting, on each store, beside a bare
        twisted.web site that answers the same requests with nothing. CPU time is the scheduler's,
        per process; what counts is its ratio to the site's, the database server's own included.
  tick  Among many hosts: database time of a tick with nothing due; then many rows become due at
        once: seconds until each has a command, and how long polls take meanwhile.
  day   24 hours of a fleet in one process, on a clock of its own: polls, inventories, ticks, two
        deliveries and a renewal for each host. Only devices and their connections are fakes."""
_EPILOG = """\
examples:
  scripts/bench mdm --only poll --rounds 5
  scripts/bench mdm --only tick --stores sqlite --hosts 20000 --due 2000
  scripts/bench mdm --only day --fleet 200

PostgreSQL is Debian's (package postgresql); a server is started on loopback in a temporary folder.
Exit status 1: a request failed, a row was not queued, or a profile was not verified in the end."""
_CASES = ("poll", "tick", "day")


def main() -> int:
    """
    Run the bench; the exit status.
    """
    arguments = _parser().parse_args()
    if arguments.quick:
        arguments.rounds, arguments.seconds = 1, 1.0
        arguments.hosts, arguments.due, arguments.fleet = 10_000, 1000, 20
    # As after Ctrl-C, all processes are ended.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    raise_file_limit()
    folder = Path(tempfile.mkdtemp(prefix="scepd-bench-"))
    try:
        return _measure(arguments, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _measure(arguments: argparse.Namespace, folder: Path) -> int:
    cores = None if arguments.no_pin else two_cores()
    for line in _conditions(arguments, cores):
        print(line)
    run = _Run(arguments, folder, cores)
    run.all()
    if arguments.json:
        whole = {"options": vars(arguments) | {"json": None}, **run.found}
        Path(arguments.json).write_text(json.dumps(whole, indent=2, default=str) + "\n")
    for reason, count in run.failures.items():
        print(f"FAILED {count} times: {reason}", file=sys.stderr)
    return 1 if run.failures else 0


class _Run:
    """
    The cases that were asked for, one after the other.
    """

    def __init__(
        self, arguments: argparse.Namespace, folder: Path, cores: tuple[int, int] | None
    ) -> None:
        self._arguments = arguments
        self._folder = folder
        self._cores = cores
        self.found: dict[str, Any] = {}
        self.failures: Counter[str] = Counter()

    def all(self) -> None:
        """
        Measure, and print what came of it.
        """
        wanted = self._arguments.only
        if {"poll", "tick"} & set(wanted):
            with (
                Progress(console=Console(stderr=True), transient=True) as progress,
                postgresql_server("postgresql" in self._arguments.stores) as server,
            ):
                devices = make_devices(self._arguments.devices, progress, self._arguments.encoding)
                if "poll" in wanted:
                    self._poll(server, devices, progress)
                if "tick" in wanted:
                    self._tick(server, devices, progress)
        if "day" in wanted:
            self._day()

    def _poll(
        self, server: PostgreSQLServer | None, devices: list[Device], progress: Progress
    ) -> None:
        given = self._arguments
        options = PollOptions(
            given.stores, given.rounds, given.seconds, given.connections, self._cores
        )
        polls = measure_polls(self._folder, server, devices, options, progress)
        _print(poll_lines(polls))
        self.found["poll"] = poll_json(polls)
        for point in polls.points:
            for reason, count in point.failures.items():
                self.failures[f"{point.target}: {reason}"] += count

    def _tick(
        self, server: PostgreSQLServer | None, devices: list[Device], progress: Progress
    ) -> None:
        given = self._arguments
        options = TickOptions(
            given.stores, given.hosts, given.due, _TICKS, given.connections, given.polls_per_second
        )
        found = measure_ticks(self._folder, server, devices, options, progress)
        _print(tick_lines(found, options))
        self.found["tick"] = [asdict(one) for one in found]
        for one in found:
            for reason, count in one.due.failures.items():
                self.failures[f"{one.store}, polls during the tick: {reason}"] += count
            if one.due.queued < options.due:
                self.failures[f"{one.store}: rows not queued"] += options.due - one.due.queued

    def _day(self) -> None:
        day = measure_day(self._folder, self._arguments.fleet)
        _print(day_lines(day))
        self.found["day"] = asdict(day)
        self.failures.update(day.failures)
        for status, count in day.statuses.items():
            if status != "verified":
                self.failures[f"profiles {status} at the end of the day"] += count


def _print(lines: Iterator[str]) -> None:
    print()
    for line in lines:
        print(line, flush=True)


def _conditions(arguments: argparse.Namespace, cores: tuple[int, int] | None) -> list[str]:
    """
    What one has to know to read the figures.
    """
    lines = [
        f"{arguments.devices} devices poll on {arguments.connections} kept connections; "
        f"Mdm-Signature: RSA 2048, SHA-256, {arguments.encoding.upper()}. Daemons: log level warn, "
        "each commit synced.",
    ]
    if "poll" in arguments.only:
        lines.append(
            f"poll: {arguments.rounds} rounds of {arguments.seconds:g} s; medians (least-most). "
            + (
                "Not pinned to cores."
                if cores is None
                else f"Site and daemons on core {cores[0]}, load generator and PostgreSQL on core "
                f"{cores[1]}."
            )
        )
    return lines


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/bench mdm",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--only", type=_some(_CASES), default=_CASES, help=f"some of {','.join(_CASES)} [all]")
    add("--stores", type=_some(KINDS), default=KINDS, help=f"some of {','.join(KINDS)} [all]")
    add("--rounds", type=int, default=3, help="poll: measurements of each [%(default)s]")
    add("--seconds", type=float, default=4.0, help="poll: of each measurement [%(default)s]")
    add("--connections", type=int, default=32, help="kept open by those that poll [%(default)s]")
    add("--devices", type=int, default=1000, help="that poll in turn [%(default)s]")
    add("--encoding", choices=("ber", "der"), default="ber", help="of signatures [%(default)s]")
    add("--hosts", type=int, default=100_000, help="tick: that there are [%(default)s]")
    add("--due", type=int, default=10_000, help="tick: rows due at once [%(default)s]")
    add(
        *("--polls-per-second",),
        type=float,
        default=200.0,
        help="tick: while those are processed [%(default)s]",
    )
    add("--fleet", type=int, default=2000, help="day: hosts [%(default)s]")
    add("--no-pin", action="store_true", help="poll: let the system choose cores")
    add("--quick", action="store_true", help="one round of 1 s; 10,000 hosts, 1,000 due; 20 hosts")
    add("--json", metavar="FILE", help="write everything measured there")
    return parser


def _some(allowed: tuple[str, ...]) -> Any:
    def read(text: str) -> tuple[str, ...]:
        found = tuple(text.split(","))
        unknown = set(found) - set(allowed)
        if unknown:
            raise argparse.ArgumentTypeError(f"unknown: {', '.join(sorted(unknown))}")
        return found

    return read


if __name__ == "__main__":
    sys.exit(main())
