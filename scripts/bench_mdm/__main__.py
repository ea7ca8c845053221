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
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from scripts.bench_mdm.devices import make_devices
from scripts.bench_mdm.polls import PollOptions, measure_polls
from scripts.bench_mdm.report import poll_json, poll_lines, tick_lines
from scripts.bench_mdm.stores import KINDS, postgresql_server
from scripts.bench_mdm.tick import TickOptions, measure_ticks
from scripts.bench_scep.processes import raise_file_limit
from scripts.bench_scep.stage import two_cores

_TICKS = 50
_CASES = ("poll", "tick")


def main() -> int:
    """
    Run the bench; the exit status.
    """
    arguments = _parser().parse_args()
    if arguments.quick:
        arguments.rounds, arguments.seconds = 1, 1.0
        arguments.hosts, arguments.due = 10_000, 1000
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
    whole: dict[str, Any] = {"options": vars(arguments) | {"json": None}}
    failures: dict[str, int] = {}
    for line in _conditions(arguments, cores):
        print(line)
    with (
        Progress(console=Console(stderr=True), transient=True) as progress,
        postgresql_server("postgresql" in arguments.stores) as server,
    ):
        devices = make_devices(arguments.devices, progress, arguments.encoding)
        if "poll" in arguments.only:
            options = PollOptions(
                arguments.stores, arguments.rounds, arguments.seconds, arguments.connections, cores
            )
            polls = measure_polls(folder, server, devices, options, progress)
            _print(poll_lines(polls))
            whole["poll"] = poll_json(polls)
            for point in polls.points:
                for reason, count in point.failures.items():
                    failures[f"{point.target}: {reason}"] = count
        if "tick" in arguments.only:
            ticks = TickOptions(
                arguments.stores,
                arguments.hosts,
                arguments.due,
                _TICKS,
                arguments.connections,
                arguments.polls_per_second,
            )
            found = measure_ticks(folder, server, devices, ticks, progress)
            _print(tick_lines(found, ticks))
            whole["tick"] = [asdict(one) for one in found]
            for one in found:
                for reason, count in one.due.failures.items():
                    failures[f"{one.store}, polls during the tick: {reason}"] = count
                if one.due.queued < ticks.due:
                    failures[f"{one.store}: rows not queued"] = ticks.due - one.due.queued
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(whole, indent=2, default=str) + "\n")
    for reason, count in failures.items():
        print(f"FAILED {count} times: {reason}", file=sys.stderr)
    return 1 if failures else 0


def _print(lines: Iterator[str]) -> None:
    print()
    for line in lines:
        print(line, flush=True)


def _conditions(arguments: argparse.Namespace, cores: tuple[int, int] | None) -> list[str]:
    """
    What one has to know to read the figures.
    """
    lines = [
        f"{arguments.rounds} rounds of {arguments.seconds:g} s; medians (least-most). "
        f"{arguments.devices} devices, {arguments.connections} kept connections; Mdm-Signature: "
        f"RSA 2048, SHA-256, {arguments.encoding.upper()}.",
        "scepd: twistd, log level warn, each store synced at each commit.",
    ]
    if cores is None:
        return [*lines, "Not pinned to cores."]
    return [
        *lines,
        f"Pinned: site and daemons on core {cores[0]}, load generator and PostgreSQL on core "
        f"{cores[1]}.",
    ]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/bench mdm",
        description="What a poll of a device that has nothing to report costs, beside a bare "
        "twisted.web site.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--only", type=_some(_CASES), default=_CASES, help=f"some of {','.join(_CASES)} [all]")
    add("--stores", type=_some(KINDS), default=KINDS, help=f"some of {','.join(KINDS)} [all]")
    add("--rounds", type=int, default=3, help="of each poll; the order changes [%(default)s]")
    add("--seconds", type=float, default=4.0, help="of each measurement [%(default)s]")
    add("--connections", type=int, default=32, help="kept open by those that poll [%(default)s]")
    add("--devices", type=int, default=1000, help="that poll in turn [%(default)s]")
    add("--hosts", type=int, default=100_000, help="among which a tick looks [%(default)s]")
    add("--due", type=int, default=10_000, help="rows that become due at once [%(default)s]")
    add(
        "--polls-per-second",
        type=float,
        default=200.0,
        help="while those are processed [%(default)s]",
    )
    add("--encoding", choices=("ber", "der"), default="ber", help="of signatures [%(default)s]")
    add("--no-pin", action="store_true", help="let the system choose cores")
    add("--quick", action="store_true", help="one round of 1 s")
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
