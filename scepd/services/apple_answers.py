"""
What Apple answers to pushes, counted, and told to the operator when it is for him to mend.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger, LogLevel

from scepd.apns.action import Alarm
from scepd.apns.reasons import ROWS, row_of
from scepd.apns.wrong_tokens import WrongTokens
from scepd.metrics import Metrics, counter
from scepd.services.clock import utc_now

MOST_REMEMBERED = 50
"""
Pairs of status and reason of which the last one is remembered.
"""

_ACCEPTED = 200
_QUIET = 60.0
_REMINDER = 3600.0
_KNOWN_STATUSES = frozenset(status for status, _ in ROWS)
_KNOWN_REASONS = frozenset(reason for _, reason in ROWS if reason)
# Words of ours for pushes that have no answer are few, and always the same.
_LONGEST_WORD = 32

_log = Logger()


@dataclass(frozen=True, slots=True)
class AnswerCount:
    """
    How often something other than a plain 200 came.

    :param status: Apple's; None: there was no answer.
    :param reason: Apple's word, or one of ours where there was no answer.
    :param count: since the start.
    """

    status: int | None
    reason: str
    count: int
    last_at: datetime


class AppleAnswers:
    """
    Counts (an APNsMetrics of the network's), remembers the last of each kind, and raises alarms.
    """

    def __init__(self, metrics: Metrics, clock: IReactorTime) -> None:
        self._metrics = metrics
        self._clock = clock
        self._judge = WrongTokens()
        self._last: dict[tuple[int | None, str], AnswerCount] = {}
        self._told: dict[tuple[int | None, str], float] = {}
        self._reminded = float("-inf")

    @property
    def refusals(self) -> Sequence[AnswerCount]:
        """
        What came other than a plain 200, the newest first; at most :data:`MOST_REMEMBERED`.
        """
        return sorted(self._last.values(), key=lambda one: one.last_at, reverse=True)

    @property
    def complaint(self) -> str:
        """
        What is wrong with the devices' tokens as a whole, for operators; empty: nothing.
        """
        now = self._clock.seconds()
        if not self._judge.alarming(now):
            return ""
        count, wrong = self._judge.judged(now)
        return (
            f"{wrong} of the last {count} pushes had a token that Apple does not know for this "
            "certificate: is [apns] host of the right environment, and is the certificate of the "
            "topic that the devices enrolled with?"
        )

    # -- what the network tells --------------------------------------------------------------------

    def pushes_ended(self, status: int | None, reason: str, count: int) -> None:
        """
        So many pushes have got an answer, or are known to get none.

        :param status: Apple's; None: what became of them is unknown.
        :param reason: Apple's word, empty for 200; one of ours without an answer.
        """
        counter(self._metrics.pushes, *_labels(status, reason)).inc(count)
        if status is None:
            self._remember(status, reason, count)
            return
        wrong = row_of(status, reason or None).alarm is Alarm.WRONG_TOKENS
        self._judge.answered(self._clock.seconds(), count, count if wrong else 0)
        if status != _ACCEPTED:
            self._remember(status, reason, count)
            self._tell(status, reason)
        if wrong:
            self._remind()

    def push_seconds(self, seconds: Sequence[float]) -> None:
        """
        How long pushes took, each from being sent to its answer.
        """
        self._metrics.push_seconds.observe_all(seconds)

    def reconnecting(self, cause: Enum) -> None:
        """
        A connection other than the first is dialled.

        :param cause: its value is a word for the label.
        """
        counter(self._metrics.push_reconnects, str(cause.value)).inc()

    # -- inside ------------------------------------------------------------------------------------

    def _remember(self, status: int | None, reason: str, count: int) -> None:
        key = (status, reason)
        before = self._last.pop(key, None)
        if len(self._last) >= MOST_REMEMBERED:
            # They are in the order of their last time.
            del self._last[next(iter(self._last))]
        total = count + (before.count if before else 0)
        self._last[key] = AnswerCount(status, reason, total, utc_now(self._clock))

    def _tell(self, status: int, reason: str) -> None:
        """
        One line a minute for each kind; which device it was stands with the device.
        """
        now, key = self._clock.seconds(), (status, reason)
        if now - self._told.get(key, float("-inf")) < _QUIET:
            return
        self._told = {known: at for known, at in self._told.items() if now - at < _QUIET}
        self._told[key] = now
        row = row_of(status, reason or None)
        _log.emit(
            LogLevel.levelWithName(row.level),
            "Apple answers {status} {reason}: {action}",
            status=status,
            reason=reason or "without a reason",
            action=row.action.value,
        )

    def _remind(self) -> None:
        now = self._clock.seconds()
        complaint = self.complaint
        if complaint and now - self._reminded >= _REMINDER:
            self._reminded = now
            _log.error("Many devices can't be pushed to: {complaint}", complaint=complaint)


def _labels(status: int | None, reason: str) -> tuple[str, str]:
    """
    Words of a bounded number, whatever comes from outside.
    """
    if status is None:
        return "none", reason[:_LONGEST_WORD]
    known = not reason or reason in _KNOWN_REASONS
    return str(status) if status in _KNOWN_STATUSES else "other", reason if known else "other"
