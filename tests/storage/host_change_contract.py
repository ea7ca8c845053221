"""
What every database must do with labels, facts and details of hosts that change.
"""

from __future__ import annotations

from scepd.errors import NotFound
from scepd.model import DeviceDetails, FactsChange, Targets
from scepd.profiles.lifecycle import Event
from tests.storage import records
from tests.storage.base import StorageTestCase
from tests.storage.records import HOUR, NOON

EMAIL = "HOST_END_USER_EMAIL_IDP"
USERNAME = "HOST_END_USER_IDP_USERNAME"
LOCAL_PART = "HOST_END_USER_IDP_USERNAME_LOCAL_PART"


class LabelContract(StorageTestCase):
    """
    The labels of HostChangeStore.
    """

    async def identifiers(self, host_uuid: str = "H-1") -> list[tuple[str, str]]:
        """
        The profiles of a host with what is to become of them.
        """
        found = await self.assignments.assignments_of_host(host_uuid)
        return [(one.profile_uuid, one.operation) for one in found]

    async def test_exactly_those(self) -> None:
        """
        A label brings the profiles that target it and takes those that do not want it; rows of
        other hosts, and other rows of this one, stay as they are.
        """
        await self.hand_over()
        for uuid, targets in (
            ("a-2", Targets(("vip",))),
            ("a-3", Targets((), (), ("vip",))),
            ("a-4", Targets(("vip",), ("berlin",))),
            ("a-5", Targets((), ("vip", "other"))),
        ):
            await self.profiles.add_profile(
                records.profile(uuid, targets=targets), records.activity()
            )
        await self.enroll("H-2")
        self.assertEqual(await self.identifiers(), [("a-1", "install"), ("a-3", "install")])
        before, other = await self.row(), await self.assignments.assignments_of_host("H-2")
        done = records.activity("H-1", action="changed labels of host", at=NOON + HOUR)
        self.assertTrue(await self.host_changes.change_labels("H-1", {"vip"}, (), done))
        wanted = [("a-1", "install"), ("a-2", "install"), ("a-4", "install")]
        self.assertEqual(await self.identifiers(), wanted)
        self.assertEqual((await self.row("H-1", "a-2")).due_at, NOON + HOUR)
        self.assertEqual(await self.row(), before)
        self.assertEqual(await self.assignments.assignments_of_host("H-2"), other)
        self.assertEqual((await self.done())[0], done)

    async def test_taken_away(self) -> None:
        """
        Without the label a profile that was handed over is to be removed, one that was not goes.
        """
        await self.hand_over()
        await self.profiles.set_targets("a-1", Targets(("berlin",)), records.activity())
        two = records.profile("a-2", targets=Targets(("berlin",)))
        await self.profiles.add_profile(two, records.activity())
        await self.host_changes.change_labels("H-1", (), {"berlin"}, records.activity())
        self.assertEqual(await self.identifiers(), [("a-1", "remove")])
        await self.host_changes.change_labels("H-1", {"berlin"}, (), records.activity())
        self.assertEqual(await self.identifiers(), [("a-1", "install"), ("a-2", "install")])

    async def test_nothing_new(self) -> None:
        """
        What the host has, or lacks, already changes nothing and is no activity.
        """
        await self.hosts.put_host(records.host())
        before = await self.done()
        same = self.host_changes.change_labels("H-1", {"berlin"}, {"no"}, records.activity())
        self.assertFalse(await same)
        both = self.host_changes.change_labels("H-1", {"new"}, {"new"}, records.activity())
        self.assertTrue(await both)
        found = await self.hosts.host("H-1")
        assert found is not None
        self.assertEqual(found.labels, ("berlin", "new", "platform:macos", "sales"))
        self.assertEqual(len(await self.done()), len(before) + 1)

    async def test_no_host(self) -> None:
        """
        Labels of a host that is not there are refused.
        """
        work = self.host_changes.change_labels("H-9", {"x"}, (), records.activity())
        self.assertIn("'H-9'", await self.refused(NotFound, work))

    async def test_automatic(self) -> None:
        """
        A device that enrolls has the labels of its platform and system; with a newer system it has
        that one's instead, and gets the profiles for it once it is enabled. Labels of operators
        stay; one of a token that only looks automatic is not taken.
        """
        for uuid, label in (("a-1", "os:15"), ("a-2", "os:16"), ("a-3", "platform:macos")):
            one = records.profile(uuid, targets=Targets((), (label,)))
            await self.profiles.add_profile(one, records.activity())
        await self.enroll(labels=("berlin", "os:3"), os_version="15.3.1")
        found = await self.hosts.host("H-1")
        assert found is not None
        self.assertEqual(found.labels, ("berlin", "os:15", "platform:macos"))
        self.assertEqual(await self.identifiers(), [("a-1", "install"), ("a-3", "install")])
        await self.enroll(labels=(), os_version="16.0")
        found = await self.hosts.host("H-1")
        assert found is not None
        self.assertEqual(found.labels, ("berlin", "os:16", "platform:macos"))
        self.assertEqual(await self.identifiers(), [("a-2", "install"), ("a-3", "install")])


