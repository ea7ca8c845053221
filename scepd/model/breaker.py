"""
The circuit breaker of a certificate authority: its states, and what leads from one to another.

Everything here is pure; storage applies the changes, so that all processes share one breaker.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum

_SPREAD = 0.2
_LONGEST_REASON = 500


class BreakerState(Enum):
    """
    The states of a breaker; the value is stored.
    """

    CLOSED = "closed"
    """The certificate authority works, as far as is known."""
    OPEN = "open"
    """It fails: nothing but our own probe is sent to it."""
    HALF_OPEN = "half_open"
    """A probe went well: one PKIOperation at a time shows whether it works."""


@dataclass(frozen=True, slots=True)
class BreakerSettings:
    """
    When breakers open, and how often an open one is probed.

    :param failures: in a row, that open it.
    :param first_wait: seconds until the first probe; also between two deliveries of a half-open
        one whose devices stay silent.
    :param longest_wait: seconds that the wait, which doubles, never exceeds.
    """

    failures: int = 5
    first_wait: float = 30.0
    longest_wait: float = 600.0


@dataclass(frozen=True, slots=True)
class Breaker:
    """
    The breaker of one certificate authority; one that is closed without failures is not stored.

    :param failures: in a row: without a CertRep between them.
    :param opened_at: since when the certificate authority is out; None: it is not.
    :param wait: seconds from the last change to the next probe, before they are spread.
    :param next_probe_at: while open.
    :param trial: the exchange whose PKIOperation is under way, while half-open.
    :param trial_until: when that exchange must be over, should scepd crash.
    :param deliver_at: when the next delivery may go out, while half-open; None: now.
    :param reason: the sentence of the last failure.
    """

    ca_name: str
    state: BreakerState = BreakerState.CLOSED
    failures: int = 0
    opened_at: datetime | None = None
    wait: float = 0.0
    next_probe_at: datetime | None = None
    trial: str | None = None
    trial_until: datetime | None = None
    deliver_at: datetime | None = None
    reason: str = ""

    @property
    def is_fresh(self) -> bool:
        """
        Whether nothing is known against the certificate authority.
        """
        return self.state is BreakerState.CLOSED and not self.failures

    def failed(
        self, reason: str, now: datetime, settings: BreakerSettings, random: float
    ) -> Breaker:
        """
        The certificate authority failed an exchange; what had begun before it opened changes
        nothing.

        :param random: from 0 up to 1; spreads the probes.
        """
        if self.state is BreakerState.OPEN:
            return self
        if self.state is BreakerState.HALF_OPEN:
            wait = min(self.wait * 2, settings.longest_wait)
            return self._opened(reason, now, wait, random)
        counted = replace(self, failures=self.failures + 1, reason=reason[:_LONGEST_REASON])
        if counted.failures < settings.failures:
            return counted
        wait = min(settings.first_wait, settings.longest_wait)
        return counted._opened(reason, now, wait, random)

    def probe_failed(
        self, reason: str, now: datetime, settings: BreakerSettings, random: float
    ) -> Breaker:
        """
        Our own probe of an open one failed.
        """
        if self.state is not BreakerState.OPEN:
            return self
        wait = min(self.wait * 2, settings.longest_wait)
        return self._opened(reason, now, wait, random)

    def probe_succeeded(self) -> Breaker:
        """
        Our own probe of an open one went well: whether PKIOperations do, devices will show.
        """
        if self.state is not BreakerState.OPEN:
            return self
        return replace(
            self,
            state=BreakerState.HALF_OPEN,
            next_probe_at=None,
            trial=None,
            trial_until=None,
            deliver_at=None,
        )

    def answered(self) -> Breaker:
        """
        A CertRep came, whatever it says; one that was asked for before it opened changes nothing.
        """
        return self if self.state is BreakerState.OPEN else Breaker(self.ca_name)

    def admitting(self, exchange_id: str, now: datetime, until: datetime) -> Breaker:
        """
        A half-open one takes this exchange's PKIOperation for its trial, unless another is under
        way.

        :param until: when the exchange must be over.
        """
        if self.state is not BreakerState.HALF_OPEN or self._is_tried(now):
            return self
        return replace(self, trial=exchange_id, trial_until=until)

    def released(self, exchange_id: str) -> Breaker:
        """
        This exchange showed nothing: the next one may be the trial.
        """
        if self.trial != exchange_id:
            return self
        return replace(self, trial=None, trial_until=None)

    def delivering(self, now: datetime, settings: BreakerSettings) -> Breaker:
        """
        A half-open one lets one delivery out; the next only after a while, should this one's device
        stay silent.
        """
        if self.state is not BreakerState.HALF_OPEN:
            return self
        if self.deliver_at is not None and now < self.deliver_at:
            return self
        return replace(self, deliver_at=now + timedelta(seconds=settings.first_wait))

    def _is_tried(self, now: datetime) -> bool:
        return self.trial is not None and (self.trial_until is None or now < self.trial_until)

    def _opened(self, reason: str, now: datetime, wait: float, random: float) -> Breaker:
        spread = wait * (1 - _SPREAD + 2 * _SPREAD * random)
        return Breaker(
            self.ca_name,
            BreakerState.OPEN,
            self.failures,
            self.opened_at or now,
            wait,
            now + timedelta(seconds=spread),
            reason=reason[:_LONGEST_REASON],
        )
