"""
What every database must do with profiles that are replaced, aimed at other hosts, or come again.
"""

from __future__ import annotations

from scepd.errors import Conflict, NotFound
from scepd.model import Profile, TargetCount, Targets
from scepd.profiles.lifecycle import Event
from scepd.storage.profiles import SQLProfileStore
from tests.storage import records
from tests.storage.base import StorageTestCase
from tests.storage.records import HOUR, NOON


class ProfileChangeContract(StorageTestCase):
    """
    The changes of ProfileStore, on few hosts.
    """

    async def hosts_with(self, operation: str = "install") -> list[str]:
        """
        The hosts that have an assignment of a-1 of an operation.
        """
        found = await self.assignments.assignments_of_profile("a-1")
        return [one.host_uuid for one in found if one.operation == operation]

    async def test_parts_are_kept(self) -> None:
        """
        Targets and variables are found again.
        """
        targets = Targets(("a", "b"), ("c",), ("d", "e"))
        added = records.profile(targets=targets, host_variables=("HOST_PLATFORM", "HOST_UUID"))
        self.assertEqual(await self.profiles.add_profile(added, records.activity()), "a-1")
        self.assertEqual(await self.profiles.profile("a-1"), added)
        self.assertEqual(await self.profiles.profiles(), [added])

    async def test_every_kind_of_targets(self) -> None:
        """
        SQL chooses the hosts that the value would choose, of all, any, all of, none of, and of
        several rules together.
        """
        hosts = {"H-1": ("x",), "H-2": ("x", "y"), "H-3": ("z",), "H-4": ()}
        for uuid, labels in hosts.items():
            await self.enroll(uuid, labels=labels, platform="", os_version="")
        every = (
            Targets(),
            Targets(("x",)),
            Targets(("x", "z")),
            Targets((), ("x", "y")),
            Targets((), (), ("x",)),
            Targets((), (), ("x", "z")),
            Targets(("x", "z"), (), ("y",)),
            Targets(("x",), ("y",), ("z",)),
            Targets(("none",)),
        )
        for number, targets in enumerate(every):
            one = records.profile(f"a-{number}", targets=targets)
            await self.profiles.add_profile(one, records.activity())
            found = await self.assignments.assignments_of_profile(one.uuid)
            expected = [uuid for uuid, labels in hosts.items() if targets.include(labels)]
            self.assertEqual([row.host_uuid for row in found], expected, targets)

    async def test_replaced(self) -> None:
        """
        Other content keeps the uuid and is due on each host at the activity's time, from the new
        certificate authority; what was under way is over.
        """
        command = await self.hand_over()
        await self.delivery.happen([records.event(Event.ACKNOWLEDGED)], NOON, None)
        await self.authorities.add_certificate_authority(records.ca("new"), records.activity())
        new = records.profile(
            content=b"other", sha256="cd" * 32, ca_names=("new",), host_variables=("HOST_UUID",)
        )
        activity = records.activity("a-1", action="replaced profile", at=NOON + HOUR)
        await self.profiles.replace_profile(new, activity)
        self.assertEqual(await self.profiles.profile("a-1"), new)
        row = await self.row()
        self.assertEqual(row, records.assignment(ca_name="new", due_at=NOON + HOUR))
        self.assertEqual((await self.done())[0], activity)
        found = await self.commands.command(command.uuid)
        self.assertIsNotNone(found)
        self.assertEqual(await self.delivery.due_authorities(NOON + HOUR), ["new"])

    async def test_replaced_once(self) -> None:
        """
        A host that has the new content already is left alone by what comes after.
        """
        await self.hand_over()
        new = records.profile(content=b"other", sha256="cd" * 32, ca_names=("corp",))
        await self.profiles.replace_profile(new, records.activity(at=NOON + HOUR))
        before = await self.row()
        await self.profiles.set_targets("a-1", Targets((), (), ("no",)), records.activity())
        await self.host_changes.change_labels("H-1", {"more"}, (), records.activity())
        self.assertEqual(await self.row(), before)

    async def test_replaced_without_certificate(self) -> None:
        """
        Content that asks for no certificate is not renewed for the one that it had before; other
        content that asks for one is, until there is a newer.
        """
        await self.hand_over()
        proved = [records.event(Event.INVENTORY_PROVED)]
        await self.verification.prove("H-1", [records.certificate()], proved, NOON)
        late, again_after = NOON + 400 * 24 * HOUR, (HOUR, 24 * HOUR)
        for sha256, names, renewed in (("cd" * 32, ("corp",), 1), ("ef" * 32, (), 0)):
            new = records.profile(sha256=sha256, ca_names=names)
            await self.profiles.replace_profile(new, records.activity())
            await self.verification.prove("H-1", [], proved, NOON)
            due = await self.renewals.due_renewals(late, again_after, 10)
            self.assertEqual(len(due), renewed)

    async def test_replaced_while_not_enrolled(self) -> None:
        """
        A host that left meanwhile gets the new content, from its authority, when it is back.
        """
        await self.hand_over()
        await self.checkins.check_out("H-1", NOON)
        await self.authorities.add_certificate_authority(records.ca("new"), records.activity())
        new = records.profile(content=b"other", sha256="cd" * 32, ca_names=("new",))
        await self.profiles.replace_profile(new, records.activity())
        self.assertEqual((await self.row()).detail, "the host is not enrolled")
        await self.enroll()
        self.assertEqual((await self.row()).ca_name, "new")
        self.assertEqual(await self.delivery.due_authorities(NOON), ["new"])

    async def test_replace_refused(self) -> None:
        """
        There must be such a profile, of the same identifier and scope, and its authorities.
        """
        await self.profiles.add_profile(records.profile(), records.activity())
        for error, changes in (
            (NotFound, {"uuid": "a-9"}),
            (Conflict, {"identifier": "com.example.other"}),
            (Conflict, {"scope": "User"}),
            (Conflict, {"ca_names": ("gone",)}),
        ):
            new = records.profile(**({"uuid": "a-1", "sha256": "cd" * 32} | changes))
            if "uuid" in changes:
                new = records.profile("a-9", identifier="com.example.a-1")
            await self.refused(error, self.profiles.replace_profile(new, records.activity()))
        self.assertEqual(await self.profiles.profile("a-1"), records.profile())
        self.assertEqual(len(await self.done()), 1)

    async def test_other_targets(self) -> None:
        """
        Hosts that come among the targets get the profile; of those that leave them one that was
        never handed it forgets it, and one that may have it is to lose it; others keep their rows.
        """
        await self.hand_over()
        await self.enroll("H-2", labels=("x",))
        await self.enroll("H-3", labels=("x",))
        await self.profiles.set_targets("a-1", Targets((), (), ("berlin",)), records.activity())
        self.assertEqual(await self.hosts_with(), ["H-2", "H-3"])
        self.assertEqual(await self.hosts_with("remove"), ["H-1"])
        self.assertEqual(
            await self.profiles.target_count("a-1"), TargetCount(2, 1, is_applied=True)
        )
        before = await self.row("H-3")
        await self.enroll("H-4", labels=("y",))
        await self.profiles.set_targets("a-1", Targets(("y",)), records.activity(at=NOON + HOUR))
        self.assertEqual(await self.hosts_with(), ["H-4"])
        await self.profiles.set_targets("a-1", Targets(("x",)), records.activity())
        self.assertEqual(await self.hosts_with(), ["H-2", "H-3"])
        self.assertEqual(await self.row("H-3"), before)

    async def test_aimed_back(self) -> None:
        """
        A host that comes among the targets again while its removal is queued keeps the profile:
        the removal is cancelled, an install is due.
        """
        await self.hand_over()
        await self.profiles.set_targets("a-1", Targets(("x",)), records.activity())
        self.assertEqual(await self.queue_due(ca_name=None), 1)
        later = records.activity(at=NOON + HOUR)
        await self.profiles.set_targets("a-1", Targets(), later)
        self.assertEqual(await self.row(), records.assignment(due_at=NOON + HOUR))
        self.assertIsNone(await self.commands.next_command("H-1", after_not_now=False))

    async def test_targets_of_none(self) -> None:
        """
        A profile that is not there can't be aimed.
        """
        work = self.profiles.set_targets("a-9", Targets(), records.activity())
        self.assertIn("'a-9'", await self.refused(NotFound, work))


