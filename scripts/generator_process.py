"""
A load generator in a process of its own: a job is a line of JSON, and so is what came of it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any


class GeneratorProcess:
    """
    A module that is run as a program, which says a line when it is ready.

    :param module: its name.
    :raises RuntimeError: it has ended.
    """

    def __init__(self, module: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._answer()

    @property
    def pid(self) -> int:
        """
        Of its process.
        """
        return self._process.pid

    def ask(self, job: dict[str, Any]) -> dict[str, Any]:
        """
        Have a job done.

        :returns: what came of it.
        :raises RuntimeError: it has ended.
        """
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        found: dict[str, Any] = json.loads(self._answer())
        return found

    def stop(self) -> None:
        """
        End it.
        """
        self._process.terminate()
        self._process.wait(10)

    def _answer(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the load generator has ended")
        return line
