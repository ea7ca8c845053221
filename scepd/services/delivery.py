"""
The profile processor: due assignments become commands in the queue, and wishes to push.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from scepd.errors import ScepdError
from scepd.mdm.commands import INSTALL_PROFILE, REMOVE_PROFILE
from scepd.metrics import Metrics, counter
from scepd.model import Breaker, BreakerState, DueRow, QueuedCommand, RowEvent
from scepd.ports import DeliveryStore
from scepd.profiles.lifecycle import Event, Operation
from scepd.services.breakers import Breakers, unreachable
from scepd.services.clock import utc_now
from scepd.services.delivery_resolving import Resolved, Resolving
from scepd.services.leases import HeldLease, LeaseLost, Leases

PROFILE_PRIORITY = 100
"""
Of the commands that install and remove profiles; a smaller one goes first.
"""

# So long may what makes a row due wait for the database, but for a device that takes its time
# between Authenticate and TokenUpdate: therefore all are looked at now and then.
_LATE = timedelta(minutes=5)
_ANEW = timedelta(hours=1)

_log = Logger()


@dataclass(frozen=True, slots=True)
class ProcessorSettings:
    """
    How much the processor does.

    :param deliveries_per_tick: of one certificate authority in one tick; 0: all that are due.
    :param batch: rows that are read, resolved and queued together, at most 1,000.
    :param keep: seconds after a tick in which no other process has one, so that the limit of a tick
        is that of all processes together.
    """

    deliveries_per_tick: int = 100
    batch: int = 1000
    keep: float = 0.0


@dataclass(slots=True)
class _Lane:
    """
    What a tick has done for one certificate authority, or for the rows that need none.
    """

    ca_name: str | None
    left: int
    seen: set[tuple[str, str]] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Told:
    """
    What was said to those that are held back.

    :param all_at: when it was said to all of them.
    :param at: when it was said last, to those that had become due.
    """

    detail: str
    all_at: datetime
    at: datetime


class ProfileProcessor:
    """
    Looks at the assignments that are due; certificate authorities take turns.

    :param new_id: makes the uuids of commands.
    :param wake_pushes: called when pushes were wished.
    :param breakers: tell which certificate authorities are out; None: none ever is.
    :param metrics: count what is done.
    """

    def __init__(
        self,
        store: DeliveryStore,
        resolving: Resolving,
        leases: Leases,
        clock: IReactorTime,
        new_id: Callable[[], str],
        wake_pushes: Callable[[], None],
        settings: ProcessorSettings | None = None,
        breakers: Breakers | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        self._metrics = metrics or Metrics()
        self._breakers = breakers
        self._store = store
        self._resolving = resolving
        self._leases = leases
        self._clock = clock
        self._new_id = new_id
        self._wake_pushes = wake_pushes
        self._settings = settings or ProcessorSettings()
        # Of each certificate authority that is out.
        self._told: dict[str, _Told] = {}

    async def tick(self) -> None:
        """
        Process what is due, under the lease ``processor``.

        :raises StorageUnavailable: the rest comes with the next tick.
        """
        await self._leases.run("processor", self._tick, keep=self._settings.keep)

    async def _tick(self, held: HeldLease) -> None:
        begun = self._clock.seconds()
        try:
            await self._process(held)
        finally:
            self._metrics.tick_seconds.observe(self._clock.seconds() - begun)

    async def _process(self, held: HeldLease) -> None:
        while await self._store.recover(utc_now(self._clock), held.lease):
            await held.prolong()
        names = await self._store.due_authorities(utc_now(self._clock))
        if self._breakers is not None:
            await self._breakers.refresh()
        allowed = [(name, await self._allowed(name, held)) for name in names]
        lanes = [_Lane(name, most) for name, most in allowed if most]
        while lanes:
            lanes = [lane for lane in lanes if await self._guarded(lane, held)]

    async def _allowed(self, ca_name: str | None, held: HeldLease) -> int:
        """
        How many deliveries may go out now; -1: all. Of one that is out they are held back, and
        nothing is counted; a half-open one gets one.
        """
        # Without a certificate authority there is nobody to be spared.
        if ca_name is None:
            return -1
        breaker = None if self._breakers is None else self._breakers.seen(ca_name)
        if self._breakers is None or breaker is None or breaker.state is BreakerState.CLOSED:
            self._told.pop(ca_name, None)
            return self._settings.deliveries_per_tick or -1
        await self._hold(breaker, held)
        if breaker.state is BreakerState.OPEN:
            return 0
        return 1 if await self._breakers.may_deliver(ca_name) else 0

    async def _hold(self, breaker: Breaker, held: HeldLease) -> None:
        """
        Tell operators what those who are held back wait for; of those who were told before, nothing
        is read.
        """
        lease, now, detail = await held.prolong(), utc_now(self._clock), unreachable(breaker)
        told = self._told.get(breaker.ca_name)
        if told is None or told.detail != detail or now - told.all_at >= _ANEW:
            told, since = _Told(detail, now, now), None
        else:
            since = told.at - _LATE
        await self._store.hold(breaker.ca_name, detail, now, lease, since)
        self._told[breaker.ca_name] = replace(told, at=now)

    def _went_out(self, lane: _Lane) -> bool:
        if self._breakers is None or lane.ca_name is None:
            return False
        return self._breakers.seen(lane.ca_name).state is BreakerState.OPEN

    async def _guarded(self, lane: _Lane, held: HeldLease) -> bool:
        try:
            return await self._advance(lane, held)
        except (LeaseLost, ScepdError, CancelledError):
            raise
        except Exception:  # noqa: BLE001 - what is wrong with one must not stop the others
            _log.failure("Failed to process deliveries (CA {ca})", ca=lane.ca_name or "none")
            return False

    async def _advance(self, lane: _Lane, held: HeldLease) -> bool:
        """
        Process a batch; tell whether there may be more to do in this tick.
        """
        if self._went_out(lane):
            return False
        batch = min(self._settings.batch, 1000)
        limit = batch if lane.left < 0 else min(batch, lane.left)
        rows = await self._store.due_rows(lane.ca_name, utc_now(self._clock), limit)
        # A row that comes again in the same tick would come for ever.
        fresh = [row for row in rows if (row.host_uuid, row.profile_uuid) not in lane.seen]
        if not fresh:
            return False
        lane.seen.update((row.host_uuid, row.profile_uuid) for row in fresh)
        lane.left -= len(fresh) if lane.left > 0 else 0
        await self._deliver(lane, fresh, held)
        return len(rows) == limit and lane.left != 0

    async def _deliver(self, lane: _Lane, rows: Sequence[DueRow], held: HeldLease) -> None:
        _log.info(
            "{count} deliveries are due (CA {ca})",
            step="B4",
            count=len(rows),
            ca=lane.ca_name or "none",
        )
        resolved = await self._resolving.resolve(rows)
        await self._store_outcome(resolved, rows, held)

    async def _store_outcome(
        self, resolved: Resolved, rows: Sequence[DueRow], held: HeldLease
    ) -> None:
        lease, now = await held.prolong(), utc_now(self._clock)
        if resolved.events:
            # What was missing may have come meanwhile; then the row is due anew.
            versions = {(row.host_uuid, row.profile_uuid): row.version for row in rows}
            events = await self._store.happen(resolved.events, now, lease, versions)
            counter(self._metrics.deliveries, "not queued").inc(len(events))
            _log_failures(events)
        if resolved.rows:
            commands = [(row, self._command(row)) for row in resolved.rows]
            queued = await self._store.queue_deliveries(commands, lease, now)
            counter(self._metrics.deliveries, "queued").inc(queued)
            _log.info("Queued {count} commands", count=queued)
            self._wake_pushes()

    def _command(self, row: DueRow) -> QueuedCommand:
        removes = row.operation == Operation.REMOVE.value
        return QueuedCommand(
            uuid=self._new_id(),
            enrollment_id=row.enrollment_id,
            request_type=REMOVE_PROFILE if removes else INSTALL_PROFILE,
            profile_uuid=row.profile_uuid,
            body=None,
            priority=PROFILE_PRIORITY,
            created_at=utc_now(self._clock),
        )


def _log_failures(events: Sequence[RowEvent]) -> None:
    for event in events:
        if event.event is Event.RESOLUTION_FAILED:
            _log.warn(
                "Profile {profile} can't be delivered to host {host}: {reason}",
                host=event.host_uuid,
                profile=event.profile_uuid,
                reason=event.detail,
            )
