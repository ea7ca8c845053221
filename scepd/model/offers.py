"""
How often a command was offered to a device without an answer, or could not be made for it, and when
that is often enough: pure.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Offers:
    """
    The offers of a command since its last answer of any kind; NotNow is one, too.

    :param count: how often it was handed to the device.
    :param since: when it first was; None: it was not.
    :param setbacks: how far it stands behind the commands of its enrollment that have fewer.
    :param setback_at: when the last one was counted for an offer.
    :param failures: how often scepd failed to make it since it was offered last.
    :param failing_since: when it first did; None: it did not.
    """

    count: int = 0
    since: datetime | None = None
    setbacks: int = 0
    setback_at: datetime | None = None
    failures: int = 0
    failing_since: datetime | None = None

    def and_failure(self, now: datetime) -> Offers:
        """
        With one more failure to make it.
        """
        since = self.failing_since or now
        return replace(self, failures=self.failures + 1, failing_since=since)


@dataclass(frozen=True, slots=True)
class OfferRule:
    """
    What becomes of a command that is offered and never answered, or that can't be made. The answer
    to one or two offers is lost with a connection, or a device that restarts; three in a row are no
    chance.

    :param patience: offers after which a command is set back: it holds up no other any more, and
        is offered when the others are done.
    :param most: offers, or failures to make it, before which a command does not end; not fewer than
        ``patience``.
    :param time: it does not end before that time either, since it was set back or first failed.
    """

    patience: int = 3
    most: int = 10
    time: timedelta = timedelta(hours=8)

    @property
    def most_setbacks(self) -> int:
        """
        After so many the command ends, when the last offer had its interval.
        """
        return self.most - self.patience + 1

    @property
    def interval(self) -> timedelta:
        """
        At most one setback is counted in it, however often the device polls.
        """
        return self.time / self.most_setbacks

    def is_over(self, offers: Offers, now: datetime) -> bool:
        """
        Whether a command that was offered so is offered no more.
        """
        last = offers.setback_at
        if last is None or offers.setbacks < self.most_setbacks:
            return False
        return now >= last + self.interval

    def is_hopeless(self, offers: Offers, now: datetime) -> bool:
        """
        Whether a command that could not be made so often is tried no more.
        """
        since = offers.failing_since
        return since is not None and offers.failures >= self.most and now >= since + self.time
