"""
The processes of devices.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from queue import Empty, Queue
from threading import Lock, Thread
from typing import Any

_PATIENCE = 60.0


class Worker:
    """
    One process with a part of the fleet.

    :param given: what it is to be; see ``scepd.simulator.fleet_program``.
    """

    def __init__(self, given: Mapping[str, Any]) -> None:
        self.progress: Mapping[str, int] = {"enrolled": 0, "acknowledged": 0}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "scepd.simulator.fleet_program"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._is_stopped = False
        self._writing = Lock()
        self._reports: Queue[list[dict[str, Any]]] = Queue()
        Thread(target=self._read, daemon=True).start()
        self.tell(given)

    @property
    def pid(self) -> int:
        """
        Of its process.
        """
        return self._process.pid

    def tell(self, message: Mapping[str, Any]) -> None:
        """
        Tell what happens; nothing when it has ended.
        """
        stream = self._process.stdin
        assert stream is not None
        with self._writing:
            if self._is_stopped:
                return
            try:
                stream.write(json.dumps(message) + "\n")
                stream.flush()
            except OSError:
                raise RuntimeError("a process of devices has ended") from None

    def report(self) -> list[dict[str, Any]]:
        """
        What each of its devices did and holds.
        """
        self.tell({"report": True})
        try:
            return self._reports.get(timeout=_PATIENCE)
        except Empty:
            raise RuntimeError("a process of devices does not report") from None

    def stop(self) -> None:
        """
        End it.
        """
        with self._writing:
            self._is_stopped = True
        if self._process.poll() is None:
            self._process.terminate()
            self._process.wait(_PATIENCE)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            match json.loads(line):
                case {"progress": progress}:
                    self.progress = progress
                case {"report": report}:
                    self._reports.put(report)


class Workers:
    """
    All of them.

    :param given: as for one, without ``first`` and ``step``.
    """

    def __init__(self, given: Mapping[str, Any], count: int) -> None:
        self._all: list[Worker] = []
        self._count = count
        for first in range(count):
            self._all.append(Worker({**given, "first": first, "step": count}))

    @property
    def pids(self) -> list[int]:
        """
        Of their processes.
        """
        return [one.pid for one in self._all]

    def enroll(self, count: int) -> None:
        """
        Let so many devices enroll, with those before.
        """
        for first, one in enumerate(self._all):
            one.tell({"enroll": len(range(first, count, self._count))})

    def push(self, token: str) -> None:
        """
        Pass a push on: it is one's of them.
        """
        for one in self._all:
            one.tell({"push": token})

    def begin_absence(self) -> None:
        """
        Send the devices away that are to be offline for a while.
        """
        for one in self._all:
            one.tell({"absence": True})

    def progress(self, word: str) -> int:
        """
        How many devices are so far.
        """
        return sum(one.progress[word] for one in self._all)

    def report(self) -> list[dict[str, Any]]:
        """
        What each device did and holds, by number.
        """
        found = [device for one in self._all for device in one.report()]
        return sorted(found, key=lambda device: device["number"])

    def stop(self) -> None:
        """
        End them.
        """
        for one in self._all:
            one.stop()
