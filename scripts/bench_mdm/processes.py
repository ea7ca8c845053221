"""
The processes of the bench's own: the load generator, and the bare site.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

from scripts.bench_mdm.generator import Job, Measured
from tests.support.processes import RunningProgram


class Site(RunningProgram):
    """
    The bare site.
    """

    def __init__(self) -> None:
        super().__init__([sys.executable, "-m", "scripts.bench_mdm.site"], Path())
        self.port = int(self.wait_for(lambda line: line.strip().isdigit(), "port"))


class Generator:
    """
    The load generator.
    """

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "scripts.bench_mdm.generator"],
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

    def run(self, job: Job) -> Measured:
        """
        Do a job.
        """
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(asdict(job)) + "\n")
        self._process.stdin.flush()
        return Measured(**json.loads(self._answer()))

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
