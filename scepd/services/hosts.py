"""
What is known of the hosts: what each of them has, and why.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from scepd.errors import NotFound
from scepd.model import (
    CommandRecord,
    Enrollment,
    Host,
    HostInventory,
    HostProfile,
    ManagedCertificate,
    PushState,
    SCEPExchange,
)
from scepd.ports import (
    AssignmentStore,
    CheckInStore,
    CommandStore,
    EnrollmentStore,
    HostStore,
    InventoryStore,
    PushStore,
    VerificationStore,
)
from scepd.services.host_identities import HostIdentities, HostIdentity

MOST_RECORDS = 100
"""
How many commands and exchanges of a host are shown.
"""


@dataclass(frozen=True, slots=True)
class HostRecord:
    """
    A host with everything that it has.

    :param enrollments: that of the device first, then its user channels by id.
    :param profiles: by profile identifier.
    :param certificates: the newest NotBefore first.
    :param commands: newest first, at most :data:`MOST_RECORDS`.
    :param exchanges: newest first, at most :data:`MOST_RECORDS`.
    :param pushes: one for each enrollment that was ever pushed to.
    :param inventory: how the looks at it went; None: it never acknowledged anything.
    :param identities: the newest first.
    """

    host: Host
    enrollments: Sequence[Enrollment]
    profiles: Sequence[HostProfile]
    certificates: Sequence[ManagedCertificate]
    commands: Sequence[CommandRecord]
    exchanges: Sequence[SCEPExchange]
    pushes: Sequence[PushState]
    inventory: HostInventory | None = None
    identities: Sequence[HostIdentity] = ()


@dataclass(frozen=True, slots=True)
class ProfileOnHost:
    """
    How far a profile got on one host.

    :param serial_number: of the host.
    """

    assignment: HostProfile
    serial_number: str


class Hosts:
    """
    Looking at hosts, and at a profile host by host.
    """

    def __init__(
        self,
        hosts: HostStore,
        assignments: AssignmentStore,
        verification: VerificationStore,
        commands: CommandStore,
        exchanges: EnrollmentStore,
        check_ins: CheckInStore,
        pushes: PushStore,
        inventories: InventoryStore,
        identities: HostIdentities | None = None,
    ) -> None:
        self._hosts = hosts
        self._assignments = assignments
        self._verification = verification
        self._commands = commands
        self._exchanges = exchanges
        self._check_ins = check_ins
        self._pushes = pushes
        self._inventories = inventories
        self._identities = identities

    async def list(self, *, after: str = "", limit: int = 100) -> Sequence[Host]:
        """
        At most ``limit`` hosts by uuid, from the first greater than ``after``.
        """
        return await self._hosts.hosts(after=after, limit=limit)

    async def enrolled(self, hosts: Sequence[Host]) -> Collection[str]:
        """
        The uuids of those that are enrolled, and can be sent something.
        """
        return await self._check_ins.enrolled_hosts([host.uuid for host in hosts])

    async def show(self, uuid: str) -> HostRecord:
        """
        The host of that uuid, with everything that it has.

        :raises NotFound: there is none.
        """
        host = await self._hosts.host(uuid)
        if host is None:
            raise NotFound("There is no host of this uuid.")
        enrollments = await self._check_ins.enrollments_of_host(uuid)
        return HostRecord(
            host,
            enrollments,
            await self._assignments.assignments_of_host(uuid),
            await self._verification.certificates(uuid, retired=True),
            await self._commands.commands(uuid, limit=MOST_RECORDS),
            await self._exchanges.exchanges(host_uuid=uuid, limit=MOST_RECORDS),
            await self._push_states(enrollments),
            await self._inventories.inventory(uuid),
            () if self._identities is None else await self._identities.of(uuid),
        )

    async def with_profile(
        self, profile_uuid: str, *, after: str = "", limit: int = 100
    ) -> Sequence[ProfileOnHost]:
        """
        How far a profile got on at most ``limit`` hosts by uuid, from the first greater than
        ``after``; a profile that was removed is still on those that have not lost it yet.
        """
        rows = await self._assignments.assignments_of_profile(
            profile_uuid, after=after, limit=limit
        )
        return [ProfileOnHost(row, await self._serial_number(row.host_uuid)) for row in rows]

    async def _push_states(self, enrollments: Sequence[Enrollment]) -> Sequence[PushState]:
        states = [await self._pushes.push_state(one.id) for one in enrollments]
        return [state for state in states if state is not None]

    async def _serial_number(self, host_uuid: str) -> str:
        host = await self._hosts.host(host_uuid)
        return "" if host is None else host.serial_number
