"""
The time of day by the injected clock.
"""

from __future__ import annotations

from datetime import UTC, datetime

from twisted.internet.interfaces import IReactorTime


def utc_now(clock: IReactorTime) -> datetime:
    """
    The aware time in UTC that ``clock`` shows.
    """
    return datetime.fromtimestamp(clock.seconds(), UTC)
