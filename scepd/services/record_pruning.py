"""
Exchanges, enrollment windows, activities and issued certificates are forgotten after their time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from scepd.ports import RecordPruning
from scepd.services.clock import utc_now
from scepd.services.leases import HeldLease, Leases
from scepd.services.pruning_steps import Prune, PruningPace, prune_in_steps

_log = Logger()


@dataclass(frozen=True, slots=True)
class RetentionSettings:
    """
    For how long records are kept.

    :param exchanges: after they began; windows, after their deadline.
    :param activities: after they were done.
    :param certificates: after they have expired.
    :param pace: of each kind of them.
    """

    exchanges: timedelta = timedelta(days=90)
    activities: timedelta = timedelta(days=90)
    certificates: timedelta = timedelta(days=30)
    pace: PruningPace = field(default_factory=lambda: PruningPace(most=200_000))


class Retention:
    """
    Forgets old records, one kind after the other.
    """

    def __init__(
        self,
        records: RecordPruning,
        leases: Leases,
        clock: IReactorTime,
        settings: RetentionSettings | None = None,
    ) -> None:
        self._leases = leases
        self._clock = clock
        settings = settings or RetentionSettings()
        self._pace = settings.pace
        self._kinds: tuple[tuple[str, timedelta, Prune], ...] = (
            ("exchanges", settings.exchanges, records.prune_exchanges),
            ("enrollment windows", settings.exchanges, records.prune_windows),
            ("activities", settings.activities, records.prune_activities),
            ("issued certificates", settings.certificates, records.prune_certificates),
        )

    async def run(self) -> None:
        """
        Forget what is old by now, under the lease ``record pruning``.

        :raises StorageUnavailable: the rest comes with the next run.
        """
        await self._leases.run("record pruning", self._prune)

    async def _prune(self, held: HeldLease) -> None:
        now = utc_now(self._clock)
        for kind, keep, prune in self._kinds:
            before = now - keep
            count, more = await prune_in_steps(prune, before, self._pace, held)
            if count:
                _log.info(
                    "Forgot {count} {kind} from before {before}",
                    count=count,
                    kind=kind,
                    before=before,
                )
            if more:
                _log.warn("There are more {kind} to forget than one run may", kind=kind)
