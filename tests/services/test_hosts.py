"""
Tests for looking at hosts.
"""

from __future__ import annotations

from collections.abc import Coroutine
from datetime import timedelta
from typing import TypeVar

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import NotFound, StorageUnavailable
from scepd.model import (
    CommandRecord,
    Enrollment,
    Host,
    HostInventory,
    HostProfile,
    ManagedCertificate,
    PushAddress,
    SCEPExchange,
)
from scepd.pki.keyring import SealedSecret
from scepd.services.hosts import MOST_RECORDS, Hosts
from tests.services.ca_certificates import NOW
from tests.support.fake_inventories import FakeInventories
from tests.support.fake_mdm import FakeCheckIns, FakePushes, FakeVerification
from tests.support.fakes import (
    FakeAssignments,
    FakeCommandRecords,
    FakeEnrollments,
    FakeHosts,
)

T = TypeVar("T")

HOST = "00008120-000E10C61C3BC01E"
PROFILE = "a07070707-0707-4707-8707-070707070707"


def host(uuid: str = HOST, serial_number: str = "C02ABC") -> Host:
    """
    A host of which everything is known.
    """
    facts = {"HOST_END_USER_EMAIL_IDP": "ann@example.com"}
    labels = ("os:15", "staff")
    return Host(uuid, serial_number, "macos", labels, facts, "Mac15,6", "15.1", NOW)


def enrollment(host_uuid: str = HOST) -> Enrollment:
    """
    The enrollment of a device; its push address is sealed, but is no operator's business either.
    """
    push = PushAddress("com.apple.mgmt.External.1", SealedSecret("k1", b"sealed-push-secret"))
    return Enrollment(host_uuid, host_uuid, "device", True, push, NOW, NOW + timedelta(hours=1))


def assignment(host_uuid: str = HOST, profile_uuid: str = PROFILE) -> HostProfile:
    """
    A profile that failed on a host.
    """
    return HostProfile(
        host_uuid,
        profile_uuid,
        "install",
        "failed",
        "Test_SCEP",
        "the certificate authority answered FAILURE badRequest",
        NOW + timedelta(minutes=30),
        "com.example.scep",
        3,
        "command-1",
        NOW,
        NOW + timedelta(seconds=5),
    )


def managed_certificate(host_uuid: str = HOST) -> ManagedCertificate:
    """
    A certificate that an inventory showed.
    """
    return ManagedCertificate(
        host_uuid,
        "ab" * 20,
        PROFILE,
        "Test_SCEP",
        "CN=C02ABC",
        "CN=Test CA",
        "0A1B",
        NOW,
        NOW + timedelta(days=365),
        "osquery",
        NOW + timedelta(minutes=1),
        NOW + timedelta(days=335),
    )


def command(number: int = 1) -> CommandRecord:
    """
    A command that a device refused.
    """
    at = NOW + timedelta(seconds=number)
    return CommandRecord(
        f"command-{number}",
        "InstallProfile",
        PROFILE,
        "Error",
        "MCInstallationErrorDomain 4001",
        at,
        at + timedelta(seconds=1),
        at + timedelta(seconds=2),
    )


def exchange(number: int = 1, host_uuid: str = HOST) -> SCEPExchange:
    """
    A PKIOperation that the certificate authority refused.
    """
    return SCEPExchange(
        str(number),
        host_uuid,
        PROFILE,
        "Test_SCEP",
        None,
        "PKCSReq",
        "t",
        "FAILURE",
        "badRequest",
        200,
        "",
        NOW + timedelta(seconds=number),
        7,
    )


