"""
Ticks of the profile processor on a store that no daemon has open, and what the database took.

As a program: ``FILE COUNT``, with the daemon's configuration; it prints a JSON object.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.task import react

from scepd.config import load
from scepd.tap.composition import Composition
from scepd.tap.files import device_secrets, read_keyring
from scripts.bench_mdm.database_time import DatabaseTime

_WARM = 3


async def measure(reactor: Any, path: Path, count: int) -> None:
    """
    Run them, and print what came of it.
    """
    configuration = load(path)
    keyring = read_keyring(configuration)
    secrets = device_secrets(configuration, reactor.seconds)
    parts = Composition(configuration, reactor, lambda: keyring, secrets, lambda: "")
    time = DatabaseTime(parts.database, parts.metrics)
    parts.database.start()
    whole, reading = [], []
    for _ in range(_WARM + count):
        before = time.reading, time.writing
        await parts.management.processor.tick()
        read, written = time.reading - before[0], time.writing - before[1]
        whole.append(1000 * (read + written))
        reading.append(1000 * read)
    await parts.database.stop()
    print(json.dumps({"database": whole[_WARM:], "reading": reading[_WARM:]}), flush=True)


def main() -> None:
    """
    Run it as a program.
    """

    def begin(reactor: Any) -> Deferred[None]:
        return ensureDeferred(measure(reactor, Path(sys.argv[1]), int(sys.argv[2])))

    react(begin, ())


if __name__ == "__main__":
    main()
