"""
How a simulated device behaves badly, when it is told to.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(slots=True)
class Behaviour:
    """
    Counts of things to do wrong; each goes down when it was done.

    :ivar not_now: InstallProfile commands that are answered NotNow.
    :ivar refuse: InstallProfile commands that are answered Error without a look at the profile.
    :ivar lose_results: results that are never sent: the device acts as if it lost power.
    :ivar before_install: called when a profile was received, before anything is done with it.
    :ivar after_install: called when a profile was installed, before its result is sent.
    """

    not_now: int = 0
    refuse: int = 0
    lose_results: int = 0
    before_install: Callable[[], None] | None = None
    after_install: Callable[[], None] | None = None

    def take(self, what: str) -> bool:
        """
        Whether to do ``what`` now; counts it down.
        """
        left: int = getattr(self, what)
        if left <= 0:
            return False
        setattr(self, what, left - 1)
        return True