class FormerProfileContract(StorageTestCase):
    """
    A profile that comes again, while its identifier is still being removed from devices.
    """

    def again(self, **changes: object) -> Profile:
        """
        Another profile of the identifier that a-1 had.
        """
        return records.profile(
            "a-2", **({"identifier": "com.example.a-1", "sha256": "cd" * 32} | changes)
        )

    async def test_while_it_is_removed(self) -> None:
        """
        It takes the former one's uuid, and the removal that is queued becomes an install.
        """
        await self.hand_over()
        await self.profiles.remove_profile("a-1", records.activity())
        await self.queue_due(ca_name=None)
        again = self.again(ca_names=("corp",))
        uuid = await self.profiles.add_profile(again, records.activity(at=NOON + HOUR))
        self.assertEqual(uuid, "a-1")
        self.assertIsNone(await self.profiles.profile("a-2"))
        self.assertEqual(await self.row(), records.assignment(due_at=NOON + HOUR))
        self.assertIsNone(await self.commands.next_command("H-1", after_not_now=False))

    async def test_not_for_that_host(self) -> None:
        """
        A host that is no target of the new one loses the former one all the same.
        """
        await self.hand_over()
        await self.profiles.remove_profile("a-1", records.activity())
        await self.profiles.add_profile(self.again(targets=Targets(("x",))), records.activity())
        self.assertEqual((await self.row()).operation, "remove")

    async def test_after_it_is_removed(self) -> None:
        """
        When nobody has to lose it any more, the new one is another profile.
        """
        await self.hand_over()
        await self.profiles.remove_profile("a-1", records.activity())
        await self.delivery.happen([records.event(Event.ACKNOWLEDGED)], NOON, None)
        uuid = await self.profiles.add_profile(self.again(), records.activity())
        self.assertEqual(uuid, "a-2")
        self.assertEqual((await self.row("H-1", "a-2")).due_at, NOON)

    async def test_other_scope(self) -> None:
        """
        On a device one of another scope is another profile: it has to wait.
        """
        await self.hand_over()
        await self.profiles.remove_profile("a-1", records.activity())
        work = self.profiles.add_profile(self.again(scope="User"), records.activity())
        text = await self.refused(Conflict, work)
        self.assertIn("of scope System is still being removed from 1 host(s)", text)
        self.assertIsNone(await self.profiles.profile("a-2"))
        self.assertEqual((await self.row()).operation, "remove")

    async def test_other_scope_when_hosts_are_gone(self) -> None:
        """
        Hosts that left are not waited for: to them the new one is another profile.
        """
        await self.hand_over()
        await self.profiles.remove_profile("a-1", records.activity())
        await self.checkins.check_out("H-1", NOON)
        uuid = await self.profiles.add_profile(self.again(scope="User"), records.activity())
        self.assertEqual(uuid, "a-2")
        await self.enroll()
        found = await self.assignments.assignments_of_host("H-1")
        self.assertEqual([one.profile_uuid for one in found], ["a-2"])

    async def test_parked_removals(self) -> None:
        """
        A host that left with a removal gets the new one when it is back.
        """
        await self.hand_over()
        await self.profiles.remove_profile("a-1", records.activity())
        await self.checkins.check_out("H-1", NOON)
        self.assertEqual(await self.profiles.add_profile(self.again(), records.activity()), "a-1")
        await self.enroll()
        self.assertEqual((await self.row()).operation, "install")


