"""
The time of this machine, for what no caller brings a time to.
"""

from __future__ import annotations

from datetime import UTC, datetime


def utc_now() -> datetime:
    """
    The time of this machine's clock.
    """
    return datetime.now(UTC)
