"""
An in-memory fake of the port of identities and their renewal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

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
from tests.support.breakable import Breakable


@dataclass
class FakeIdentities(Breakable):
    """
    An IdentityStore.

    :param looks: what :meth:`due_looks` answers, one after the other.
    :param refused: certificates of which no renewal begins.
    :param renewals: by command.
    :param confirmed: the certificates that were confirmed.
    :param begun: (certificate, command, only_due) of each renewal that began.
    """

    looks: list[Sequence[LookedAtIdentity]] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)
    renewals: dict[str, PendingRenewal] = field(default_factory=dict)
    held: list[DeviceIdentity] = field(default_factory=list)
    confirmed: list[str] = field(default_factory=list)
    later: dict[str, datetime] = field(default_factory=dict)
    begun: list[tuple[str, QueuedCommand, bool]] = field(default_factory=list)
    answers: list[tuple[str, RenewalAnswer]] = field(default_factory=list)
    activities: list[Activity] = field(default_factory=list)
    counted: IdentityCounts = field(default_factory=lambda: IdentityCounts((1, 2, 3), 4, 5))

    async def confirm(self, certificate_sha256: str, now: datetime) -> bool:
        """
        As the port says; nothing else is retired.
        """
        self._check()
        if certificate_sha256 in self.confirmed:
            return False
        self.confirmed.append(certificate_sha256)
        return True

    async def due_looks(self, now: datetime, limit: int) -> Sequence[LookedAtIdentity]:
        """
        The next of ``looks``.
        """
        self._check()
        return self.looks.pop(0)[:limit] if self.looks else ()

    async def look_again(
        self, moments: Sequence[tuple[str, datetime]], lease: Lease | None
    ) -> None:
        """
        Keep the moments in ``later``.
        """
        self._check()
        self.later.update(moments)

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
        As the port says, but for those that are ``refused``.
        """
        self._check()
        begun = [one for one in renewals if one[0] not in self.refused]
        self.begun += [(sha256, command, only_due) for sha256, command in begun]
        if begun and activity is not None:
            self.activities.append(activity)
        return [command for _, command in begun]

    async def renewal(self, command_uuid: str) -> PendingRenewal | None:
        """
        As the port says.
        """
        self._check()
        return self.renewals.get(command_uuid)

    async def renewal_answered(
        self,
        command_uuid: str,
        answer: RenewalAnswer,
        now: datetime,
        activity: Activity | None = None,
    ) -> None:
        """
        Keep all.
        """
        self._check()
        self.answers.append((command_uuid, answer))
        if activity is not None:
            self.activities.append(activity)

    async def identities(self, host_uuid: str) -> Sequence[DeviceIdentity]:
        """
        As the port says.
        """
        self._check()
        return [one for one in self.held if one.host_uuid == host_uuid]

    async def counts(self, now: datetime, moments: Sequence[datetime]) -> IdentityCounts:
        """
        What is in ``counted``.
        """
        self._check()
        return self.counted
