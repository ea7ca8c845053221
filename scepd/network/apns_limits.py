"""
What connections to Apple's push service may take.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class APNsLimits:
    """
    Deadlines and bounds; times in seconds.

    :param connect_timeout: for name, TCP and TLS together.
    :param settings_timeout: from then on until the server's SETTINGS.
    :param push_timeout: from sending a push to its answer.
    :param queue_timeout: that a push waits for a connection that takes it.
    :param max_waiting: pushes that wait at the same time.
    :param max_streams: pushes in flight on one connection, even if the server allows more.
    :param ping_after: of silence, until a PING asks for a sign of life.
    :param ping_timeout: for its answer.
    :param close_timeout: for the peer to close a connection that we have closed.
    :param max_connections: that take pushes at the same time.
    :param grow_after: that pushes wait for room until there is one connection more.
    :param idle_after: that a connection, which others can do without, carried no push until it is
        closed.
    :param lifetime: of a connection, give or take a tenth; then another one takes over.
    """

    connect_timeout: float = 10.0
    settings_timeout: float = 10.0
    push_timeout: float = 10.0
    queue_timeout: float = 30.0
    max_waiting: int = 10_000
    max_streams: int = 1000
    ping_after: float = 60.0
    ping_timeout: float = 15.0
    close_timeout: float = 5.0
    max_connections: int = 4
    grow_after: float = 1.0
    idle_after: float = 300.0
    lifetime: float = 86_400.0
