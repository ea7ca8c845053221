"""
What the renewal of device identities stores.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from scepd.model import (
    Activity,
    DeviceIdentity,
    IdentityCounts,
    Lease,
    LookedAtIdentity,
    PendingRenewal,
    QueuedCommand,
    RenewalAnswer,
)


class IdentityStore(Protocol):
    """
    The identities that are pinned to enrollments, and their renewal.
    """

    async def confirm(self, certificate_sha256: str, now: datetime) -> bool:
        """
        A device has begun to use an identity: those that its enrollment had before are retired, and
        its challenges are void.

        :returns: False when it had begun before, or the identity is not pinned any more.
        """

    async def due_looks(self, now: datetime, limit: int) -> Sequence[LookedAtIdentity]:
        """
        At most ``limit`` identities in use, of enabled devices, that are to be looked at by now,
        the longest due first.
        """

    async def look_again(
        self, moments: Sequence[tuple[str, datetime]], lease: Lease | None
    ) -> None:
        """
        Set when identities, by the SHA-256 of their certificates, are looked at again.

        :raises Conflict: there is a lease, and it has passed to another owner.
        """

    async def begin_renewals(
        self,
        renewals: Sequence[tuple[str, QueuedCommand]],
        look_at: datetime,
        *,
        lease: Lease | None = None,
        only_due: bool = False,
        activity: Activity | None = None,
    ) -> Sequence[QueuedCommand]:
        """
        Queue the command of each identity, by the SHA-256 of its certificate, that is in use, not
        revoked, and of an enabled enrollment for which no such command waits; wish a push now, at
        the command's time; all in one transaction.

        :param look_at: when they are looked at again.
        :param only_due: leave out what is to be looked at after the command's time.
        :param activity: stored when something was queued.
        :returns: the commands that were queued.
        :raises Conflict: there is a lease, and it has passed to another owner.
        """

    async def renewal(self, command_uuid: str) -> PendingRenewal | None:
        """
        What a command renews; None: it renews nothing, or the enrollment has begun anew or ended.
        """

    async def renewal_answered(
        self,
        command_uuid: str,
        answer: RenewalAnswer,
        now: datetime,
        activity: Activity | None = None,
    ) -> None:
        """
        Record what came of a command on the identity that it renews. A device that acknowledges
        for the second time, and has not come with what it got the first time, fails.
        """

    async def identities(self, host_uuid: str) -> Sequence[DeviceIdentity]:
        """
        The identities of a host's enrollments, the newest first.
        """

    async def counts(self, now: datetime, moments: Sequence[datetime]) -> IdentityCounts:
        """
        How the identities in use of enabled devices are.
        """
