"""
What a slow transfer adds to the daemon's memory.
"""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass
from pathlib import Path

from rich.progress import Progress

from scripts.bench_scep.processes import Python
from scripts.bench_scep.proxy import Proxy

_SIZE = 256 * 1024
_WARM = 20
_PATIENCE = 30.0
_NAME = "SLOW"


@dataclass(frozen=True, slots=True)
class MemoryFigure:
    """
    Bytes for each of ``transfers`` that were open at once.

    :param size: of each message; all but its last byte was sent.
    :param added: anonymous resident memory that each added.
    :param peak: the same of the largest resident set.
    """

    transfers: int
    size: int
    added: float
    peak: float

    @property
    def beyond(self) -> float:
        """
        What is more than the observer's copy of what has passed.
        """
        return self.added - (self.size - 1)


def measure_memory(
    folder: Path, files: tuple[str, str], count: int, progress: Progress
) -> MemoryFigure:
    """
    Open ``count`` transfers that never end, and look.
    """
    settings = {
        "limits.request_timeout": "300.0",
        "scep_proxy.exchange_timeout": "300.0",
        "scep_proxy.queue_timeout": "300.0",
    }
    slow = Python("slow_ca", *files)
    try:
        proxy = Proxy(folder, settings, floor=False)
        try:
            proxy.add_authority(_NAME, f"http://127.0.0.1:{slow.port}/scep", min(count, 1000))
            return _measure(proxy, count, progress)
        finally:
            # By force: it would wait for its transfers.
            proxy.daemon.kill()
    finally:
        slow.stop()


def _measure(proxy: Proxy, count: int, progress: Progress) -> MemoryFigure:
    paths = proxy.open_windows(_NAME, count)
    task = progress.add_task("memory", total=count)
    devices: list[socket.socket] = []
    try:
        for path in paths[:_WARM]:
            devices.append(_begin(proxy.port, path))
            progress.advance(task)
        before = _settled(proxy.pid)
        for path in paths[_WARM:]:
            devices.append(_begin(proxy.port, path))
            progress.advance(task)
        after = _settled(proxy.pid)
    finally:
        for device in devices:
            device.close()
    added = [(new - old) / (count - _WARM) for new, old in zip(after, before, strict=True)]
    return MemoryFigure(count, _SIZE, *added)


def _begin(port: int, path: str) -> socket.socket:
    """
    Send a message but for its last byte.
    """
    device = socket.create_connection(("127.0.0.1", port), _PATIENCE)
    head = (
        f"POST {path}?operation=PKIOperation HTTP/1.1\r\nHost: bench\r\n"
        f"Content-Type: application/x-pki-message\r\nContent-Length: {_SIZE}\r\n\r\n"
    )
    device.sendall(head.encode() + bytes(_SIZE - 1))
    return device


def _settled(pid: int) -> tuple[int, int]:
    """
    Anonymous resident bytes and the largest resident set, once the former stays the same.
    """
    deadline = time.monotonic() + _PATIENCE
    seen = -1
    while time.monotonic() < deadline:
        now = _status(pid, "RssAnon")
        if now == seen:
            break
        seen = now
        time.sleep(1.5)
    return seen, _status(pid, "VmHWM")


def _status(pid: int, name: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("the daemon has ended")