class FactContract(StorageTestCase):
    """
    The facts of HostChangeStore.
    """

    async def add(self, uuid: str, *variables: str) -> None:
        """
        A profile with variables, that failed on H-1.
        """
        await self.profiles.add_profile(
            records.profile(uuid, host_variables=variables), records.activity()
        )
        failed = records.event(Event.RESOLUTION_FAILED, "H-1", uuid, "needs a fact")
        await self.delivery.happen([failed], NOON, None)

    async def tell(self, *facts: tuple[str, str | None], host_uuid: str = "H-1") -> int:
        """
        Tell facts of a host at noon + 1 h.
        """
        done = records.activity(host_uuid, action="changed facts of host", at=NOON + HOUR)
        return await self.host_changes.change_facts([FactsChange(host_uuid, facts)], done)

    async def due(self) -> list[str]:
        """
        The profiles of H-1 that are due since noon + 1 h.
        """
        found = await self.assignments.assignments_of_host("H-1")
        return [one.profile_uuid for one in found if one.due_at == NOON + HOUR]

    async def test_exactly_those(self) -> None:
        """
        Profiles that use the fact are due, and no others; other hosts are left alone.
        """
        await self.enroll()
        await self.enroll("H-2")
        await self.add("a-1", EMAIL)
        await self.add("a-2", USERNAME, "HOST_UUID")
        await self.add("a-3")
        other = await self.assignments.assignments_of_host("H-2")
        self.assertEqual(await self.tell((EMAIL, "ann@example.com")), 1)
        self.assertEqual(await self.due(), ["a-1"])
        row = await self.row()
        self.assertEqual((row.status, row.detail, row.attempts), ("pending", "", 0))
        self.assertEqual(await self.assignments.assignments_of_host("H-2"), other)
        found = await self.hosts.host("H-1")
        assert found is not None
        self.assertEqual(found.facts[EMAIL], "ann@example.com")
        self.assertEqual((await self.done())[0].action, "changed facts of host")

    async def test_what_follows(self) -> None:
        """
        The local part of a user's name follows from the name, unless it is told itself.
        """
        await self.enroll()
        await self.add("a-1", LOCAL_PART)
        await self.tell((USERNAME, "ann@example.com"))
        self.assertEqual(await self.due(), ["a-1"])
        await self.tell((LOCAL_PART, "ann"))
        await self.delivery.happen([records.event(Event.RESOLUTION_FAILED)], NOON, None)
        await self.tell((USERNAME, "bob@example.com"))
        self.assertEqual(await self.due(), [])

    async def test_unset(self) -> None:
        """
        A fact that is taken away makes the profiles that use it due, so that they tell.
        """
        await self.enroll()
        await self.tell((EMAIL, "ann@example.com"))
        await self.add("a-1", EMAIL)
        self.assertEqual(await self.tell((EMAIL, None), (USERNAME, None)), 1)
        self.assertEqual(await self.due(), ["a-1"])
        found = await self.hosts.host("H-1")
        assert found is not None
        self.assertNotIn(EMAIL, found.facts)

    async def test_nothing_new(self) -> None:
        """
        The same value once more changes nothing, and is no activity.
        """
        await self.enroll()
        await self.tell((EMAIL, "ann@example.com"))
        await self.add("a-1", EMAIL)
        before = await self.done()
        self.assertEqual(await self.tell((EMAIL, "ann@example.com")), 0)
        self.assertEqual(await self.due(), [])
        self.assertEqual(await self.done(), before)

    async def test_removals_and_parked(self) -> None:
        """
        A removal needs no facts, and a host that left is not due.
        """
        await self.hand_over()
        await self.profiles.replace_profile(
            records.profile(sha256="cd" * 32, host_variables=(EMAIL,)), records.activity()
        )
        await self.profiles.set_targets("a-1", Targets(("x",)), records.activity())
        await self.tell((EMAIL, "ann@example.com"))
        self.assertEqual(await self.due(), [])
        await self.profiles.set_targets("a-1", Targets(), records.activity())
        await self.checkins.check_out("H-1", NOON)
        await self.tell((EMAIL, "bob@example.com"))
        self.assertEqual(await self.due(), [])

    async def test_all_or_none(self) -> None:
        """
        When one of several hosts is not there, no host changes.
        """
        await self.enroll()
        changes = [
            FactsChange("H-1", ((EMAIL, "ann@example.com"),)),
            FactsChange("H-9", ((EMAIL, "bob@example.com"),)),
        ]
        work = self.host_changes.change_facts(changes, records.activity())
        self.assertIn("'H-9'", await self.refused(NotFound, work))
        found = await self.hosts.host("H-1")
        assert found is not None
        self.assertNotIn(EMAIL, found.facts)

    async def test_names(self) -> None:
        """
        Hosts are found by uuid and by serial number, also several of one.
        """
        for uuid, serial in (("H-1", "S-1"), ("H-2", "S-2"), ("H-3", "S-2")):
            await self.hosts.put_host(records.host(uuid, serial_number=serial))
        found = await self.host_changes.uuids_of(["H-1", "S-1", "S-2", "none"])
        self.assertEqual(found, {"H-1": ["H-1"], "S-1": ["H-1"], "S-2": ["H-2", "H-3"]})


