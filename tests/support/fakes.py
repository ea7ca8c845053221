"""
In-memory fakes of the ports. Each keeps what it was told in public attributes, for tests to see.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeVar

from twisted.internet.defer import Deferred

from scepd.errors import Conflict, NotFound, StorageUnavailable, UpstreamError, UpstreamFault
from scepd.model import (
    Activity,
    Admission,
    APIToken,
    CertificateAuthority,
    CommandRecord,
    DeviceDetails,
    EnrollmentWindow,
    FactsChange,
    Host,
    HostProfile,
    Profile,
    Reservation,
    SCEPExchange,
    TargetCount,
    Targets,
    WindowOutcome,
)
from scepd.ports import (
    AnswerConsumer,
    SignedBy,
    Subject,
    UpstreamExchange,
    UpstreamRequest,
    UpstreamTarget,
)
from tests.support.fake_mdm import FakeCommands

T = TypeVar("T")


@dataclass
class FakeActivities:
    """
    An ActivityStore that counts its activities from 1.
    """

    records: list[Activity] = field(default_factory=list)

    async def activities(
        self, *, before_id: int | None = None, limit: int = 100
    ) -> Sequence[tuple[int, Activity]]:
        """
        As the port says.
        """
        numbered = list(enumerate(self.records, 1))
        older = [pair for pair in numbered if before_id is None or pair[0] < before_id]
        return older[::-1][:limit]


@dataclass
class FakeCertificateAuthorities:
    """
    A CertificateAuthorityStore.

    :param users: CA name → identifiers of the profiles that use it.
    :param broken: whether every call raises StorageUnavailable.
    """

    activities: FakeActivities = field(default_factory=FakeActivities)
    by_name: dict[str, CertificateAuthority] = field(default_factory=dict)
    users: dict[str, list[str]] = field(default_factory=dict)
    broken: bool = False

    async def add_certificate_authority(self, ca: CertificateAuthority, activity: Activity) -> None:
        """
        As the port says.
        """
        self._check()
        if ca.name in self.by_name:
            raise Conflict(f"a certificate authority {ca.name!r} exists already")
        self.by_name[ca.name] = ca
        self.activities.records.append(activity)

    async def certificate_authority(self, name: str) -> CertificateAuthority | None:
        """
        As the port says.
        """
        self._check()
        return self.by_name.get(name)

    async def certificate_authority_of_webhook(
        self, webhook_id: str
    ) -> CertificateAuthority | None:
        """
        As the port says.
        """
        self._check()
        return next((ca for ca in self.by_name.values() if ca.webhook_id == webhook_id), None)

    async def certificate_authorities(
        self, *, after: str = "", limit: int = 100
    ) -> Sequence[CertificateAuthority]:
        """
        As the port says.
        """
        self._check()
        return [self.by_name[name] for name in sorted(self.by_name) if name > after][:limit]

    async def certificate_authority_names(self) -> frozenset[str]:
        """
        As the port says.
        """
        self._check()
        return frozenset(self.by_name)

    async def record_check(
        self,
        name: str,
        certificates: tuple[bytes, ...],
        capabilities: tuple[str, ...],
        checked_at: datetime,
        activity: Activity | None = None,
    ) -> None:
        """
        As the port says.
        """
        self._check()
        if name not in self.by_name:
            raise NotFound(f"there is no certificate authority {name!r}")
        if activity is not None:
            self.activities.records.append(activity)
        self.by_name[name] = replace(
            self.by_name[name],
            certificates=certificates,
            capabilities=capabilities,
            checked_at=checked_at,
        )

    async def replace_certificates(
        self,
        name: str,
        before: tuple[bytes, ...],
        after: tuple[bytes, ...],
        activity: Activity,
    ) -> bool:
        """
        As the port says.
        """
        self._check()
        ca = self.by_name.get(name)
        if ca is None or ca.certificates != before:
            return False
        self.by_name[name] = replace(ca, certificates=after)
        self.activities.records.append(activity)
        return True

    async def change_certificate_authority(
        self, before: CertificateAuthority, after: CertificateAuthority, activity: Activity
    ) -> None:
        """
        As the port says.
        """
        self._check()
        now = self.by_name.get(before.name)
        if now is None:
            raise NotFound(f"there is no certificate authority {before.name!r}")
        checked = {
            name: getattr(now, name) for name in ("certificates", "capabilities", "checked_at")
        }
        if replace(before, **checked) != now:
            raise Conflict(f"{before.name!r} was changed meanwhile")
        self.by_name[before.name] = after
        self.activities.records.append(activity)

    async def remove_certificate_authority(
        self, name: str, activity: Activity, *, force: bool
    ) -> None:
        """
        As the port says.
        """
        self._check()
        if name not in self.by_name:
            raise NotFound(f"there is no certificate authority {name!r}")
        if self.users.get(name) and not force:
            raise Conflict(f"profiles use {name!r}: {', '.join(self.users[name][:5])}")
        del self.by_name[name]
        self.activities.records.append(activity)

    def _check(self) -> None:
        if self.broken:
            raise StorageUnavailable("the database is full")


@dataclass
class FakeProfiles:
    """
    A ProfileStore.

    :param assignments: told of removed profiles, when given.
    :param former: uuids of profiles that are still being removed, by their identifiers.
    :param counts: what is answered of the hosts of a profile.
    :param steps: for each profile, how many steps its last change has yet to make.
    :param advanced: the profiles whose change made a step.
    """

    activities: FakeActivities = field(default_factory=FakeActivities)
    by_uuid: dict[str, Profile] = field(default_factory=dict)
    assignments: FakeAssignments | None = None
    former: dict[str, str] = field(default_factory=dict)
    counts: dict[str, TargetCount] = field(default_factory=dict)
    steps: dict[str, int] = field(default_factory=dict)
    advanced: list[str] = field(default_factory=list)

    async def add_profile(self, profile: Profile, activity: Activity) -> str:
        """
        As the port says.
        """
        if any(known.identifier == profile.identifier for known in self.by_uuid.values()):
            raise Conflict(f"a profile {profile.identifier!r} exists already")
        uuid = self.former.pop(profile.identifier, profile.uuid)
        self.by_uuid[uuid] = replace(profile, uuid=uuid)
        self.activities.records.append(activity)
        return uuid

    async def replace_profile(self, new: Profile, activity: Activity) -> None:
        """
        As the port says.
        """
        known = self.by_uuid.get(new.uuid)
        if known is None:
            raise NotFound(f"there is no profile {new.uuid!r}")
        self.by_uuid[new.uuid] = replace(new, targets=known.targets)
        self.activities.records.append(activity)

    async def set_targets(self, uuid: str, targets: Targets, activity: Activity) -> None:
        """
        As the port says.
        """
        if uuid not in self.by_uuid:
            raise NotFound(f"there is no profile {uuid!r}")
        self.by_uuid[uuid] = replace(self.by_uuid[uuid], targets=targets)
        self.activities.records.append(activity)

    async def target_count(self, uuid: str) -> TargetCount:
        """
        As the port says; no hosts when nothing was prepared.
        """
        return self.counts.get(uuid, TargetCount(0, 0, is_applied=True))

    async def unfinished_sweeps(self) -> Sequence[str]:
        """
        As the port says.
        """
        return list(self.steps)

    async def advance_sweep(self, uuid: str, now: datetime) -> bool:
        """
        As the port says.
        """
        self.advanced.append(uuid)
        self.steps[uuid] -= 1
        if self.steps[uuid]:
            return True
        del self.steps[uuid]
        return False

    async def profile(self, uuid: str) -> Profile | None:
        """
        As the port says.
        """
        return self.by_uuid.get(uuid)

    async def profiles(self, *, after: str = "", limit: int = 100) -> Sequence[Profile]:
        """
        As the port says.
        """
        ordered = sorted(self.by_uuid.values(), key=lambda profile: profile.identifier)
        return [profile for profile in ordered if profile.identifier > after][:limit]

    async def remove_profile(self, uuid: str, activity: Activity) -> None:
        """
        As the port says.
        """
        if uuid not in self.by_uuid:
            raise NotFound(f"there is no profile {uuid!r}")
        del self.by_uuid[uuid]
        self.activities.records.append(activity)
        if self.assignments is not None:
            self.assignments.forget_profile(uuid)


@dataclass
class FakeHosts:
    """
    A HostStore.
    """

    by_uuid: dict[str, Host] = field(default_factory=dict)

    async def put_host(self, host: Host) -> None:
        """
        As the port says.
        """
        self.by_uuid[host.uuid] = host

    async def host(self, uuid: str) -> Host | None:
        """
        As the port says.
        """
        return self.by_uuid.get(uuid)

    async def hosts_of(self, uuids: Collection[str]) -> Mapping[str, Host]:
        """
        As the port says.
        """
        return {uuid: self.by_uuid[uuid] for uuid in uuids if uuid in self.by_uuid}

    async def hosts(self, *, after: str = "", limit: int = 100) -> Sequence[Host]:
        """
        As the port says.
        """
        return [self.by_uuid[uuid] for uuid in sorted(self.by_uuid) if uuid > after][:limit]


@dataclass
class FakeHostChanges:
    """
    A HostChangeStore over the hosts of a FakeHosts.

    :param learned: what hosts told of themselves.
    """

    hosts: FakeHosts
    activities: FakeActivities = field(default_factory=FakeActivities)
    learned: list[tuple[str, DeviceDetails]] = field(default_factory=list)

    async def change_labels(
        self, host_uuid: str, add: Collection[str], remove: Collection[str], activity: Activity
    ) -> bool:
        """
        As the port says.
        """
        known = self._host(host_uuid)
        labels = (set(known.labels) - set(remove)) | set(add)
        if labels == set(known.labels):
            return False
        self.hosts.by_uuid[host_uuid] = replace(known, labels=tuple(sorted(labels)))
        self.activities.records.append(activity)
        return True

    async def change_facts(self, changes: Sequence[FactsChange], activity: Activity) -> int:
        """
        As the port says.
        """
        changed = 0
        for change in changes:
            known = self._host(change.host_uuid)
            told = dict(known.facts) | dict(change.facts)
            facts = {name: value for name, value in told.items() if value is not None}
            changed += facts != known.facts
            self.hosts.by_uuid[change.host_uuid] = replace(known, facts=facts)
        if changed:
            self.activities.records.append(activity)
        return changed

    async def learn(self, host_uuid: str, details: DeviceDetails, now: datetime) -> bool:
        """
        As the port says, but that it is only remembered.
        """
        self.learned.append((host_uuid, details))
        return True

    async def uuids_of(self, names: Collection[str]) -> Mapping[str, Sequence[str]]:
        """
        As the port says.
        """
        found: dict[str, list[str]] = {}
        for host in self.hosts.by_uuid.values():
            for name in {host.uuid, host.serial_number} & set(names):
                found.setdefault(name, []).append(host.uuid)
        return found

    def _host(self, uuid: str) -> Host:
        if uuid not in self.hosts.by_uuid:
            raise NotFound(f"there is no host {uuid!r}")
        return self.hosts.by_uuid[uuid]


@dataclass
class FakeAssignments:
    """
    An AssignmentStore; it knows no hosts or profiles, and takes any.
    """

    by_pair: dict[tuple[str, str], HostProfile] = field(default_factory=dict)
    windows: list[EnrollmentWindow] = field(default_factory=list)

    async def assign(self, assignment: HostProfile) -> None:
        """
        As the port says.
        """
        self.by_pair[assignment.host_uuid, assignment.profile_uuid] = assignment

    async def assignment(self, host_uuid: str, profile_uuid: str) -> HostProfile | None:
        """
        As the port says.
        """
        return self.by_pair.get((host_uuid, profile_uuid))

    async def assignments_of_profile(
        self, profile_uuid: str, *, after: str = "", limit: int = 100
    ) -> Sequence[HostProfile]:
        """
        As the port says.
        """
        pairs = sorted(pair for pair in self.by_pair if pair[1] == profile_uuid and pair[0] > after)
        return [self.by_pair[pair] for pair in pairs][:limit]

    async def assignments_of_host(self, host_uuid: str) -> Sequence[HostProfile]:
        """
        As the port says.
        """
        found = [row for row in self.by_pair.values() if row.host_uuid == host_uuid]
        return sorted(found, key=lambda row: (row.profile_identifier, row.profile_uuid))

    async def explain(self, host_uuid: str, profile_uuid: str, detail: str) -> None:
        """
        As the port says.
        """
        known = self.by_pair.get((host_uuid, profile_uuid))
        if known is not None:
            self.by_pair[host_uuid, profile_uuid] = replace(known, detail=detail)

    async def open_window(self, window: EnrollmentWindow) -> None:
        """
        As the port says; closed windows are dropped.
        """
        pair = (window.host_uuid, window.profile_uuid)
        self.windows = [w for w in self.windows if (w.host_uuid, w.profile_uuid) != pair]
        self.windows.append(window)

    def forget_profile(self, uuid: str) -> None:
        """
        Drop the assignments and windows of a removed profile.
        """
        self.by_pair = {pair: row for pair, row in self.by_pair.items() if pair[1] != uuid}
        self.windows = [window for window in self.windows if window.profile_uuid != uuid]


@dataclass
class FakeEnrollments:
    """
    An EnrollmentStore that answers as it is told to.

    :param assigned: the subjects that :meth:`is_assigned` affirms.
    :param reservations: what :meth:`reserve_window` answers, one after the other; CLOSED at the
        end.
    :param reserve_calls: (subject, exchange id, signed_by) of each call.
    :param settled: (exchange, outcome, signed_by) of each call.
    :param refused: (exchange, redeliver) of each call.
    :param broken: whether every call raises StorageUnavailable.
    :param window_id: of the window that the newest delivery of any profile opened.
    """

    assigned: set[Subject] = field(default_factory=set)
    reservations: list[Reservation] = field(default_factory=list)
    reserve_calls: list[tuple[Subject, str, SignedBy | None]] = field(default_factory=list)
    settled: list[tuple[SCEPExchange, WindowOutcome, SignedBy | None]] = field(default_factory=list)
    refused: list[tuple[SCEPExchange, bool]] = field(default_factory=list)
    broken: bool = False
    window_id: str | None = None

    async def is_assigned(self, subject: Subject) -> bool:
        """
        As the port says.
        """
        self._check()
        return subject in self.assigned

    async def reserve_window(
        self,
        subject: Subject,
        exchange_id: str,
        *,
        now: datetime,
        until: datetime,
        signed_by: SignedBy | None = None,
    ) -> Reservation:
        """
        The next of ``reservations``.
        """
        self._check()
        self.reserve_calls.append((subject, exchange_id, signed_by))
        return self.reservations.pop(0) if self.reservations else Reservation(Admission.CLOSED)

    async def settle_window(
        self, exchange: SCEPExchange, outcome: WindowOutcome, signed_by: SignedBy | None
    ) -> None:
        """
        Keep the call in ``settled``.
        """
        self._check()
        self.settled.append((exchange, outcome, signed_by))

    async def record_refusal(self, exchange: SCEPExchange, *, redeliver: bool) -> None:
        """
        Keep the call in ``refused``.
        """
        self._check()
        self.refused.append((exchange, redeliver))

    async def exchanges_of_delivery(
        self, host_uuid: str, profile_uuid: str, *, limit: int = 100
    ) -> Sequence[SCEPExchange]:
        """
        Those of the host and profile that have ``window_id``.
        """
        return [
            exchange
            for exchange in await self.exchanges(host_uuid=host_uuid, limit=limit)
            if exchange.profile_uuid == profile_uuid and exchange.window_id == self.window_id
        ]

    async def exchanges(
        self, *, host_uuid: str | None = None, before: datetime | None = None, limit: int = 100
    ) -> Sequence[SCEPExchange]:
        """
        As the port says, of those that were settled or refused.
        """
        self._check()
        known = [settled[0] for settled in self.settled] + [refused[0] for refused in self.refused]
        wanted = [
            exchange
            for exchange in known
            if (host_uuid is None or exchange.host_uuid == host_uuid)
            and (before is None or exchange.started_at < before)
        ]
        return sorted(wanted, key=lambda exchange: exchange.started_at, reverse=True)[:limit]

    def _check(self) -> None:
        if self.broken:
            raise StorageUnavailable("the database is full")


@dataclass
class FakeCommandRecords(FakeCommands):
    """
    A CommandStore that shows operators what it is told to.

    :param records: by host uuid, newest first.
    """

    records: dict[str, list[CommandRecord]] = field(default_factory=dict)

    async def commands(self, host_uuid: str, *, limit: int = 100) -> Sequence[CommandRecord]:
        """
        As the port says, from ``records``.
        """
        self._check()
        return self.records.get(host_uuid, [])[:limit]


@dataclass
class FakeAPITokens:
    """
    An APITokenStore.
    """

    by_sha256: dict[str, APIToken] = field(default_factory=dict)
    activities: FakeActivities = field(default_factory=FakeActivities)

    async def add_api_token(self, token: APIToken, activity: Activity | None = None) -> None:
        """
        As the port says.
        """
        if activity is not None:
            if any(known.name == token.name for known in self.by_sha256.values()):
                raise Conflict(f"there is an API token {token.name!r} already")
            self.activities.records.append(activity)
        self.by_sha256[token.sha256] = token

    async def api_tokens(self) -> Sequence[APIToken]:
        """
        As the port says.
        """
        return list(self.by_sha256.values())[::-1]

    async def remove_api_token(self, sha256: str, activity: Activity) -> None:
        """
        As the port says.
        """
        if sha256 not in self.by_sha256:
            raise NotFound("there is no such API token")
        left = [one for one in self.by_sha256.values() if one.sha256 != sha256]
        if not any(one.role == "admin" for one in left):
            raise Conflict("the last API token of the role admin can't be revoked")
        del self.by_sha256[sha256]
        self.activities.records.append(activity)

    async def api_token(self, sha256: str) -> APIToken | None:
        """
        As the port says.
        """
        return self.by_sha256.get(sha256)


@dataclass
class FakeHealth:
    """
    A Health that is well unless told otherwise.
    """

    broken: bool = False

    async def ping(self) -> None:
        """
        As the port says.
        """
        if self.broken:
            raise StorageUnavailable("the database is locked")


class InlineWorkers:
    """
    Workers that do the work at once, in the caller's thread.

    :ivar calls: how many pieces of work there were.
    """

    calls = 0

    async def __call__(self, work: Callable[[], T], /) -> T:
        """
        As the port says.
        """
        self.calls += 1
        return work()


@dataclass
class FakeUpstreamExchange:
    """
    An exchange that a FakeUpstream began: keeps what was written, and gives its consumer to the
    test.
    """

    target: UpstreamTarget
    request: UpstreamRequest
    consumer: AnswerConsumer
    body: bytearray = field(default_factory=bytearray)
    sent_whole: bool = False
    answer_paused: bool = False
    aborted: bool = False

    def write(self, data: bytes) -> None:
        """
        As the port says.
        """
        self.body += data

    def finish(self) -> None:
        """
        As the port says.
        """
        self.sent_whole = True

    def pause_answer(self) -> None:
        """
        As the port says.
        """
        self.answer_paused = True

    def resume_answer(self) -> None:
        """
        As the port says.
        """
        self.answer_paused = False

    def abort(self) -> None:
        """
        As the port says.
        """
        self.aborted = True


Answer = tuple[bytes, bytes] | UpstreamError | Deferred[tuple[bytes, bytes]] | None
"""
What a FakeUpstream answers to a fetch: (Content-Type, body), now or when a Deferred fires; an
error; or None: nothing, ever.
"""

_NOT_THERE = UpstreamError(UpstreamFault.STATUS, "it answered with status 404")


@dataclass
class FakeUpstream:
    """
    An Upstream with prepared answers.

    :param answers: by raw query string; a query without one is refused with status 404's fault.
    :param fetched: (target, query, limit) of each fetch.
    :param exchanges: the streamed exchanges, in order.
    :param cancelled: queries whose fetch was given up before it was answered.
    """

    answers: dict[bytes, Answer] = field(default_factory=dict)
    fetched: list[tuple[UpstreamTarget, bytes, int]] = field(default_factory=list)
    exchanges: list[FakeUpstreamExchange] = field(default_factory=list)
    cancelled: list[bytes] = field(default_factory=list)

    def start(
        self, target: UpstreamTarget, request: UpstreamRequest, consumer: AnswerConsumer
    ) -> UpstreamExchange:
        """
        As the port says.
        """
        exchange = FakeUpstreamExchange(target, request, consumer)
        self.exchanges.append(exchange)
        return exchange

    async def fetch(
        self, target: UpstreamTarget, query: bytes, *, limit: int
    ) -> tuple[bytes, bytes]:
        """
        As the port says, from ``answers``.
        """
        self.fetched.append((target, query, limit))
        answer = self.answers.get(query, _NOT_THERE)
        if answer is None:
            waiting: Deferred[tuple[bytes, bytes]] = Deferred(
                lambda _: self.cancelled.append(query)
            )
            return await waiting
        if isinstance(answer, Deferred):
            return await answer
        if isinstance(answer, UpstreamError):
            raise answer
        return answer
