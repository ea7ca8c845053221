"""
What every database must do with the hosts that a profile targets, and those that are to lose it.
"""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Connection, Table, insert

from scepd.errors import Conflict
from scepd.model import Admission, Targets
from scepd.pki.keyring import SealedSecret
from scepd.profiles.lifecycle import Event
from scepd.storage import tables
from scepd.storage.recoveries import RECOVERED_AT_ONCE
from tests.storage import records
from tests.storage.base import StorageTestCase, reserve
from tests.storage.records import HOUR, NOON

# None stands for the host's uuid.
_FAILED: tuple[tuple[Table, dict[str, object]], ...] = (
    (tables.host, {"uuid": None, "serial_number": "C02", "platform": "macos", "facts": {"a": "b"}}),
    (
        tables.enrollment,
        {"id": None, "host_uuid": None, "kind": "device", "enabled": True, "enrolled_at": NOON},
    ),
    (
        tables.host_profile,
        {
            "host_uuid": None,
            "profile_uuid": "a-1",
            "operation": "install",
            "status": "failed",
            "ca_name": "corp",
            "detail": "no such authority",
            "content_sha256": "aa",
            "attempts": 1,
            "changed_at": NOON,
            "enrollment_id": None,
        },
    ),
)


class TargetContract(StorageTestCase):
    """
    The assignments that ProfileStore makes and removes.
    """

    async def hosts_with(self, uuid: str = "a-1") -> list[str]:
        """
        The hosts that have an assignment of a profile.
        """
        found = await self.assignments.assignments_of_profile(uuid)
        return [one.host_uuid for one in found]

    async def test_assigned_at_once(self) -> None:
        """
        A new profile is due on an enrolled device at the activity's time, with its first
        certificate authority.
        """
        await self.enroll()
        for name in ("b", "a"):
            await self.authorities.add_certificate_authority(records.ca(name), records.activity())
        one = records.profile(ca_names=("b", "a"))
        await self.profiles.add_profile(one, records.activity(at=NOON + HOUR))
        self.assertEqual(await self.row(), records.assignment(ca_name="b", due_at=NOON + HOUR))

    async def test_enabled_devices_only(self) -> None:
        """
        Hosts that are not enrolled, or checked out, and user channels get nothing.
        """
        await self.hosts.put_host(records.host("H-0"))
        for uuid in ("H-1", "H-2", "H-3"):
            await self.enroll(uuid)
        await self.checkins.check_out("H-2", NOON)
        await self.checkins.authenticate(records.host("H-3"), records.enrollment("H-3"), "id-4")
        channel = records.enrollment("H-2:user", host_uuid="H-2", kind="user")
        await self.checkins.authenticate(records.host("H-2"), channel, "id-5")
        await self.checkins.update_token("H-2:user", records.address(), NOON, NOON)
        await self.profiles.add_profile(records.profile(), records.activity())
        self.assertEqual(await self.hosts_with(), ["H-1"])

    async def test_label(self) -> None:
        """
        A profile with a label goes to the hosts that have it.
        """
        await self.enroll("H-1", labels=("new", "sales"))
        await self.enroll("H-2", labels=("old",))
        await self.profiles.add_profile(
            records.profile(targets=Targets(("new",))), records.activity()
        )
        self.assertEqual(await self.hosts_with(), ["H-1"])

    async def test_none_when_refused(self) -> None:
        """
        A profile that is refused is assigned to nobody.
        """
        await self.enroll()
        new = records.profile(ca_names=("gone",))
        await self.refused(Conflict, self.profiles.add_profile(new, records.activity()))
        self.assertEqual(await self.hosts_with(), [])

    async def test_removed_before_it_was_handed_over(self) -> None:
        """
        A profile that no device was handed leaves nothing, whether its command is queued or not.
        """
        await self.enroll("H-1")
        await self.add_corp_profile()
        await self.queue_due()
        await self.enroll("H-2")
        await self.profiles.remove_profile("a-1", records.activity())
        self.assertEqual(await self.hosts_with(), [])
        self.assertIsNone(await self.commands.next_command("H-1", after_not_now=False))

    async def test_removed_from_devices(self) -> None:
        """
        A device that was handed a profile which is removed is to lose it: due at the activity's
        time, of no certificate authority, by the identifier that the profile had.
        """
        await self.hand_over()
        await self.profiles.remove_profile("a-1", records.activity(at=NOON + HOUR))
        self.assertIsNone(await self.profiles.profile("a-1"))
        expected = records.assignment(operation="remove", ca_name=None, due_at=NOON + HOUR)
        self.assertEqual(await self.row(), expected)
        self.assertEqual((await reserve(self.enrollment)).admission, Admission.CLOSED)
        self.assertIsNone(await self.commands.next_command("H-1", after_not_now=False))
        (due,) = await self.delivery.due_rows(None, NOON + HOUR, 10)
        self.assertEqual((due.operation, due.profile_identifier), ("remove", "com.example.a-1"))

    async def test_removed_after_a_renewal_was_due(self) -> None:
        """
        A device that may have a profile is to lose it, even when the next delivery of it has not
        begun.
        """
        await self.hand_over()
        await self.delivery.happen([records.event(Event.ACKNOWLEDGED)], NOON, None)
        await self.delivery.happen([records.event(Event.RENEWAL_DUE)], NOON, None)
        await self.profiles.remove_profile("a-1", records.activity())
        self.assertEqual((await self.row()).operation, "remove")

    async def test_wiped_after_it_was_handed_over(self) -> None:
        """
        A device that enrolled anew has nothing to lose.
        """
        await self.hand_over()
        await self.enroll()
        await self.profiles.remove_profile("a-1", records.activity())
        self.assertEqual(await self.hosts_with(), [])

    async def test_assigned_again(self) -> None:
        """
        A removal that is called back becomes an install with its certificate authority.
        """
        await self.hand_over()
        await self.delivery.happen([records.event(Event.UNASSIGNED)], NOON, None)
        self.assertIsNone((await self.row()).ca_name)
        await self.delivery.happen([records.event(Event.ASSIGNED)], NOON + HOUR, None)
        self.assertEqual(await self.row(), records.assignment(due_at=NOON + HOUR))

    async def test_authority_is_back(self) -> None:
        """
        What failed is due again when a certificate authority of that name is added.
        """
        await self.enroll()
        activity = records.activity()
        await self.authorities.add_certificate_authority(records.ca(), activity)
        await self.profiles.add_profile(records.profile(ca_names=("corp",)), activity)
        failed = records.event(Event.RESOLUTION_FAILED, detail="no such authority")
        await self.delivery.happen([failed], NOON, None)
        self.assertEqual((await self.row()).status, "failed")
        await self.authorities.remove_certificate_authority("corp", activity, force=True)
        await self.authorities.add_certificate_authority(records.ca(), activity)
        row = await self.row()
        self.assertEqual((row.status, row.due_at, row.detail), ("pending", activity.at, ""))

    async def test_many_failures(self) -> None:
        """
        Of many failures some are made due at once, and the rest piece by piece.
        """
        await self.fail_everywhere(RECOVERED_AT_ONCE + 5)
        self.assertEqual(await self.failed_count(), 5)
        lease = await self.lease()
        self.assertTrue(await self.delivery.recover(NOON + HOUR, lease, 2))
        self.assertEqual(await self.failed_count(), 3)
        while await self.delivery.recover(NOON + HOUR, lease, 2):
            pass
        self.assertEqual(await self.failed_count(), 0)
        self.assertFalse(await self.delivery.recover(NOON + HOUR, lease))
        last = await self.row(f"H-{RECOVERED_AT_ONCE + 4:04}")
        self.assertEqual((last.status, last.due_at), ("pending", NOON + HOUR))

    async def test_recovery_without_lease(self) -> None:
        """
        Who lost the lease makes nothing due; what is left waits for the next tick.
        """
        await self.fail_everywhere(RECOVERED_AT_ONCE)
        lease = await self.lease()
        self.now = NOON + HOUR
        await self.refused(Conflict, self.delivery.recover(NOON, lease))
        self.assertTrue(await self.delivery.recover(NOON, await self.lease()))
        self.assertFalse(await self.delivery.recover(NOON, await self.lease()))

    async def fail_everywhere(self, count: int) -> None:
        """
        a-1 has failed on so many enrolled hosts when its certificate authority is added again.
        """
        uuids = [f"H-{number:04}" for number in range(count)]

        def unit(connection: Connection) -> None:
            for table, values in _FAILED:
                rows = [{name: value or uuid for name, value in values.items()} for uuid in uuids]
                connection.execute(insert(table), rows)

        await self.database.write(unit)
        await self.authorities.add_certificate_authority(records.ca(), records.activity())

    async def failed_count(self) -> int:
        """
        On how many hosts a-1 has failed.
        """
        found = await self.assignments.assignments_of_profile("a-1", limit=2000)
        return [row.status for row in found].count("failed")

    async def test_authority_is_mended(self) -> None:
        """
        What failed is due again when its certificate authority gets another URL or challenge, but
        not with other settings.
        """
        await self.enroll()
        activity = records.activity()
        ca = records.ca()
        await self.authorities.add_certificate_authority(ca, activity)
        await self.profiles.add_profile(records.profile(ca_names=("corp",)), activity)
        failed = records.event(Event.RESOLUTION_FAILED, detail="can't be decrypted")
        for change, status in (
            ({"max_concurrency": 9}, "failed"),
            ({"challenge": SealedSecret("key-2", b"again")}, "pending"),
            ({"url": "https://new.example.com/"}, "pending"),
        ):
            await self.delivery.happen([failed], NOON, None)
            self.assertEqual((await self.row()).status, "failed")
            before, ca = ca, replace(ca, **change)
            await self.authorities.change_certificate_authority(before, ca, activity)
            self.assertEqual((await self.row()).status, status)


