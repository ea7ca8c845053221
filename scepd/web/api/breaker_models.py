"""
How the admin API shows circuit breakers.
"""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field

from scepd.model import Breaker


class BreakerView(BaseModel):
    """
    The circuit breaker of a certificate authority.
    """

    state: str = Field(description="closed: it works; open: it is out; half_open: being tried")
    failures: int = Field(description="in a row")
    since: datetime | None = Field(description="since when it is out; null while closed")
    reason: str = Field(description="why it failed last; empty when it did not")
    next_probe_at: datetime | None = Field(description="when it is probed; null unless open")

    @classmethod
    def of(cls, breaker: Breaker) -> BreakerView:
        """
        The view of a breaker.
        """
        return cls(
            state=breaker.state.value,
            failures=breaker.failures,
            since=breaker.opened_at,
            reason=breaker.reason,
            next_probe_at=breaker.next_probe_at,
        )
