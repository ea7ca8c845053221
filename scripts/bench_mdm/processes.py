"""
The processes of the bench's own: the load generator, and the bare site.
"""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path

from scripts.bench_mdm.generator import Job, Measured
from scripts.generator_process import GeneratorProcess
from tests.support.processes import RunningProgram


class Site(RunningProgram):
    """
    The bare site.
    """

    def __init__(self) -> None:
        super().__init__([sys.executable, "-m", "scripts.bench_mdm.site"], Path())
        self.port = int(self.wait_for(lambda line: line.strip().isdigit(), "port"))


class Generator(GeneratorProcess):
    """
    The load generator.
    """

    def __init__(self) -> None:
        super().__init__("scripts.bench_mdm.generator")

    def run(self, job: Job) -> Measured:
        """
        Do a job.
        """
        return Measured(**self.ask(asdict(job)))