class DetailContract(StorageTestCase):
    """
    What HostChangeStore learns of devices.
    """

    async def test_platform_appears(self) -> None:
        """
        When the platform becomes known, the host gets its label, the profiles for it, and those
        that lacked the value are due; what the device does not say stays.
        """
        await self.enroll(platform="", labels=(), model="Mac16,1")
        for uuid, targets, variables in (
            ("a-1", Targets(), ("HOST_PLATFORM",)),
            ("a-2", Targets(("platform:macos",)), ()),
            ("a-3", Targets(), ("HOST_HARDWARE_SERIAL",)),
        ):
            one = records.profile(uuid, targets=targets, host_variables=variables)
            await self.profiles.add_profile(one, records.activity())
        failed = records.event(Event.RESOLUTION_FAILED, detail="needs the platform")
        await self.delivery.happen([failed], NOON, None)
        before = await self.row("H-1", "a-3")
        details = DeviceDetails(platform="macos", os_version="15.3")
        self.assertTrue(await self.host_changes.learn("H-1", details, NOON + HOUR))
        found = await self.hosts.host("H-1")
        expected = records.host(
            platform="macos",
            labels=("os:15", "platform:macos"),
            model="Mac16,1",
            os_version="15.3",
        )
        self.assertEqual(found, expected)
        self.assertEqual((await self.row()).due_at, NOON + HOUR)
        self.assertEqual((await self.row("H-1", "a-2")).due_at, NOON + HOUR)
        self.assertEqual(await self.row("H-1", "a-3"), before)

    async def test_what_never_changes(self) -> None:
        """
        A platform and a serial number that are known stay, whatever is said.
        """
        await self.enroll(os_version="15.3")
        details = DeviceDetails("ios", "OTHER", "Mac16,1", "15.4")
        self.assertTrue(await self.host_changes.learn("H-1", details, NOON))
        found = await self.hosts.host("H-1")
        assert found is not None
        self.assertEqual((found.platform, found.serial_number), ("macos", "C02"))
        self.assertEqual((found.model, found.os_version), ("Mac16,1", "15.4"))

    async def test_newer_system(self) -> None:
        """
        With another system the host leaves the targets of the former one.
        """
        await self.enroll(os_version="15.3")
        one = records.profile(targets=Targets(("os:15",)))
        await self.profiles.add_profile(one, records.activity())
        self.assertTrue(
            await self.host_changes.learn("H-1", DeviceDetails(os_version="26.0"), NOON)
        )
        self.assertIsNone(await self.assignments.assignment("H-1", "a-1"))

    async def test_nothing_new(self) -> None:
        """
        What is known changes nothing; of a host that is not known nothing is kept.
        """
        await self.enroll(os_version="15.3")
        same = DeviceDetails("macos", "C02", "", "15.3")
        self.assertFalse(await self.host_changes.learn("H-1", same, NOON))
        self.assertFalse(await self.host_changes.learn("H-1", DeviceDetails(), NOON))
        self.assertFalse(await self.host_changes.learn("H-9", same, NOON))
        self.assertIsNone(await self.hosts.host("H-9"))
