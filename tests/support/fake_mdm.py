"""
In-memory fakes of the ports of MDM, deliveries and verification.

Each keeps what it was told in public attributes, for tests to see, and raises StorageUnavailable
while ``broken``.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from scepd.errors import Conflict, NotFound
from scepd.model import (
    Activity,
    CommandAnswer,
    CommandRecord,
    Delivery,
    DeliveryChallenge,
    DueRow,
    Enrollment,
    EnrollmentChallenge,
    EnrollmentWindow,
    Host,
    InventoryTaken,
    KnownIdentity,
    Lease,
    ManagedCertificate,
    Offers,
    PushAddress,
    QueuedCommand,
    RowEvent,
    RowVersions,
)
from scepd.pki.keyring import SealedSecret
from tests.support.breakable import Breakable
from tests.support.fake_pushes import FakePushes as FakePushes


@dataclass
class FakeCheckIns(Breakable):
    """
    A CheckInStore.

    :param identities: by the certificate's SHA-256.
    :param taken: whether identities turn out to be pinned to another enrollment.
    :param enabled_meanwhile: whether enrollments turn out to be enabled when they begin anew.
    :param seen: when each enrollment was last seen.
    """

    taken: bool = False
    enabled_meanwhile: bool = False
    identities: dict[str, KnownIdentity] = field(default_factory=dict)
    enrollments: dict[str, Enrollment] = field(default_factory=dict)
    hosts: dict[str, Host] = field(default_factory=dict)
    seen: dict[str, datetime] = field(default_factory=dict)
    saw_calls: list[int] = field(default_factory=list)
    push_dues: list[datetime] = field(default_factory=list)
    activities: list[Activity] = field(default_factory=list)

    async def identity(self, certificate_sha256: str) -> KnownIdentity | None:
        """
        As the port says.
        """
        self._check()
        return self.identities.get(certificate_sha256)

    async def enrollment(self, enrollment_id: str) -> Enrollment | None:
        """
        As the port says.
        """
        self._check()
        return self.enrollments.get(enrollment_id)

    async def enrollments_of_host(self, host_uuid: str) -> Sequence[Enrollment]:
        """
        As the port says.
        """
        self._check()
        found = [one for one in self.enrollments.values() if one.host_uuid == host_uuid]
        return sorted(found, key=lambda one: (one.kind.endswith("user"), one.id))

    async def enrolled_hosts(self, host_uuids: Collection[str]) -> Collection[str]:
        """
        As the port says.
        """
        self._check()
        devices = [one for one in self.enrollments.values() if not one.kind.endswith("user")]
        enrolled = {one.host_uuid for one in devices if one.enabled}
        return enrolled & set(host_uuids)

    async def authenticate(
        self,
        host: Host,
        enrollment: Enrollment,
        certificate_sha256: str,
        *,
        replace_enabled: bool = True,
        activity: Activity | None = None,
    ) -> None:
        """
        As the port says; assignments are not known here.
        """
        self._check()
        identity = self.identities[certificate_sha256]
        if self.taken or identity.enrollment_id not in (None, enrollment.id):
            raise Conflict("the identity is pinned to another enrollment")
        if self.enabled_meanwhile and not replace_enabled:
            raise Conflict("the device is enrolled already")
        before = self.enrollments.get(enrollment.id)
        if before is not None and before.enabled and activity is not None:
            self.activities.append(activity)
        self.hosts[host.uuid] = host
        self.enrollments[enrollment.id] = enrollment
        self._unpin(enrollment.id)
        self._pin(certificate_sha256, enrollment)

    async def go_on(
        self, host: Host, enrollment_id: str, certificate_sha256: str, now: datetime
    ) -> None:
        """
        As the port says.
        """
        self._check()
        known = self.identities[certificate_sha256]
        if self.taken or known.retired or known.enrollment_id != enrollment_id:
            raise Conflict("the identity is not one of this enrollment any more")
        self.hosts[host.uuid] = host

    async def pin_identity(
        self, enrollment_id: str, certificate_sha256: str, now: datetime
    ) -> None:
        """
        As the port says.
        """
        self._check()
        self._pin(certificate_sha256, self.enrollments[enrollment_id])

    async def update_token(
        self, enrollment_id: str, push: PushAddress, now: datetime, push_due: datetime
    ) -> None:
        """
        As the port says.
        """
        self._check()
        if enrollment_id not in {known.enrollment_id for known in self.identities.values()}:
            raise NotFound("there is no such enrollment")
        self.push_dues.append(push_due)
        self._change(enrollment_id, enabled=True)
        self.enrollments[enrollment_id] = replace(self.enrollments[enrollment_id], push=push)

    async def check_out(self, enrollment_id: str, now: datetime) -> None:
        """
        As the port says.
        """
        self._check()
        self._change(enrollment_id, enabled=False)
        self._unpin(enrollment_id)

    async def tell(self, activity: Activity) -> None:
        """
        As the port says.
        """
        self._check()
        self.activities.append(activity)

    async def saw(self, enrollment_ids: Sequence[str], at: datetime) -> None:
        """
        As the port says.
        """
        self._check()
        self.saw_calls.append(len(enrollment_ids))
        self.seen.update(dict.fromkeys(enrollment_ids, at))

    def _change(self, enrollment_id: str, *, enabled: bool) -> None:
        self.enrollments[enrollment_id] = replace(self.enrollments[enrollment_id], enabled=enabled)
        for sha256, known in self.identities.items():
            if known.enrollment_id == enrollment_id:
                self.identities[sha256] = replace(known, enabled=enabled)

    def _unpin(self, enrollment_id: str) -> None:
        free = {"enrollment_id": None, "enabled": False, "host_uuid": None}
        for sha256, known in self.identities.items():
            if known.enrollment_id == enrollment_id:
                self.identities[sha256] = replace(known, **free)  # type: ignore[arg-type]

    def _pin(self, certificate_sha256: str, enrollment: Enrollment) -> None:
        self.identities[certificate_sha256] = replace(
            self.identities[certificate_sha256],
            enrollment_id=enrollment.id,
            enabled=enrollment.enabled,
            host_uuid=enrollment.host_uuid,
        )


@dataclass
class FakeUserChannels(Breakable):
    """
    A UserChannelStore, whose channels are among the enrollments of ``check_ins``.

    :param device_left: whether devices turn out to have left.
    :param push_dues: when each TokenUpdate wished a push.
    """

    check_ins: FakeCheckIns = field(default_factory=FakeCheckIns)
    device_left: bool = False
    push_dues: list[datetime] = field(default_factory=list)

    async def update_token(
        self,
        channel: Enrollment,
        device_id: str,
        push: PushAddress,
        now: datetime,
        push_due: datetime,
    ) -> None:
        """
        As the port says; assignments are not known here.
        """
        self._check()
        if self.device_left or not self.check_ins.enrollments[device_id].enabled:
            raise NotFound("the device is not enrolled")
        self.check_ins.enrollments[channel.id] = replace(channel, enabled=True, push=push)
        self.push_dues.append(push_due)

    async def end(self, channel_id: str, now: datetime) -> None:
        """
        As the port says, but for assignments and commands.
        """
        self._check()
        known = self.check_ins.enrollments[channel_id]
        self.check_ins.enrollments[channel_id] = replace(known, enabled=False)


@dataclass
class FakeBootstrapTokens(Breakable):
    """
    A BootstrapTokenStore.

    :param tokens: by enrollment; None: there was one.
    :param activities: what reads left.
    """

    tokens: dict[str, SealedSecret | None] = field(default_factory=dict)
    activities: list[Activity] = field(default_factory=list)

    async def keep(self, enrollment_id: str, token: SealedSecret | None) -> None:
        """
        As the port says; every enrollment is known.
        """
        self._check()
        self.tokens[enrollment_id] = token

    async def read(self, enrollment_id: str, activity: Activity) -> SealedSecret | None:
        """
        As the port says.
        """
        self._check()
        token = self.tokens.get(enrollment_id)
        if token is not None:
            self.activities.append(activity)
        return token


@dataclass
class FakeCommands(Breakable):
    """
    A CommandStore.

    :param queued: by uuid, whatever became of them.
    :param statuses: of those that were offered or answered.
    :param windows: what hand-overs opened.
    :param challenges: what hand-overs brought.
    :param finished: (uuid, status, detail, event) of each result that counted.
    :param cancelled_at_pick_up: uuids that are cancelled just when they are handed over.
    :param answers: what was to be kept, by uuid.
    :param activities: those that came with commands.
    :param offers: how often commands were offered, by uuid, as a test says.
    :param failures: (uuid, detail, event) of each failure to make one.
    :param sticky: whether cancelled ones stay in the queue.
    """

    sticky: bool = False
    failures: list[tuple[str, str, RowEvent | None]] = field(default_factory=list)
    queued: dict[str, QueuedCommand] = field(default_factory=dict)
    statuses: dict[str, str] = field(default_factory=dict)
    windows: list[EnrollmentWindow | None] = field(default_factory=list)
    challenges: list[DeliveryChallenge | EnrollmentChallenge | None] = field(default_factory=list)
    finished: list[tuple[str, str, str, RowEvent | None]] = field(default_factory=list)
    cancelled_at_pick_up: set[str] = field(default_factory=set)
    answers: dict[str, CommandAnswer] = field(default_factory=dict)
    activities: list[Activity] = field(default_factory=list)
    offers: dict[str, Offers] = field(default_factory=dict)

    async def queue(self, command: QueuedCommand, activity: Activity | None = None) -> None:
        """
        As the port says.
        """
        self._check()
        self.queued[command.uuid] = command
        if activity is not None:
            self.activities.append(activity)

    async def next_command(
        self, enrollment_id: str, *, after_not_now: bool, without: Sequence[str] = ()
    ) -> QueuedCommand | None:
        """
        As the port says.
        """
        self._check()
        done = {"Acknowledged", "Error", "cancelled"} | ({"NotNow"} if after_not_now else set())
        waiting = [
            self._with_offers(command)
            for uuid, command in self.queued.items()
            if command.enrollment_id == enrollment_id
            and self.statuses.get(uuid) not in done
            and uuid not in without
        ]
        return min(
            waiting,
            key=lambda found: (found.offers.setbacks, found.priority, found.created_at),
            default=None,
        )

    async def hand_over(
        self,
        command_uuid: str,
        now: datetime,
        window: EnrollmentWindow | None,
        challenge: DeliveryChallenge | EnrollmentChallenge | None = None,
        *,
        is_idle: bool = False,
    ) -> bool:
        """
        As the port says.
        """
        self._check()
        if command_uuid in self.cancelled_at_pick_up:
            self.statuses[command_uuid] = "cancelled"
            return False
        if is_idle:
            self._forget_not_now(self.queued[command_uuid].enrollment_id)
        self.statuses[command_uuid] = "offered"
        self.windows.append(window)
        self.challenges.append(challenge)
        return True

    async def rendering_failed(
        self, command_uuid: str, now: datetime, detail: str, event: RowEvent | None
    ) -> bool:
        """
        As the port says.
        """
        self._check()
        counted = self.offers.get(command_uuid, Offers()).and_failure(now)
        self.offers[command_uuid] = replace(counted, setbacks=max(counted.setbacks, 1))
        self.failures.append((command_uuid, detail, event))
        return True

    async def finish(
        self,
        command_uuid: str,
        enrollment_id: str,
        status: str,
        detail: str,
        now: datetime,
        event: RowEvent | None,
        answer: CommandAnswer | None = None,
    ) -> bool:
        """
        As the port says.
        """
        self._check()
        command = self.queued.get(command_uuid)
        if command is None or command.enrollment_id != enrollment_id:
            return False
        if self.statuses.get(command_uuid) in ("Acknowledged", "Error", "cancelled"):
            return False
        if not (self.sticky and status == "cancelled"):
            self.statuses[command_uuid] = status
        self.finished.append((command_uuid, status, detail, event))
        if answer is not None:
            self.answers[command_uuid] = answer
        return True

    async def command(self, command_uuid: str) -> QueuedCommand | None:
        """
        As the port says.
        """
        self._check()
        found = self.queued.get(command_uuid)
        return None if found is None else self._with_offers(found)

    async def commands(self, host_uuid: str, *, limit: int = 100) -> Sequence[CommandRecord]:
        """
        None: operators are not asked for here.
        """
        return ()

    def _forget_not_now(self, enrollment_id: str) -> None:
        for uuid, status in list(self.statuses.items()):
            if status == "NotNow" and self.queued[uuid].enrollment_id == enrollment_id:
                self.statuses[uuid] = "queued"

    def _with_offers(self, command: QueuedCommand) -> QueuedCommand:
        return replace(command, offers=self.offers.get(command.uuid, Offers()))


@dataclass
class FakeCommandHistory(Breakable):
    """
    A CommandHistory.

    :param answers: by host and command.
    :param old: how many commands are found old by each call, in turn.
    :param prunings: (before, limit, lease) of each call.
    """

    answers: dict[tuple[str, str], CommandAnswer] = field(default_factory=dict)
    old: list[int] = field(default_factory=list)
    prunings: list[tuple[datetime, int, Lease]] = field(default_factory=list)

    async def answer(self, host_uuid: str, command_uuid: str) -> CommandAnswer | None:
        """
        As the port says.
        """
        self._check()
        return self.answers.get((host_uuid, command_uuid))

    async def prune(self, before: datetime, limit: int, lease: Lease) -> int:
        """
        As the port says, of ``old``.
        """
        self._check()
        self.prunings.append((before, limit, lease))
        return self.old.pop(0) if self.old else 0


@dataclass
class FakeLeases(Breakable):
    """
    A LeaseStore.

    :param stolen_after: the lease passes to another after it was taken so many times.
    :param given_back: the leases that were.
    :param kept: for how many seconds, each time.
    """

    stolen_after: int | None = None
    taken: list[tuple[str, str, float]] = field(default_factory=list)
    given_back: list[Lease] = field(default_factory=list)
    kept: list[float] = field(default_factory=list)

    async def take_lease(self, name: str, owner: str, seconds: float) -> Lease | None:
        """
        As the port says.
        """
        self._check()
        if self.stolen_after is not None and len(self.taken) >= self.stolen_after:
            return None
        self.taken.append((name, owner, seconds))
        return Lease(name, owner, 1)

    async def give_lease_back(self, lease: Lease, seconds: float = 0.0) -> None:
        """
        As the port says.
        """
        self._check()
        self.given_back.append(lease)
        self.kept.append(seconds)


@dataclass
class FakeDeliveries(Breakable):
    """
    A DeliveryStore.

    :param due: the rows; those that were queued, or to which something happened, leave it.
    :param sticky: whether they stay, as rows would to which an event means nothing.
    :param reads: (CA, limit) of each read of rows.
    :param conflict: whether writes find that the lease has passed to another.
    :param held: CA → the detail of its rows that are held back.
    :param hold_calls: (detail, since) of each time they were.
    :param recoveries: pieces of recoveries that are to be done.
    """

    due: list[DueRow] = field(default_factory=list)
    sticky: bool = False
    conflict: bool = False
    reads: list[tuple[str | None, int]] = field(default_factory=list)
    queued: list[tuple[DueRow, QueuedCommand]] = field(default_factory=list)
    events: list[RowEvent] = field(default_factory=list)
    held: dict[str, str] = field(default_factory=dict)
    hold_calls: list[tuple[str, datetime | None]] = field(default_factory=list)
    recoveries: int = 0

    async def recover(self, now: datetime, lease: Lease, limit: int = 500) -> bool:
        """
        Count ``recoveries`` down.
        """
        if not self.recoveries:
            return False
        self._write()
        self.recoveries -= 1
        return True

    async def hold(
        self, ca_name: str, detail: str, now: datetime, lease: Lease, since: datetime | None = None
    ) -> None:
        """
        Keep the detail in ``held``.
        """
        self._write()
        self.held[ca_name] = detail
        self.hold_calls.append((detail, since))

    async def due_authorities(self, now: datetime) -> Sequence[str | None]:
        """
        As the port says.
        """
        self._check()
        return list(dict.fromkeys(row.ca_name for row in self.due))

    async def due_rows(self, ca_name: str | None, now: datetime, limit: int) -> Sequence[DueRow]:
        """
        As the port says.
        """
        self._check()
        self.reads.append((ca_name, limit))
        return [row for row in self.due if row.ca_name == ca_name][:limit]

    async def queue_deliveries(
        self, rows: Sequence[tuple[DueRow, QueuedCommand]], lease: Lease, now: datetime
    ) -> int:
        """
        As the port says.
        """
        self._write()
        self.queued += rows
        self._leave({(row.host_uuid, row.profile_uuid) for row, _ in rows})
        return len(rows)

    async def happen(
        self,
        events: Sequence[RowEvent],
        now: datetime,
        lease: Lease | None,
        judged: RowVersions | None = None,
    ) -> Sequence[RowEvent]:
        """
        As the port says, but for the table.
        """
        self._write()
        self.events += events
        self._leave({(event.host_uuid, event.profile_uuid) for event in events})
        return events

    def _write(self) -> None:
        self._check()
        if self.conflict:
            raise Conflict("the lease has passed to another")

    def _leave(self, pairs: set[tuple[str, str]]) -> None:
        if not self.sticky:
            self.due = [row for row in self.due if (row.host_uuid, row.profile_uuid) not in pairs]


@dataclass
class FakeVerification(Breakable):
    """
    A VerificationStore.

    :param agents: host by the SHA-256 of a node key.
    :param users: of each host, who get profiles of it.
    :param known_hosts: their uuids as MDM knows them.
    :param due_at: when a host is due for its inventory.
    """

    known_hosts: list[str] = field(default_factory=list)
    agents: dict[str, str] = field(default_factory=dict)
    users: dict[str, Sequence[str]] = field(default_factory=dict)
    due_at: dict[str, datetime] = field(default_factory=dict)
    of_host: dict[str, list[Delivery]] = field(default_factory=dict)
    recorded: list[ManagedCertificate] = field(default_factory=list)
    events: list[RowEvent] = field(default_factory=list)
    proofs: int = 0
    taken: list[InventoryTaken] = field(default_factory=list)
    renewals: list[Sequence[RowEvent]] = field(default_factory=list)
    renew_calls: list[tuple[datetime, int, Lease]] = field(default_factory=list)

    async def enroll_agent(self, host_uuid: str, node_key_sha256: str, now: datetime) -> bool:
        """
        As the port says.
        """
        self._check()
        found = [known for known in self.known_hosts if known.lower() == host_uuid.lower()]
        if found:
            self.agents = {key: host for key, host in self.agents.items() if host != found[0]}
            self.agents[node_key_sha256] = found[0]
        return bool(found)

    async def agent_host(self, node_key_sha256: str) -> str | None:
        """
        As the port says.
        """
        self._check()
        return self.agents.get(node_key_sha256)

    async def profile_users(self, host_uuid: str) -> Sequence[str]:
        """
        As the port says.
        """
        self._check()
        return self.users.get(host_uuid, ())

    async def inventory_due(self, host_uuid: str, now: datetime, again_at: datetime) -> bool:
        """
        As the port says.
        """
        self._check()
        due = self.due_at.get(host_uuid)
        if due is not None and due > now:
            return False
        self.due_at[host_uuid] = again_at
        return True

    async def deliveries(self, host_uuid: str) -> Sequence[Delivery]:
        """
        As the port says.
        """
        self._check()
        return self.of_host.get(host_uuid, [])

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
        Keep it all, and count the call; the agent is due as was taken.
        """
        self._check()
        self.proofs += 1
        self.recorded += certificates
        self.events += events
        if taken is not None:
            self.taken.append(taken)
            if taken.agent_due_at is not None:
                self.due_at[host_uuid] = taken.agent_due_at
        return events

    async def certificates(
        self, host_uuid: str, *, retired: bool = False
    ) -> Sequence[ManagedCertificate]:
        """
        As the port says.
        """
        self._check()
        found = [
            known
            for known in self.recorded
            if known.host_uuid == host_uuid and (retired or known.retired_at is None)
        ]
        return sorted(found, key=lambda known: known.not_before, reverse=True)
