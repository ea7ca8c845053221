"""
The command line.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from scripts.bench_scep.comparison import Options
from scripts.bench_scep.figures import Figures, ratios
from scripts.bench_scep.processes import raise_file_limit
from scripts.bench_scep.report import as_json, summary, table
from scripts.bench_scep.stage import Sizes, Stage, two_cores

_CASES = ("static", "real", "site", "ca", "memory")


def main() -> int:
    """
    Run the bench; the exit status.
    """
    arguments = _parser().parse_args()
    needs_nginx = {"real", "static"} & set(arguments.only)
    if needs_nginx and not shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin"):
        print("nginx is not installed; Debian has it in nginx-light.", file=sys.stderr)
        return 2
    if arguments.quick:
        arguments.rounds, arguments.seconds = 1, 1.0
    # As after Ctrl-C, all processes are ended.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    raise_file_limit()
    cores = None if arguments.no_pin else two_cores()
    options = Options(arguments.rounds, arguments.seconds, arguments.devices, arguments.kept)
    transfers = 200 if arguments.quick else 1000
    sizes = Sizes(arguments.delay, 10_000 if arguments.quick else 100_000, transfers, cores)
    figures = Figures()
    folder = Path(tempfile.mkdtemp(prefix="scepd-bench-"))
    with Progress(console=Console(stderr=True), transient=True) as progress:
        stage = Stage(folder, options, sizes, figures, progress)
        try:
            for case in _CASES:
                if case in arguments.only:
                    getattr(stage, f"measure_{case}")()
        finally:
            stage.stop()
            shutil.rmtree(folder, ignore_errors=True)
    return _tell(arguments, options, sizes, figures, stage)


def _tell(
    arguments: argparse.Namespace, options: Options, sizes: Sizes, figures: Figures, stage: Stage
) -> int:
    found = ratios(figures)
    for line in (*_conditions(options, sizes), *table(figures, sizes.delay)):
        print(line)
    for line in summary(found, stage.memory):
        print(line)
    if arguments.json:
        whole = as_json(vars(arguments) | {"json": None}, figures, found, stage.memory)
        Path(arguments.json).write_text(json.dumps(whole, indent=2, default=str) + "\n")
    for reason, count in figures.failures.items():
        print(f"FAILED {count} times: {reason}", file=sys.stderr)
    return 1 if figures.failures else 0


def _conditions(options: Options, sizes: Sizes) -> list[str]:
    """
    What one has to know to read the figures.
    """
    connection = "one kept connection per device" if options.kept else "a fresh connection each"
    lines = [
        f"{options.rounds} rounds of {options.seconds:g} s; medians (least-most). An enrollment: "
        f"GetCACaps, GetCACert, PKIOperation by POST, {connection}.",
        "scepd: twistd, SQLite that syncs each commit, log level warn, max_concurrency 128. "
        "nginx: one worker, connections to the CA kept, no access log.",
        "CPU ms: per enrollment, of the proxy (or of what is measured alone), of the CA and of the "
        "load generator. *: ended early, what was prepared was used up.",
    ]
    if sizes.cores is None:
        return [*lines, "Not pinned to cores."]
    alone, rest = sizes.cores
    return [
        *lines,
        f"Pinned. static, site, ca: what is under test alone on core {alone}, load generator and "
        f"static CA on core {rest}. real: the CA alone on core {alone}, proxy and load generator "
        f"on core {rest}.",
    ]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/bench scep",
        description="Ratios of enrollments directly to a CA, through nginx and through scepd; "
        "the embedded CA's speed; memory of slow transfers.",
    )
    add = parser.add_argument
    add(
        "--rounds", type=int, default=3, help="of each measurement; the order changes [%(default)s]"
    )
    add("--seconds", type=float, default=3.0, help="of each measurement [%(default)s]")
    add("--devices", type=_numbers, default=(1, 16, 64), help="at once [1,16,64]")
    add("--only", type=_cases, default=_CASES, help=f"some of {','.join(_CASES)} [all]")
    add("--kept", action="store_true", help="devices keep their connection between enrollments")
    add("--delay", type=float, default=5.0, help="ms of the static CA [%(default)s]")
    add("--no-pin", action="store_true", help="let the system choose cores")
    add("--quick", action="store_true", help="one round of 1 s, 200 transfers, 10,000 certificates")
    add("--json", metavar="FILE", help="write everything measured there")
    return parser


def _numbers(text: str) -> tuple[int, ...]:
    numbers = tuple(int(part) for part in text.split(","))
    if any(not 1 <= number <= 1000 for number in numbers):
        raise argparse.ArgumentTypeError("1 to 1000 devices")
    return numbers


def _cases(text: str) -> tuple[str, ...]:
    cases = tuple(text.split(","))
    unknown = set(cases) - set(_CASES)
    if unknown:
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(sorted(unknown))}")
    return cases


if __name__ == "__main__":
    sys.exit(main())