class HostPageContract(StorageTestCase):
    """
    What HostStore and AssignmentStore tell of hosts.
    """

    async def test_pages(self) -> None:
        """
        Hosts go by uuid, begin after one and end at the limit, each with its labels.
        """
        hosts = [
            records.host("H-2", labels=()),
            records.host("H-1"),
            records.host("H-3", labels=("z",), model="Mac16,1", os_version="15.3", last_seen=NOON),
        ]
        for one in hosts:
            await self.hosts.put_host(one)
        self.assertEqual(await self.hosts.hosts(limit=2), [hosts[1], hosts[0]])
        self.assertEqual(await self.hosts.hosts(after="H-2"), [hosts[2]])

    async def test_some(self) -> None:
        """
        Hosts are read together by their uuids, more than fit into one statement; who is asked for
        twice, or is not there, does no harm.
        """
        hosts = [records.host("H-2", labels=()), records.host("H-1")]
        for one in hosts:
            await self.hosts.put_host(one)
        asked = [f"H-{number}" for number in range(1100)] + ["H-1"]
        found = await self.hosts.hosts_of(asked)
        self.assertEqual(found, {one.uuid: one for one in hosts})
        self.assertEqual(await self.hosts.hosts_of([]), {})

    async def test_put_host_keeps(self) -> None:
        """
        A host that is stored anew keeps its osquery agent, and when it was seen.
        """
        await self.hosts.put_host(records.host(last_seen=NOON))
        await self.verification.enroll_agent("H-1", "key", NOON)
        await self.verification.inventory_due("H-1", NOON, NOON + HOUR)
        await self.hosts.put_host(records.host())
        self.assertEqual(await self.hosts.host("H-1"), records.host(last_seen=NOON))
        self.assertEqual(await self.verification.agent_host("key"), "H-1")
        self.assertFalse(await self.verification.inventory_due("H-1", NOON, NOON + HOUR))

    async def test_assignments_of_host(self) -> None:
        """
        The assignments of a host go by the identifiers of their profiles.
        """
        await self.hosts.put_host(records.host())
        await self.hosts.put_host(records.host("H-2"))
        for uuid, identifier in (("a-1", "z"), ("a-2", "y")):
            one = records.profile(uuid, identifier=identifier)
            await self.profiles.add_profile(one, records.activity())
            await self.assignments.assign(
                records.assignment(profile_uuid=uuid, profile_identifier="")
            )
        found = await self.assignments.assignments_of_host("H-1")
        self.assertEqual([one.profile_identifier for one in found], ["y", "z"])
        self.assertEqual(await self.assignments.assignments_of_host("H-2"), [])

    async def test_assigned_field_by_field(self) -> None:
        """
        What an assignment tells of its delivery is found again.
        """
        await self.add_host_with_profile()
        whole = records.assignment(
            status="verifying",
            attempts=2,
            command_uuid="c-9",
            delivered_at=NOON,
            acknowledged_at=NOON + HOUR,
        )
        await self.assignments.assign(whole)
        self.assertEqual(await self.row(), whole)
