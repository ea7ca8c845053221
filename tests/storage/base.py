"""
A test case with a started database and the stores on it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from datetime import datetime, timedelta

from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from scepd.errors import ScepdError
from scepd.model import Activity, Reservation
from scepd.ports import (
    ActivityStore,
    APITokenStore,
    AssignmentStore,
    CertificateAuthorityStore,
    EnrollmentStore,
    Health,
    HostStore,
    ProfileStore,
    SignedBy,
    Subject,
)
from scepd.storage.activities import SQLActivityStore
from scepd.storage.api_tokens import SQLAPITokenStore
from scepd.storage.assignments import SQLAssignmentStore
from scepd.storage.certificate_authorities import SQLCertificateAuthorityStore
from scepd.storage.database import Database
from scepd.storage.enrollment import SQLEnrollmentStore
from scepd.storage.hosts import SQLHostStore
from scepd.storage.profiles import SQLProfileStore
from tests.storage import records
from tests.storage.records import NOON

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
        self.health: Health = database
        self.authorities: CertificateAuthorityStore = SQLCertificateAuthorityStore(database)
        self.profiles: ProfileStore = SQLProfileStore(database)
        self.hosts: HostStore = SQLHostStore(database)
        self.assignments: AssignmentStore = SQLAssignmentStore(database)
        self.enrollment: EnrollmentStore = SQLEnrollmentStore(database)
        self.tokens: APITokenStore = SQLAPITokenStore(database)
        self.activities: ActivityStore = SQLActivityStore(database)

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
