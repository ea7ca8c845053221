"""
What the processor, the pushes and the verification store, and the way to Apple.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

from twisted.internet.defer import Deferred

from scepd.apns.notification import Notification
from scepd.apns.outcome import PushOutcome
from scepd.model import (
    AnsweredPush,
    Delivery,
    DueRow,
    InventoryTaken,
    Lease,
    ManagedCertificate,
    PushState,
    PushSummary,
    QueuedCommand,
    RowEvent,
    RowVersions,
    SweptPushes,
    TokenDied,
    WishedPush,
)


class LeaseStore(Protocol):
    """
    Who does periodic work.

    What is done under a lease is refused with Conflict when the lease has expired, too, though
    nobody else may have it yet.
    """

    async def take_lease(self, name: str, owner: str, seconds: float) -> Lease | None:
        """
        Take or prolong a lease for ``seconds``; None while another owner holds it.
        """

    async def give_lease_back(self, lease: Lease, seconds: float = 0.0) -> None:
        """
        Let another have it after ``seconds``; its owner may have it at once.
        """


class DeliveryStore(Protocol):
    """
    The processor's view of assignments.
    """

    async def due_authorities(self, now: datetime) -> Sequence[str | None]:
        """
        The certificate authorities that due assignments of enabled enrollments need; None stands
        for those that need none. At most 1,000.
        """

    async def due_rows(self, ca_name: str | None, now: datetime, limit: int) -> Sequence[DueRow]:
        """
        At most ``limit`` due assignments of enabled devices that need this certificate authority:
        first those of hosts that enrolled within the hour, then the longest due.
        """

    async def queue_deliveries(
        self, rows: Sequence[tuple[DueRow, QueuedCommand]], lease: Lease, now: datetime
    ) -> int:
        """
        RESOLVED happens to each of these assignments that is still due: its command is queued,
        what it had before is cancelled, and a push is wished now, all in one transaction.

        :returns: how many there were.
        :raises Conflict: the lease has passed to another owner.
        """

    async def hold(
        self, ca_name: str, detail: str, now: datetime, lease: Lease, since: datetime | None = None
    ) -> None:
        """
        AUTHORITY_FOUND_UNREACHABLE happens to the due assignments of this certificate authority
        whose detail says something else, some at a time.

        :param detail: since when and why.
        :param since: only of those that were due at that time or later.
        :raises Conflict: the lease has passed to another owner.
        """

    async def recover(self, now: datetime, lease: Lease, limit: int = 500) -> bool:
        """
        AUTHORITY_RECOVERED happens to at most ``limit`` assignments that failed before their
        certificate authority was added or mended, where not all of them were made due then.

        :returns: whether there may be more.
        :raises Conflict: the lease has passed to another owner.
        """

    async def happen(
        self,
        events: Sequence[RowEvent],
        now: datetime,
        lease: Lease | None,
        judged: RowVersions | None = None,
    ) -> Sequence[RowEvent]:
        """
        Let events happen to assignments, by the lifecycle table, in one transaction; of those that
        are gone nothing is said.

        :param judged: as the assignments were when that was found out; nothing happens to those
            that have changed since.
        :returns: the events that were of assignments as they are.
        :raises Conflict: there is a lease, and it has passed to another owner.
        """


class PushStore(Protocol):
    """
    The wishes to push, one per enrollment.
    """

    async def claim_pushes(
        self, now: datetime, until: datetime, limit: int
    ) -> Sequence[WishedPush]:
        """
        At most ``limit`` wishes that are due, which are nobody else's until ``until``. An apns-id
        is made when a wish has none.

        A device that was seen since its last push is left in peace until it has been silent for
        the time of its place in the series.
        """

    async def pushes_answered(
        self, answers: Sequence[AnsweredPush], now: datetime
    ) -> Sequence[TokenDied]:
        """
        Record what came of pushes, all in one transaction; a wish that was renewed meanwhile stays
        as it is.

        :returns: the enrollments that can't be pushed any more.
        """

    async def resume_pushes(self, now: datetime, limit: int = 1000) -> int:
        """
        Make at most ``limit`` suspended wishes due now.

        :returns: how many there were.
        """

    async def sweep_pushes(
        self, now: datetime, silent_since: datetime, after: str, limit: int
    ) -> SweptPushes:
        """
        Look at the next ``limit`` enrollments for which commands wait, by id, from the first
        greater than ``after``: for those that were not seen since ``silent_since`` and whose wish
        is not due some day, wish a push now.
        """

    async def wish(self, enrollment_id: str, now: datetime) -> bool:
        """
        Wish a push now, whether a command waits or not.

        :returns: False when there is no such enrollment, or it can't be pushed.
        """

    async def push_state(self, enrollment_id: str) -> PushState | None:
        """
        How pushing to an enrollment went; None: no push was ever wished.
        """

    async def push_summary(self, now: datetime) -> PushSummary:
        """
        How pushing goes at all.
        """

    async def earliest_push(self) -> datetime | None:
        """
        When the next wish is due.
        """


class PushGateway(Protocol):
    """
    The way to Apple's push service.
    """

    def push(self, notification: Notification, /, *, attempt: int = 0) -> Deferred[PushOutcome]:
        """
        Send a push. The answer fires with what became of it, never fails, and may be cancelled.

        :param attempt: how often this push was sent before.
        """

    def when_resumed(self, call: Callable[[], object]) -> None:
        """
        Have ``call`` called whenever pushes that were suspended may go again.
        """


class VerificationStore(Protocol):
    """
    osquery's agents, what inventories prove, and the certificates that were seen.
    """

    async def enroll_agent(self, host_uuid: str, node_key_sha256: str, now: datetime) -> bool:
        """
        Give a host's osquery agent a (new) node key; the case of the uuid does not matter.

        :returns: False when there is no such host.
        """

    async def agent_host(self, node_key_sha256: str) -> str | None:
        """
        The host of an osquery agent, or None.
        """

    async def profile_users(self, host_uuid: str) -> Sequence[str]:
        """
        The short names of the users by whose enabled channels profiles of a host go; empty where
        it is not known.
        """

    async def inventory_due(self, host_uuid: str, now: datetime, again_at: datetime) -> bool:
        """
        Whether the host should be asked for its inventory now; then it is not due again before
        ``again_at``.
        """

    async def deliveries(self, host_uuid: str) -> Sequence[Delivery]:
        """
        The installs that were handed to a host and may be proved: pending after a hand-over,
        verifying, verified and failed ones.
        """

    async def prove(
        self,
        host_uuid: str,
        certificates: Sequence[ManagedCertificate],
        events: Sequence[RowEvent],
        now: datetime,
        taken: InventoryTaken | None = None,
        judged: RowVersions | None = None,
    ) -> Sequence[RowEvent]:
        """
        Record the certificates that an inventory showed (the first sight of each is kept, and
        older ones of the same profile that are not in ``certificates`` stay), let events happen,
        and record that the inventory came, in one transaction.

        :param judged: the assignments as they were when the inventory was compared with them. It
            says nothing of those that have changed since, and shows no certificate of one that the
            host was not handed since it enrolled.
        :returns: the events that were of assignments as they are.
        """

    async def certificates(
        self, host_uuid: str, *, retired: bool = False
    ) -> Sequence[ManagedCertificate]:
        """
        The certificates of a host, the newest NotBefore first.

        :param retired: whether those that count no more are among them.
        """
