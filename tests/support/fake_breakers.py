"""
A fake of the store of breakers, and breakers on it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from twisted.internet.interfaces import IReactorTime

from scepd.errors import StorageUnavailable
from scepd.metrics import Metrics
from scepd.model import Breaker, BreakerSettings
from scepd.services.breakers import Breakers


@dataclass
class FakeBreakerStore:
    """
    A BreakerStore.

    :param reads: how often all of them were read.
    :param changes: the names whose breaker was to be changed.
    :param broken: whether every call raises StorageUnavailable.
    :param mistake: what every call raises that should not be.
    """

    by_name: dict[str, Breaker] = field(default_factory=dict)
    reads: int = 0
    changes: list[str] = field(default_factory=list)
    broken: bool = False
    mistake: Exception | None = None

    async def breakers(self) -> Sequence[Breaker]:
        """
        As the port says.
        """
        self._check()
        self.reads += 1
        return [self.by_name[name] for name in sorted(self.by_name)]

    async def change(
        self, ca_name: str, change: Callable[[Breaker], Breaker]
    ) -> tuple[Breaker, Breaker]:
        """
        As the port says.
        """
        self._check()
        self.changes.append(ca_name)
        old = self.by_name.pop(ca_name, Breaker(ca_name))
        new = change(old)
        if not new.is_fresh:
            self.by_name[ca_name] = new
        return old, new

    def _check(self) -> None:
        if self.broken:
            raise StorageUnavailable("the database is full")
        if self.mistake is not None:
            raise self.mistake


def make_breakers(
    store: FakeBreakerStore,
    clock: IReactorTime,
    metrics: Metrics,
    settings: BreakerSettings | None = None,
) -> Breakers:
    """
    Breakers whose probes come exactly in time.
    """
    return Breakers(store, settings or BreakerSettings(), clock, lambda: 0.5, metrics)
