"""
Deliveries that operators want tried again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class ResendPace:
    """
    When each of many assignments is due that are sent again.

    :param first_due: of the first one.
    :param pause: from one to the next.
    """

    first_due: datetime
    pause: timedelta = timedelta()

    def due_at(self, index: int) -> datetime:
        """
        When one of them is due.

        :param index: 0 for the first one.
        """
        return self.first_due + index * self.pause

    def after(self, count: int) -> ResendPace:
        """
        The pace of those that follow ``count`` others.
        """
        return ResendPace(self.due_at(count), self.pause)
