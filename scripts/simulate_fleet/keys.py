"""
The devices' keys, made by all cores before the devices are.
"""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path

from rich.progress import Progress

from scepd.simulator.keys import KeyFolder


def make_keys(folder: Path, count: int, progress: Progress) -> None:
    """
    Make the keys that are not there yet.
    """
    missing = KeyFolder(folder).missing(count)
    if not missing:
        return
    task = progress.add_task("keys", total=len(missing))
    # Not by fork: threads of the progress bar run here.
    context = multiprocessing.get_context("spawn")
    with context.Pool(min(os.cpu_count() or 1, len(missing))) as pool:
        paths = [(folder, number) for number in missing]
        for _ in pool.imap_unordered(_make, paths, chunksize=4):
            progress.advance(task)
    progress.remove_task(task)


def _make(where: tuple[Path, int]) -> None:
    folder, number = where
    KeyFolder(folder).make(number)
