"""
Ports of daemons that are killed and started again.
"""

from __future__ import annotations

import random
import socket
from pathlib import Path

from tests.support.daemon import Daemon

_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_LOWEST = 10_000
_TRIES = 100


def settle(daemon: Daemon) -> None:
    """
    Give a daemon ports that no connection gets as its own end: while it is away, one of the many
    devices' connections might, and even connect to itself.
    """
    daemon.device_port, daemon.admin_port = _port(), _port()
    daemon.admin_url = f"http://127.0.0.1:{daemon.admin_port}"
    daemon.configure(
        {
            "server.external_url": f'"http://127.0.0.1:{daemon.device_port}"',
            "listen.devices": f'"tcp:{daemon.device_port}:interface=127.0.0.1"',
            "listen.admin": f'"tcp:{daemon.admin_port}:interface=127.0.0.1"',
        }
    )


def _port() -> int:
    above = int(_RANGE.read_text().split()[0]) if _RANGE.exists() else 32_768
    for _ in range(_TRIES):
        port = random.randrange(_LOWEST, max(above, _LOWEST + 1000))
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError(f"no port from {_LOWEST} to {above} is free")
