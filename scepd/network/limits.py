"""
What connections to certificate authorities may take.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class UpstreamLimits:
    """
    Deadlines and bounds of upstream connections; times in seconds.

    :param connect_timeout: for name, TCP and TLS together.
    :param exchange_timeout: from the start of an exchange to its answer's last byte.
    :param idle_timeout: how long a connection is kept without work.
    :param max_idle_connections: that are kept for one certificate authority.
    :param allow_private: whether private and loopback addresses may be dialled.
    """

    connect_timeout: float
    exchange_timeout: float
    idle_timeout: float
    max_idle_connections: int
    allow_private: bool