class HostsTests(SynchronousTestCase):
    """
    Tests for L{Hosts}.
    """

    def setUp(self) -> None:
        """
        Make the service over fakes, and one host.
        """
        self.hosts = FakeHosts({HOST: host()})
        self.assignments, self.verification = FakeAssignments(), FakeVerification()
        self.commands, self.exchanges = FakeCommandRecords(), FakeEnrollments()
        self.check_ins, self.pushes = FakeCheckIns(), FakePushes()
        self.inventories = FakeInventories()
        self.service = Hosts(
            self.hosts,
            self.assignments,
            self.verification,
            self.commands,
            self.exchanges,
            self.check_ins,
            self.pushes,
            self.inventories,
        )

    def done(self, work: Coroutine[Deferred[T], object, T]) -> T:
        """
        Do some work of the service.
        """
        return self.successResultOf(Deferred.fromCoroutine(work))

    def test_list(self) -> None:
        """
        Hosts come by uuid, from the first after a cursor.
        """
        for uuid in ("c", "a", "b"):
            self.hosts.by_uuid[uuid] = host(uuid)
        listed = self.done(self.service.list(after="a", limit=1))
        self.assertEqual([one.uuid for one in listed], ["b"])

    def test_unknown(self) -> None:
        """
        An unknown host is not found.
        """
        work = Deferred.fromCoroutine(self.service.show("x"))
        self.failureResultOf(work, NotFound)

    def test_bare(self) -> None:
        """
        A host that has nothing yet is shown all the same.
        """
        record = self.done(self.service.show(HOST))
        self.assertEqual(record.host, host())
        for part in (record.enrollments, record.profiles, record.certificates):
            self.assertEqual(list(part), [])
        for records in (record.commands, record.exchanges):
            self.assertEqual(list(records), [])

    def test_everything(self) -> None:
        """
        A host is shown with what it has, and not with what others have.
        """
        for uuid in (HOST, "other"):
            self.check_ins.enrollments[uuid] = enrollment(uuid)
            self.assignments.by_pair[uuid, PROFILE] = assignment(uuid)
            self.verification.recorded.append(managed_certificate(uuid))
            self.commands.records[uuid] = [command()]
            self.exchanges.refused.append((exchange(host_uuid=uuid), False))
            self.inventories.states[uuid] = HostInventory(uuid, "macos", True)
        record = self.done(self.service.show(HOST))
        self.assertEqual(list(record.enrollments), [enrollment()])
        self.assertEqual(list(record.profiles), [assignment()])
        self.assertEqual(list(record.certificates), [managed_certificate()])
        self.assertEqual(list(record.commands), [command()])
        self.assertEqual(list(record.exchanges), [exchange()])
        self.assertEqual(record.inventory, HostInventory(HOST, "macos", True))

    def test_newest_records(self) -> None:
        """
        Of commands and exchanges only the newest are shown.
        """
        numbers = range(MOST_RECORDS + 5)
        self.commands.records[HOST] = [command(number) for number in reversed(numbers)]
        self.exchanges.refused = [(exchange(number), False) for number in numbers]
        record = self.done(self.service.show(HOST))
        self.assertEqual(len(record.commands), MOST_RECORDS)
        self.assertEqual(record.commands[0], command(MOST_RECORDS + 4))
        self.assertEqual(len(record.exchanges), MOST_RECORDS)
        self.assertEqual(record.exchanges[0], exchange(MOST_RECORDS + 4))

    def test_with_profile(self) -> None:
        """
        A profile is shown host by host, with serial numbers, from the first host after a cursor.
        """
        for uuid, serial_number in (("b", "SB"), ("a", "SA"), ("c", "SC")):
            self.hosts.by_uuid[uuid] = host(uuid, serial_number)
            self.assignments.by_pair[uuid, PROFILE] = assignment(uuid)
        self.assignments.by_pair["b", "another"] = assignment("b", "another")
        found = self.done(self.service.with_profile(PROFILE, after="a", limit=2))
        self.assertEqual([one.assignment for one in found], [assignment("b"), assignment("c")])
        self.assertEqual([one.serial_number for one in found], ["SB", "SC"])

    def test_host_that_went(self) -> None:
        """
        A host that went meanwhile has no serial number.
        """
        self.assignments.by_pair["gone", PROFILE] = assignment("gone")
        (found,) = self.done(self.service.with_profile(PROFILE))
        self.assertEqual(found.serial_number, "")

    def test_database_fails(self) -> None:
        """
        A host is shown whole or not at all.
        """
        for store in (self.check_ins, self.verification, self.commands, self.exchanges):
            store.broken = True
            work = Deferred.fromCoroutine(self.service.show(HOST))
            self.failureResultOf(work, StorageUnavailable)
            store.broken = False
