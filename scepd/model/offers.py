"""
How often a command was offered to a device without an answer, and when that is often enough: pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Offers:
    """
    The offers of a command since its last answer of any kind; NotNow is one, too.

    :param count: how often it was handed to the device.
    :param since: when it first was; None: it was not.
    :param setbacks: how far it stands behind the commands of its enrollment that have fewer.
    :param setback_at: when the last one was counted.
    """

    count: int = 0
    since: datetime | None = None
    setbacks: int = 0
    setback_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class OfferRule:
    """
    What becomes of a command that is offered and never answered. The answer to one or two offers is
    lost with a connection, or a device that restarts; three in a row are no chance.

    :param patience: offers after which a command is set back: it holds up no other any more, and
        is offered when the others are done.
    :param interval: at most one setback is counted in it, however often the device polls.
    :param most_setbacks: after which the command ends, when the last offer had its interval.
    """

    patience: int = 3
    interval: timedelta = timedelta(hours=1)
    most_setbacks: int = 8

    def is_over(self, offers: Offers, now: datetime) -> bool:
        """
        Whether a command that was offered so is offered no more.
        """
        last = offers.setback_at
        if last is None or offers.setbacks < self.most_setbacks:
            return False
        return now >= last + self.interval
