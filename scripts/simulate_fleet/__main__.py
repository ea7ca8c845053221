"""
The command line.
"""

from __future__ import annotations

import shutil
import signal
import sys
import tempfile
from pathlib import Path

import httpx
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from scripts.bench_scep.processes import raise_file_limit
from scripts.simulate_fleet.options import read_options
from scripts.simulate_fleet.run import Run
from scripts.simulate_fleet.tables import show

# Of a file or a pipe.
_WIDTH = 110


def main() -> int:
    """
    Run it; the exit status.
    """
    options = read_options()
    # As after Ctrl-C, all processes are ended.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    raise_file_limit()
    folder = options.keep or Path(tempfile.mkdtemp(prefix="scepd-fleet-"))
    folder.mkdir(parents=True, exist_ok=True)
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDTH)
    columns = (TextColumn("{task.description:>12}"), BarColumn(), MofNCompleteColumn())
    try:
        with Progress(*columns, TimeElapsedColumn(), console=console, transient=True) as progress:
            run = Run(folder.absolute(), options, progress)
            try:
                outcome = run.run()
                show(outcome, console)
            finally:
                run.stop()
    except KeyboardInterrupt:
        return 130
    except (AssertionError, OSError, RuntimeError, httpx.HTTPError) as error:
        console.print(f"[bold red]The run failed:[/] {error}", highlight=False)
        return 1
    finally:
        if options.keep is None:
            shutil.rmtree(folder, ignore_errors=True)
    return 0 if outcome.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