class SweepingContract(StorageTestCase):
    """
    Changes of a profile that has more hosts than one step takes.
    """

    async def many(self, count: int = 5) -> None:
        """
        Hosts that were handed a profile, and steps of two hosts.
        """
        for number in range(count):
            await self.enroll(f"H-{number}")
        await self.add_corp_profile()
        await self.queue_due()
        for number in range(count):
            await self.commands.hand_over(f"c-a-1-H-{number}", NOON, None)
        self.profiles = SQLProfileStore(self.database, step=2)

    async def changed(self) -> list[bool]:
        """
        Whether each host has been reached by a change at noon + 1 h.
        """
        found = await self.assignments.assignments_of_profile("a-1")
        return [one.due_at == NOON + HOUR for one in found]

    async def test_steps(self) -> None:
        """
        The first step comes with the change, the others one by one; what is left is told.
        """
        await self.many()
        new = records.profile(content=b"other", sha256="cd" * 32, ca_names=("corp",))
        await self.profiles.replace_profile(new, records.activity(at=NOON + HOUR))
        self.assertEqual(await self.changed(), [True, True, False, False, False])
        self.assertEqual(await self.profiles.unfinished_sweeps(), ["a-1"])
        self.assertFalse((await self.profiles.target_count("a-1")).is_applied)
        self.assertTrue(await self.profiles.advance_sweep("a-1", NOON + HOUR))
        self.assertFalse(await self.profiles.advance_sweep("a-1", NOON + HOUR))
        self.assertEqual(await self.changed(), [True] * 5)
        self.assertEqual(await self.profiles.unfinished_sweeps(), [])
        self.assertTrue((await self.profiles.target_count("a-1")).is_applied)
        self.assertFalse(await self.profiles.advance_sweep("a-1", NOON))

    async def test_full_page_at_the_end(self) -> None:
        """
        When the last step is full, one more finds nothing left.
        """
        await self.many(4)
        await self.profiles.set_targets("a-1", Targets(("x",)), records.activity(at=NOON + HOUR))
        self.assertTrue(await self.profiles.advance_sweep("a-1", NOON + HOUR))
        self.assertFalse(await self.profiles.advance_sweep("a-1", NOON + HOUR))
        self.assertEqual(await self.changed(), [True] * 4)

    async def test_removed(self) -> None:
        """
        A removal goes on too; hosts that do not have the profile are not looked at.
        """
        await self.many(3)
        for number in range(6):
            await self.enroll(f"G-{number}", labels=())
        await self.profiles.set_targets("a-1", Targets(("berlin",)), records.activity())
        while await self.profiles.advance_sweep("a-1", NOON):
            pass
        await self.profiles.remove_profile("a-1", records.activity(at=NOON + HOUR))
        self.assertEqual(await self.changed(), [True, True, False])
        self.assertEqual(await self.profiles.target_count("a-1"), TargetCount(1, 2, False))
        self.assertFalse(await self.profiles.advance_sweep("a-1", NOON + HOUR))
        self.assertEqual(await self.profiles.target_count("a-1"), TargetCount(0, 3, True))

    async def test_changed_again(self) -> None:
        """
        Another change in the middle begins anew, and all hosts end as the last one says.
        """
        await self.many()
        await self.profiles.set_targets("a-1", Targets(("x",)), records.activity())
        await self.profiles.set_targets("a-1", Targets(), records.activity(at=NOON + HOUR))
        while await self.profiles.advance_sweep("a-1", NOON + HOUR):
            pass
        found = await self.assignments.assignments_of_profile("a-1")
        self.assertEqual({one.operation for one in found}, {"install"})
        # The others never left.
        self.assertEqual(await self.changed(), [True, True, False, False, False])

    async def test_again_in_the_middle_of_a_removal(self) -> None:
        """
        A profile that comes again before its removal has reached all hosts is on all of them.
        """
        await self.many()
        await self.profiles.remove_profile("a-1", records.activity())
        again = records.profile("a-2", identifier="com.example.a-1", sha256="cd" * 32)
        uuid = await self.profiles.add_profile(again, records.activity(at=NOON + HOUR))
        self.assertEqual(uuid, "a-1")
        while await self.profiles.advance_sweep("a-1", NOON + HOUR):
            pass
        found = await self.assignments.assignments_of_profile("a-1")
        self.assertEqual([one.operation for one in found], ["install"] * 5)
        self.assertEqual(await self.changed(), [True] * 5)
