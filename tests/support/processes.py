"""
Real programs for the acceptance tests: started, waited for, and ended whatever happens.
"""

from __future__ import annotations

import functools
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Protocol, TypeAlias

from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import SkipTest

PATIENCE = 30.0
"""
Seconds after which whatever a test waits for counts as not coming.
"""
_LOWEST_PORT = 10_000
_TRIES = 100
# Not the one that hypothesis sets to the same state in each process.
_random = random.SystemRandom()


def free_port() -> int:
    """
    A TCP port on loopback that nobody listens on, and that no connection gets as its own end: while
    a program that is killed and started again is away, a client's connection might, and could even
    connect to itself.
    """
    for _ in range(_TRIES):
        port = _random.randrange(_LOWEST_PORT, _first_of_connections())
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError("no port is free")


@functools.cache
def _first_of_connections() -> int:
    file = Path("/proc/sys/net/ipv4/ip_local_port_range")
    first = int(file.read_text().split()[0]) if file.exists() else 32_768
    return max(first, _LOWEST_PORT + 1000)


def program(name: str) -> str:
    """
    The path of a program that the tests need; without it they are skipped, and in CI they fail.
    """
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    if path is None:
        raise _missing(name)
    return path


def installed_file(path: str) -> str:
    """
    As :func:`program`, for a file that is no program on the PATH.
    """
    if not Path(path).exists():
        raise _missing(path)
    return path


def _missing(name: str) -> Exception:
    kind = AssertionError if os.environ.get("CI") else SkipTest
    return kind(f"the program {name} is not installed")


def tool(name: str) -> str:
    """
    The path of a console script of the Python that runs the tests.
    """
    return str(Path(sys.executable).with_name(name))


class Process(Protocol):
    """
    What is used of ``subprocess.Popen``.
    """

    @property
    def pid(self) -> int:
        """
        Of the process.
        """

    @property
    def stdout(self) -> IO[str] | None:
        """
        What it writes.
        """

    def poll(self) -> int | None:
        """
        Its exit code, None while it runs.
        """

    def wait(self, timeout: float | None = None) -> int:
        """
        Its exit code, once it has ended.
        """

    def send_signal(self, number: int, /) -> None:
        """
        Signal it.
        """

    def kill(self) -> None:
        """
        End it at once.
        """


Start: TypeAlias = Callable[[Sequence[str], Path, Mapping[str, str]], Process]
"""
Starts a program in a folder with an environment; its output is one text.
"""


def started(argv: Sequence[str], folder: Path, environment: Mapping[str, str]) -> Process:
    """
    A child process.
    """
    return subprocess.Popen(
        argv,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
    )


class RunningProgram:
    """
    A process whose output is read line by line.

    :param argv: the program and its arguments.
    :param folder: its working directory.
    :param environment: what it gets beside the environment of the tests.
    :param start: how it is started.
    """

    def __init__(
        self,
        argv: Sequence[str],
        folder: Path,
        environment: Mapping[str, str] | None = None,
        *,
        start: Start = started,
    ) -> None:
        self.lines: list[str] = []
        self._changed = threading.Condition()
        self._ended = False
        self.process = start(argv, folder, {**os.environ, **(environment or {})})
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def output(self) -> str:
        """
        All that it has printed.
        """
        with self._changed:
            return "".join(self.lines)

    def wait_for(self, wanted: Callable[[str], bool], what: str, patience: float = PATIENCE) -> str:
        """
        Wait for a line of its output, one from before included.

        :raises AssertionError: the program ended, or the time passed, without it.
        """
        deadline = time.monotonic() + patience
        with self._changed:
            seen = 0
            while True:
                for line in self.lines[seen:]:
                    if wanted(line):
                        return line
                seen = len(self.lines)
                left = deadline - time.monotonic()
                if self._ended or left <= 0 or not self._changed.wait(left):
                    raise AssertionError(f"no {what} in the output:\n{''.join(self.lines)}")

    def follow(self) -> Iterator[str]:
        """
        Yield each line of its output, those from before included, until it ends.
        """
        seen = 0
        while True:
            with self._changed:
                while seen == len(self.lines):
                    if self._ended:
                        return
                    self._changed.wait()
                fresh = self.lines[seen:]
                seen += len(fresh)
            yield from fresh

    def kill(self) -> None:
        """
        End it as a crash would: SIGKILL.
        """
        self.process.kill()
        self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)

    def stop(self) -> int:
        """
        Ask it to end, and return its exit code.
        """
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
        code = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        return code

    def resident_bytes(self) -> int:
        """
        Its resident memory, without what it shares with files.
        """
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024
        raise AssertionError("the process has ended")

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._changed:
                self.lines.append(line)
                self._changed.notify_all()
        self.process.stdout.close()
        with self._changed:
            self._ended = True
            self._changed.notify_all()


def run(
    argv: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """
    Run a program to its end.
    """
    return subprocess.run(
        argv,
        cwd=folder,
        env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def run_aside(
    argv: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None
) -> Deferred[subprocess.CompletedProcess[str]]:
    """
    As :func:`run`, in a thread, while the reactor turns.
    """
    return deferToThread(run, argv, folder, environment)
