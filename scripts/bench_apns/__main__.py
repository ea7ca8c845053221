"""
The command line.

The server is nghttpd. (nginx's ``return 200`` does not wait for the body, and then resets the
stream, which libcurl takes for an error; when it waits, it needs more CPU time than the clients.
h2o allows 100 streams.)
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from scripts.bench_apns.comparison import CLIENTS, Options, measure
from scripts.bench_apns.figures import Figures, summary, wishes_lines
from scripts.bench_apns.load import TOPIC, tokens
from scripts.bench_apns.wishes import Wishes, measure_wishes
from scripts.bench_scep.processes import pin, raise_file_limit
from scripts.bench_scep.stage import two_cores
from tests.support.nghttpd import Nghttpd

_MOST_STREAMS = 1024
_SERVER = ("-m", str(_MOST_STREAMS), "-w", "20", "-W", "24")
_WISHES = "wishes"
_CASES = (*CLIENTS, _WISHES)


def main() -> int:
    """
    Run the bench; the exit status.
    """
    arguments = _parser().parse_args()
    if not shutil.which("nghttpd"):
        print("nghttpd is not installed; Debian has it in nghttp2-server.", file=sys.stderr)
        return 2
    if arguments.quick:
        arguments.rounds, arguments.seconds = 1, 1.0
        arguments.wishes = min(arguments.wishes, 5000)
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
    clients = [one for one in arguments.only if one in CLIENTS]
    options = Options(clients, arguments.in_flight, arguments.rounds, arguments.seconds, cores)
    figures, wishes = Figures([]), None
    with Progress(console=Console(stderr=True), transient=True) as progress:
        if clients:
            with _server(folder / "clients") as server:
                if cores is not None:
                    pin(server.pid, cores[0])
                figures = Figures(measure(server, options, progress))
        if _WISHES in arguments.only:
            progress.add_task("wishes", total=None)
            with _server(folder / "wishes", arguments.wishes) as server:
                wishes = measure_wishes(folder / "daemon", server, arguments.wishes)
    return _tell(arguments, options, figures, wishes)


@contextmanager
def _server(folder: Path, *count: int) -> Iterator[Nghttpd]:
    server = Nghttpd(folder, TOPIC, (token.hex() for token in tokens(*count)), _SERVER)
    try:
        yield server
    finally:
        server.stop()


def _tell(
    arguments: argparse.Namespace, options: Options, figures: Figures, wishes: Wishes | None
) -> int:
    if options.clients:
        for line in (*_conditions(options), "", *figures.table(), ""):
            print(line)
        for line in summary(figures.ratios()):
            print(line)
    if wishes is not None:
        for line in wishes_lines(wishes):
            print(line)
    if arguments.json:
        whole = {"options": vars(arguments) | {"json": None}, **figures.as_json()}
        whole["wishes"] = None if wishes is None else asdict(wishes)
        Path(arguments.json).write_text(json.dumps(whole, indent=2, default=str) + "\n")
    for reason, count in figures.failures.items():
        print(f"FAILED {count} times: {reason}", file=sys.stderr)
    unanswered = wishes is not None and wishes.count < arguments.wishes
    return 1 if figures.ours_failed or unanswered else 0


def _conditions(options: Options) -> list[str]:
    """
    What one has to know to read the figures.
    """
    lines = [
        f"{options.rounds} rounds of {options.seconds:g} s after a warm-up; medians (least-most). "
        "One TLS connection, 46-octet bodies.",
        "scepd: the client of the daemon, with Deferreds, deadlines and metrics. h2: a loop around "
        "h2 and a blocking socket.",
    ]
    if options.cores is None:
        return [*lines, "Not pinned to cores."]
    server, client = options.cores
    return [*lines, f"Pinned: nghttpd on core {server}, the client on core {client}."]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/bench apns",
        description="Pushes per second and CPU time per push of clients of Apple's push service, "
        "against nghttpd: a plain loop around h2, aioapns, pycurl's multi interface, and ours; "
        "and a daemon's wishes to push, from its database to answered.",
    )
    add = parser.add_argument
    add("--rounds", type=int, default=3, help="of each client; the order changes [%(default)s]")
    add("--seconds", type=float, default=3.0, help="of each measurement [%(default)s]")
    add("--in-flight", type=_numbers, default=(100, 1000), help="pushes at once [100,1000]")
    add("--only", type=_cases, default=_CASES, help=f"some of {','.join(_CASES)} [all]")
    add("--wishes", type=int, default=100_000, help="in the database [%(default)s]")
    add("--no-pin", action="store_true", help="let the system choose cores")
    add("--quick", action="store_true", help="one round of 1 s, 5,000 wishes")
    add("--json", metavar="FILE", help="write everything measured there")
    return parser


def _numbers(text: str) -> tuple[int, ...]:
    numbers = tuple(int(part) for part in text.split(","))
    if any(not 1 <= number <= _MOST_STREAMS for number in numbers):
        raise argparse.ArgumentTypeError(f"1 to {_MOST_STREAMS} pushes")
    return numbers


def _cases(text: str) -> tuple[str, ...]:
    cases = tuple(text.split(","))
    unknown = set(cases) - set(_CASES)
    if unknown:
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(sorted(unknown))}")
    return cases


if __name__ == "__main__":
    sys.exit(main())
