"""
A test case with a started database and the stores on it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from datetime import datetime, timedelta
from itertools import count

from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from scepd.errors import ScepdError
from scepd.model import (
    Activity,
    AnsweredPush,
    HostProfile,
    Lease,
    QueuedCommand,
    Reservation,
    WishState,
)
from scepd.ports import (
    ActivityStore,
    APITokenStore,
    AssignmentStore,
    BootstrapTokenStore,
    BreakerStore,
    CAStateStore,
    CertificateAuthorityStore,
    CertificateStore,
    CheckInStore,
    CommandHistory,
    CommandStore,
    DeliveryChallengeStore,
    DeliveryStore,
    EnrollmentStore,
    EnrollmentTokenStore,
    Health,
    HostChangeStore,
    HostStore,
    IdentityStore,
    InventoryStore,
    IssuingStore,
    LeaseStore,
    PendingRequestStore,
    PollStore,
    ProfileStore,
    PushStore,
    RecordPruning,
    RenewalStore,
    ResendStore,
    SignedBy,
    Subject,
    UserChannelStore,
    VerificationStore,
)
from scepd.storage.activities import SQLActivityStore
from scepd.storage.api_tokens import SQLAPITokenStore
from scepd.storage.assignments import SQLAssignmentStore
from scepd.storage.bootstrap_tokens import SQLBootstrapTokenStore
from scepd.storage.breakers import SQLBreakerStore
from scepd.storage.ca_states import SQLCAStateStore
from scepd.storage.certificate_authorities import SQLCertificateAuthorityStore
from scepd.storage.checkins import SQLCheckInStore
from scepd.storage.command_history import SQLCommandHistory
from scepd.storage.commands import SQLCommandStore
from scepd.storage.database import Database
from scepd.storage.delivery import SQLDeliveryStore
from scepd.storage.delivery_challenges import SQLDeliveryChallengeStore
from scepd.storage.enrollment import SQLEnrollmentStore
from scepd.storage.enrollment_tokens import SQLEnrollmentTokenStore
from scepd.storage.host_changes import SQLHostChangeStore
from scepd.storage.hosts import SQLHostStore
from scepd.storage.identity_store import SQLIdentityStore
from scepd.storage.inventories import SQLInventoryStore
from scepd.storage.issued_certificates import SQLCertificateStore
from scepd.storage.issuing import SQLIssuingStore
from scepd.storage.leases import SQLLeaseStore
from scepd.storage.pending_requests import SQLPendingRequestStore
from scepd.storage.polls import SQLPollStore
from scepd.storage.profiles import SQLProfileStore
from scepd.storage.pushes import SQLPushStore
from scepd.storage.record_pruning import SQLRecordPruning
from scepd.storage.renewals import SQLRenewalStore
from scepd.storage.resending import SQLResendStore
from scepd.storage.user_channels import SQLUserChannelStore
from scepd.storage.verification import SQLVerificationStore
from tests.storage import records
from tests.storage.records import HOUR, NOON

SUBJECT = Subject("H-1", "a-1", "corp")


class StorageTestCase(TestCase):
    """
    A started database and the stores on it.
    """

    timeout = 20

    def make_database(self) -> Database:
        """
        A database that holds nothing and is not started.
        """
        raise NotImplementedError

    def setUp(self) -> None:
        """
        Start a database and put the stores on it.
        """
        database = self.make_database()
        database.start()
        self.addCleanup(lambda: Deferred.fromCoroutine(database.stop()))
        self.database = database
        self.now = NOON
        apns_ids = (f"apns-{number}" for number in count(1))
        self.health: Health = database
        self.authorities: CertificateAuthorityStore = SQLCertificateAuthorityStore(database)
        self.profiles: ProfileStore = SQLProfileStore(database)
        self.hosts: HostStore = SQLHostStore(database)
        self.host_changes: HostChangeStore = SQLHostChangeStore(database)
        self.assignments: AssignmentStore = SQLAssignmentStore(database)
        self.enrollment: EnrollmentStore = SQLEnrollmentStore(database)
        self.tokens: APITokenStore = SQLAPITokenStore(database)
        self.activities: ActivityStore = SQLActivityStore(database)
        self.issuing: IssuingStore = SQLIssuingStore(database)
        self.ca_states: CAStateStore = SQLCAStateStore(database)
        self.certificates: CertificateStore = SQLCertificateStore(database)
        self.requests: PendingRequestStore = SQLPendingRequestStore(database)
        self.enrollment_tokens: EnrollmentTokenStore = SQLEnrollmentTokenStore(database, self.clock)
        self.checkins: CheckInStore = SQLCheckInStore(database)
        self.channels: UserChannelStore = SQLUserChannelStore(database)
        self.polls: PollStore = SQLPollStore(database)
        self.commands: CommandStore = SQLCommandStore(database)
        self.bootstrap: BootstrapTokenStore = SQLBootstrapTokenStore(database)
        self.history: CommandHistory = SQLCommandHistory(database, self.clock)
        self.pruning: RecordPruning = SQLRecordPruning(database, self.clock)
        self.challenges: DeliveryChallengeStore = SQLDeliveryChallengeStore(database)
        self.leases: LeaseStore = SQLLeaseStore(database, self.clock)
        self.delivery: DeliveryStore = SQLDeliveryStore(database, now=self.clock)
        self.breakers: BreakerStore = SQLBreakerStore(database, self.clock)
        self.pushes: PushStore = SQLPushStore(database, lambda: next(apns_ids))
        self.verification: VerificationStore = SQLVerificationStore(database)
        self.resending: ResendStore = SQLResendStore(database)
        self.renewals: RenewalStore = SQLRenewalStore(database, now=self.clock)
        self.inventories: InventoryStore = SQLInventoryStore(database, self.clock)
        self.identities: IdentityStore = SQLIdentityStore(database, self.clock)

    def clock(self) -> datetime:
        """
        The time that the stores have of their own: the test's ``now``.
        """
        return self.now

    async def refused(self, kind: type[ScepdError], call: Awaitable[object]) -> str:
        """
        The text of the error that ``call`` raises, which must be of that kind.
        """
        try:
            await call
        except kind as error:
            return str(error)
        self.fail(f"{kind.__name__} was not raised")

    async def done(self) -> Sequence[Activity]:
        """
        All activities, newest first.
        """
        return [activity for _, activity in await self.activities.activities()]

    async def add_host_with_profile(self) -> None:
        """
        The host H-1 has the profile a-1 pending from corp.
        """
        await self.hosts.put_host(records.host())
        await self.profiles.add_profile(records.profile(), records.activity())
        await self.assignments.assign(records.assignment())

    async def enroll(self, host_uuid: str = "H-1", *, at: datetime = NOON, **host: object) -> None:
        """
        A host with an enabled device enrollment of its name, and no wish to push it yet.
        """
        await self.checkins.authenticate(
            records.host(host_uuid, **host),
            records.enrollment(host_uuid, enrolled_at=at),
            f"id-{host_uuid}",
        )
        far = NOON + 1000 * HOUR
        await self.checkins.update_token(host_uuid, records.address(), NOON, far)

    async def forget_push_address(self, at: datetime = NOON) -> None:
        """
        Apple said that the token of H-1 was dead at ``at``.
        """
        dead = AnsweredPush("H-1", "", WishState.DUE, at, None, 410, dead_since=at)
        await self.pushes.pushes_answered([dead], at)

    async def add_corp_profile(self, uuid: str = "a-1", **changes: object) -> None:
        """
        A profile whose certificate comes from corp, for all enrolled hosts.
        """
        if await self.authorities.certificate_authority("corp") is None:
            await self.authorities.add_certificate_authority(records.ca(), records.activity())
        one = records.profile(uuid, **({"ca_names": ("corp",)} | changes))
        await self.profiles.add_profile(one, records.activity(uuid))

    async def lease(self) -> Lease:
        """
        The lease of the tick, for a minute.
        """
        lease = await self.leases.take_lease("tick", "process-1", 60)
        assert lease is not None
        return lease

    async def queue_due(self, at: datetime = NOON, ca_name: str | None = "corp") -> int:
        """
        Queue a delivery for each assignment that is due, as ``c-<profile>-<host>``.
        """
        due = await self.delivery.due_rows(ca_name, at, 1000)
        pairs = [(row, records.delivery_of(row, at)) for row in due]
        return await self.delivery.queue_deliveries(pairs, await self.lease(), at)

    async def hand_over(self, at: datetime = NOON) -> QueuedCommand:
        """
        The assignment of a-1 to H-1 is delivered: handed over, with the window w-1.
        """
        await self.enroll()
        await self.add_corp_profile()
        await self.queue_due(at)
        command = await self.commands.next_command("H-1", after_not_now=False)
        assert command is not None
        self.assertTrue(await self.commands.hand_over(command.uuid, at, records.window()))
        return command

    async def row(self, host_uuid: str = "H-1", profile_uuid: str = "a-1") -> HostProfile:
        """
        An assignment, which must be there.
        """
        found = await self.assignments.assignment(host_uuid, profile_uuid)
        assert found is not None
        return found


async def reserve(
    enrollment: EnrollmentStore,
    subject: Subject = SUBJECT,
    exchange_id: str = "x-1",
    now: datetime = NOON,
    signed_by: SignedBy | None = None,
) -> Reservation:
    """
    What the subject's window says to an exchange that would hold it for a minute.
    """
    return await enrollment.reserve_window(
        subject, exchange_id, now=now, until=now + timedelta(minutes=1), signed_by=signed_by
    )
