"""
The devices' keys, made by all cores before the devices are.

As a program: ``python -m scripts.simulate_fleet.keys FOLDER``, with the numbers of the keys on its
standard input; it writes a line for each that it made.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

from rich.progress import Progress, TaskID

from scepd.simulator.keys import KeyFolder


def make_keys(folder: Path, count: int, progress: Progress) -> None:
    """
    Make the keys that are not there yet.
    """
    missing = KeyFolder(folder).missing(count)
    if not missing:
        return
    task = progress.add_task("keys", total=len(missing))
    shares = [missing[first :: os.cpu_count() or 1] for first in range(os.cpu_count() or 1)]
    makers = [
        threading.Thread(target=_make, args=(folder, share, progress, task))
        for share in shares
        if share
    ]
    for one in makers:
        one.start()
    for one in makers:
        one.join()
    progress.remove_task(task)
    if KeyFolder(folder).missing(count):
        raise RuntimeError(f"{folder}: not all keys could be made")


def _make(folder: Path, numbers: list[int], progress: Progress, task: TaskID) -> None:
    argv = [sys.executable, "-m", "scripts.simulate_fleet.keys", str(folder)]
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("".join(f"{number}\n" for number in numbers))
        process.stdin.close()
        for _ in process.stdout:
            progress.advance(task)


def main() -> None:
    """
    Make the keys that standard input names.
    """
    folder = KeyFolder(Path(sys.argv[1]))
    for line in sys.stdin.readlines():
        folder.make(int(line))
        print(line.strip(), flush=True)


if __name__ == "__main__":
    main()
