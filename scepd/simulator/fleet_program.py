"""
``python -m scepd.simulator.fleet_program``: a part of a fleet in a process of its own.

Its first line of input is what it is to be, the others what happens; each is a JSON object. It
writes its progress about once a second, and a report when it is asked for one.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any

from scepd.simulator.fleet import Fleet
from scepd.simulator.fleet_device import FleetWorld
from scepd.simulator.fleet_plan import plan_fleet
from scepd.simulator.fleet_schedule import Schedule
from scepd.simulator.keys import KeyFolder
from scepd.simulator.plain_http import PlainHTTP

_PROGRESS = 0.5
_AGENTS_THREADS = 4
# They mostly sleep.
_SLOW_THREADS = 48
_writing = Lock()


def main() -> int:
    """
    Run it until its input ends.

    :returns: the exit status.
    """
    fleet = _fleet(json.loads(sys.stdin.readline()))
    ended = Event()
    Thread(target=_tell_progress, args=(fleet, ended), daemon=True).start()
    try:
        for line in sys.stdin:
            _take(fleet, json.loads(line))
    finally:
        ended.set()
        fleet.end()
    return 0


def _fleet(given: Mapping[str, Any]) -> Fleet:
    plans = plan_fleet(given["count"], given["shares"], given["seed"], given["longest"])
    world = FleetWorld(
        given["base_url"], given["secret"], KeyFolder(Path(given["keys"])), PlainHTTP
    )
    return Fleet(
        plans[given["first"] :: given["step"]],
        world,
        given["url"],
        agents_interval=given["agents_interval"],
        schedule=Schedule(
            {"devices": given["threads"], "agents": _AGENTS_THREADS, "slow": _SLOW_THREADS}
        ),
    )


def _take(fleet: Fleet, message: Mapping[str, Any]) -> None:
    match message:
        case {"push": token}:
            fleet.push(token)
        case {"enroll": count}:
            fleet.enroll(count)
        case {"absence": _}:
            fleet.begin_absence()
        case {"report": _}:
            _write({"report": fleet.report()})


def _tell_progress(fleet: Fleet, ended: Event) -> None:
    while not ended.wait(_PROGRESS):
        _write({"progress": fleet.progress()})


def _write(message: Mapping[str, Any]) -> None:
    with _writing:
        sys.stdout.write(json.dumps(message) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
