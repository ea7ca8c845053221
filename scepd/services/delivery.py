"""
The profile processor: due assignments become commands in the queue, and wishes to push.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from scepd.errors import ScepdError
from scepd.mdm.commands import INSTALL_PROFILE, REMOVE_PROFILE
from scepd.model import DueRow, QueuedCommand, RowEvent
from scepd.ports import DeliveryStore
from scepd.profiles.lifecycle import Event, Operation
from scepd.services.clock import utc_now
from scepd.services.delivery_resolving import Resolved, Resolving
from scepd.services.leases import HeldLease, LeaseLost, Leases

PROFILE_PRIORITY = 100
"""
Of the commands that install and remove profiles; a smaller one goes first.
"""

_log = Logger()


@dataclass(frozen=True, slots=True)
class ProcessorSettings:
    """
    How much the processor does.

    :param deliveries_per_tick: of one certificate authority in one tick; 0: all that are due.
    :param batch: rows that are read, resolved and queued together, at most 1,000.
    """

    deliveries_per_tick: int = 100
    batch: int = 1000


@dataclass(slots=True)
class _Lane:
    """
    What a tick has done for one certificate authority, or for the rows that need none.
    """

    ca_name: str | None
    left: int
    seen: set[tuple[str, str]] = field(default_factory=set)


class ProfileProcessor:
    """
    Looks at the assignments that are due; certificate authorities take turns.

    :param new_id: makes the uuids of commands.
    :param wake_pushes: called when pushes were wished.
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
    ) -> None:
        self._store = store
        self._resolving = resolving
        self._leases = leases
        self._clock = clock
        self._new_id = new_id
        self._wake_pushes = wake_pushes
        self._settings = settings or ProcessorSettings()

    async def tick(self) -> None:
        """
        Process what is due, under the lease ``processor``.

        :raises StorageUnavailable: the rest comes with the next tick.
        """
        await self._leases.run("processor", self._tick)

    async def _tick(self, held: HeldLease) -> None:
        names = await self._store.due_authorities(utc_now(self._clock))
        # Without a certificate authority there is nobody to be spared.
        most = self._settings.deliveries_per_tick
        lanes = [_Lane(name, most if most and name is not None else -1) for name in names]
        while lanes:
            lanes = [lane for lane in lanes if await self._guarded(lane, held)]

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
        await self._store_outcome(resolved, held)

    async def _store_outcome(self, resolved: Resolved, held: HeldLease) -> None:
        lease, now = await held.prolong(), utc_now(self._clock)
        if resolved.events:
            await self._store.happen(resolved.events, now, lease)
            _log_failures(resolved.events)
        if resolved.rows:
            commands = [(row, self._command(row)) for row in resolved.rows]
            queued = await self._store.queue_deliveries(commands, lease, now)
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
