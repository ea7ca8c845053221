"""
The circuit breakers of certificate authorities, as this process sees them.

The state is in the database; here is a view of it, so that no request has to ask. It is renewed by
what this process does itself, and every few seconds for what others do.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from math import ceil

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from scepd.errors import BreakerOpen, StorageUnavailable
from scepd.metrics import Metrics
from scepd.model import Breaker, BreakerSettings, BreakerState
from scepd.ports import BreakerStore
from scepd.services.clock import utc_now

_SHORTEST_RETRY = 5
_SHOWN = {BreakerState.CLOSED: 0, BreakerState.HALF_OPEN: 1, BreakerState.OPEN: 2}

_log = Logger()


class Breakers:
    """
    Asks and changes breakers.

    :param random: a number from 0 up to 1; spreads the probes.
    """

    def __init__(
        self,
        store: BreakerStore,
        settings: BreakerSettings,
        clock: IReactorTime,
        random: Callable[[], float],
        metrics: Metrics,
    ) -> None:
        self._store = store
        self._settings = settings
        self._clock = clock
        self._random = random
        self._metrics = metrics
        self._view: dict[str, Breaker] = {}
        self._trials: set[str] = set()
        self._on_back: list[Callable[[], None]] = []

    def on_back(self, call: Callable[[], None]) -> None:
        """
        Call this whenever a certificate authority seems to be, or is, back.
        """
        self._on_back.append(call)

    # -- the view ----------------------------------------------------------------------------------

    def seen(self, ca_name: str) -> Breaker:
        """
        A breaker as it was seen last, without asking the database.
        """
        return self._view.get(ca_name) or Breaker(ca_name)

    def is_closed(self, ca_name: str) -> bool:
        """
        Whether requests may pass as if there were no breaker.
        """
        breaker = self._view.get(ca_name)
        return breaker is None or breaker.state is BreakerState.CLOSED

    def due_probes(self) -> list[str]:
        """
        The certificate authorities whose probe is due.
        """
        return [name for name in self._view if self.is_probe_due(name)]

    def is_probe_due(self, ca_name: str) -> bool:
        """
        Whether an open one is to be probed.
        """
        breaker = self.seen(ca_name)
        due = breaker.next_probe_at
        return breaker.state is BreakerState.OPEN and due is not None and due <= self._now()

    async def refresh(self) -> None:
        """
        See what other processes did.

        :raises StorageUnavailable: the view stays as it is.
        """
        found = {breaker.ca_name: breaker for breaker in await self._store.breakers()}
        before, self._view = self._view, found
        for name in before.keys() | found.keys():
            self._show(name)
        if any(_came_back(old, self.seen(name)) for name, old in before.items()):
            self._call_back()

    # -- what exchanges ask and tell ---------------------------------------------------------------

    def check(self, ca_name: str) -> None:
        """
        :raises BreakerOpen: the certificate authority is out.
        """
        breaker = self.seen(ca_name)
        if breaker.state is BreakerState.OPEN:
            raise self._refusal(breaker)

    async def admit(self, ca_name: str, exchange_id: str, lasts: float) -> None:
        """
        Let a PKIOperation to its certificate authority: to a half-open one only as its trial.

        :param lasts: seconds after which the exchange must be over.
        :raises BreakerOpen: it is out, or has another trial under way.
        :raises StorageUnavailable: who may be the trial can't be stored.
        """
        self.check(ca_name)
        if self.seen(ca_name).state is BreakerState.CLOSED:
            return
        now = self._now()
        until = now + timedelta(seconds=lasts)
        # Should the caller not wait for the end of this, it gives the trial back all the same.
        self._trials.add(exchange_id)
        _, new = await self._change(ca_name, lambda old: old.admitting(exchange_id, now, until))
        if new.trial != exchange_id:
            self._trials.discard(exchange_id)
            if new.state is not BreakerState.CLOSED:
                raise self._refusal(new)

    async def failed(self, ca_name: str, reason: str) -> None:
        """
        Count a failure of the certificate authority; should that not be possible, it is only
        logged.
        """
        if self.seen(ca_name).state is BreakerState.OPEN:
            return
        now, random = self._now(), self._random()
        await self._try(ca_name, lambda old: old.failed(reason, now, self._settings, random))

    async def answered(self, ca_name: str) -> None:
        """
        A CertRep came; of one that works nothing is written.
        """
        if not self.seen(ca_name).is_fresh:
            await self._try(ca_name, lambda old: old.answered())

    async def over(self, ca_name: str, exchange_id: str) -> None:
        """
        An exchange is over; one that was the trial and showed nothing lets the next one try.
        """
        if exchange_id in self._trials:
            self._trials.discard(exchange_id)
            await self._try(ca_name, lambda old: old.released(exchange_id))

    # -- what the probe tells ----------------------------------------------------------------------

    async def probe_failed(self, ca_name: str, reason: str) -> None:
        """
        Our own probe failed: the next one comes after twice the time.
        """
        now, random = self._now(), self._random()
        await self._change(
            ca_name, lambda old: old.probe_failed(reason, now, self._settings, random)
        )

    async def probe_succeeded(self, ca_name: str) -> None:
        """
        Our own probe went well.
        """
        await self._change(ca_name, lambda old: old.probe_succeeded())

    async def forget(self, ca_name: str) -> None:
        """
        The certificate authority is gone.
        """
        await self._change(ca_name, lambda old: Breaker(ca_name))

    # -- what the processor asks -------------------------------------------------------------------

    async def may_deliver(self, ca_name: str) -> bool:
        """
        Whether a half-open one lets a delivery out; that is the caller's then.
        """
        now = self._now()
        old, new = await self._change(ca_name, lambda old: old.delivering(now, self._settings))
        return new.state is BreakerState.CLOSED or new != old

    # -- inside ------------------------------------------------------------------------------------

    async def _try(self, ca_name: str, change: Callable[[Breaker], Breaker]) -> None:
        try:
            await self._change(ca_name, change)
        except StorageUnavailable as error:
            _log.warn("The breaker of {ca} stays as it is: {reason}", ca=ca_name, reason=str(error))

    async def _change(
        self, ca_name: str, change: Callable[[Breaker], Breaker]
    ) -> tuple[Breaker, Breaker]:
        old, new = await self._store.change(ca_name, change)
        if new.is_fresh:
            self._view.pop(ca_name, None)
        else:
            self._view[ca_name] = new
        self._show(ca_name)
        if old.state is not new.state:
            _log_change(old, new)
        if _came_back(old, new):
            self._call_back()
        return old, new

    def _call_back(self) -> None:
        for call in self._on_back:
            call()

    def _show(self, ca_name: str) -> None:
        self._metrics.breaker_state.labels(ca_name).set(_SHOWN[self.seen(ca_name).state])

    def _refusal(self, breaker: Breaker) -> BreakerOpen:
        due = breaker.next_probe_at
        wait = _SHORTEST_RETRY if due is None else ceil((due - self._now()).total_seconds())
        return BreakerOpen(unreachable(breaker), max(wait, _SHORTEST_RETRY))

    def _now(self) -> datetime:
        return utc_now(self._clock)


def unreachable(breaker: Breaker) -> str:
    """
    What operators read of a certificate authority that is out: since when and why.
    """
    since = f"{breaker.opened_at:%Y-%m-%dT%H:%M:%SZ}" if breaker.opened_at else "now"
    return f"certificate authority unreachable since {since}: {breaker.reason}"


def _came_back(old: Breaker, new: Breaker) -> bool:
    return old.state is not new.state and new.state is not BreakerState.OPEN


def _log_change(old: Breaker, new: Breaker) -> None:
    _log.warn(
        "The circuit breaker of {ca} is {state}, was {before}: {reason}",
        ca=new.ca_name,
        state=new.state.value,
        before=old.state.value,
        reason=new.reason or "it answered a PKIOperation",
        next_probe=str(new.next_probe_at or ""),
    )
